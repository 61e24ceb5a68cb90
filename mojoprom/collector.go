// Package mojoprom exports the figures of a mojo.Server to Prometheus. It is a
// module of its own, so that mojo itself does not depend on Prometheus:
//
//	prometheus.MustRegister(mojoprom.NewCollector(srv))
//
// The metrics, all with the prefix "mojo_":
//
//	connections                  gauge    connections, of any transport
//	websockets                   gauge    WebSockets
//	unconnected                  gauge    connections that have connected to no app yet
//	queued_bytes                 gauge    bytes that wait for clients
//	sessions                     gauge    browser sessions that are connected
//	users                        gauge    logged-in users who are connected
//	app_conns{namespace}         gauge    connections of one app
//	app_sessions{namespace}      gauge    browser sessions on one app
//	app_users{namespace}         gauge    logged-in users on one app
//	messages_received_total      counter  messages from clients
//	received_bytes_total         counter  their bytes
//	messages_sent_total          counter  messages queued for clients
//	sent_bytes_total             counter  their bytes, as framed for a WebSocket
//	messages_dropped_total       counter  volatile messages for clients that were behind
//	messages_replaced_total      counter  messages that a later one of the same key replaced
//	opened_total                 counter  connections that began
//	closed_total{reason}         counter  connections that ended, by mojo.Reason
//	refused_total{cause}         counter  requests that were refused
//	connects_refused_total       counter  clients that an app or a limit has refused
//	cookie_faults_total{fault}   counter  invalid cookies
//	handler_panics_total         counter  panics of handlers
//	handler_errors_total         counter  errors of handlers other than mojo.ClientError
//
// and, of a Server with Options.Cluster:
//
//	cluster_nodes                gauge    processes that are alive, this one among them
//	cluster_ready                gauge    1 if this process belongs to the cluster, and otherwise 0
//	cluster_deaf_seconds         gauge    since a message of this process to itself came back
//	cluster_outbox_bytes         gauge    bytes that wait to be sent to other processes
//	cluster_unconfirmed          gauge    changes of identity that wait for other processes
//	cluster_lost_total           counter  messages to other processes that were dropped
//	cluster_late_total           counter  calls that returned a mojo.UnconfirmedError
//	cluster_refused_total{cause} counter  messages from the broker that were dropped: forged, unknown, replayed, repeated, stale
//
// The labels have few values. None is from a client: all are from mojo or, as
// the reason of Session.Revoke, from the site.
package mojoprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mojosocket/mojo"
)

// Collector is a prometheus.Collector for one mojo.Server. Make it with
// NewCollector. It is safe for concurrent use.
type Collector struct{ server *mojo.Server }

// NewCollector returns a Collector that reads srv.Stats at each scrape. For
// several Servers in one registry wrap their collectors with
// prometheus.WrapRegistererWith.
func NewCollector(srv *mojo.Server) *Collector { return &Collector{srv} }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("mojo_"+name, help, labels, nil)
}

var (
	connections   = desc("connections", "Connections, of any transport.")
	webSockets    = desc("websockets", "WebSockets.")
	unconnected   = desc("unconnected", "Connections that have connected to no app yet.")
	queued        = desc("queued_bytes", "Bytes that wait for clients.")
	sessions      = desc("sessions", "Browser sessions that are connected.")
	users         = desc("users", "Logged-in users who are connected.")
	appConns      = desc("app_conns", "Connections of one app.", "namespace")
	appSessions   = desc("app_sessions", "Browser sessions on one app.", "namespace")
	appUsers      = desc("app_users", "Logged-in users on one app.", "namespace")
	messagesIn    = desc("messages_received_total", "Messages from clients.")
	bytesIn       = desc("received_bytes_total", "Bytes of messages from clients.")
	messagesOut   = desc("messages_sent_total", "Messages queued for clients.")
	bytesOut      = desc("sent_bytes_total", "Bytes of messages queued for clients.")
	dropped       = desc("messages_dropped_total", "Volatile messages for clients that were behind.")
	replaced      = desc("messages_replaced_total", "Messages that a later one of the same key replaced.")
	opened        = desc("opened_total", "Connections that began.")
	closed        = desc("closed_total", "Connections that ended.", "reason")
	refused       = desc("refused_total", "Requests that were refused.", "cause")
	refusedConns  = desc("connects_refused_total", "Clients that an app or a limit has refused.")
	cookieFaults  = desc("cookie_faults_total", "Invalid cookies.", "fault")
	handlerPanics = desc("handler_panics_total", "Panics of handlers.")
	handlerErrors = desc("handler_errors_total", "Errors of handlers other than mojo.ClientError.")

	clusterNodes       = desc("cluster_nodes", "Processes of the cluster that are alive, this one among them.")
	clusterReady       = desc("cluster_ready", "1 if this process belongs to the cluster, and otherwise 0.")
	clusterDeaf        = desc("cluster_deaf_seconds", "Seconds since a message of this process to itself came back.")
	clusterOutbox      = desc("cluster_outbox_bytes", "Bytes that wait to be sent to other processes.")
	clusterUnconfirmed = desc("cluster_unconfirmed", "Changes of identity that wait for other processes.")
	clusterLost        = desc("cluster_lost_total", "Messages to other processes that were dropped.")
	clusterLate        = desc("cluster_late_total", "Calls that returned a mojo.UnconfirmedError.")
	clusterRefused     = desc("cluster_refused_total", "Messages from the broker that were dropped.", "cause")
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	s := c.server.Stats()
	gauge := func(d *prometheus.Desc, n int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge(connections, s.Connections)
	gauge(webSockets, s.WebSockets)
	gauge(unconnected, s.Unconnected)
	gauge(queued, s.QueuedBytes)
	gauge(sessions, s.Sessions)
	gauge(users, s.Users)
	for _, app := range s.Apps {
		gauge(appConns, app.Conns, app.Namespace)
		gauge(appSessions, app.Sessions, app.Namespace)
		gauge(appUsers, app.Users, app.Namespace)
	}
	counter(messagesIn, s.MessagesIn)
	counter(bytesIn, s.BytesIn)
	counter(messagesOut, s.MessagesOut)
	counter(bytesOut, s.BytesOut)
	counter(dropped, s.Dropped)
	counter(replaced, s.Replaced)
	counter(opened, s.Opened)
	for reason, n := range s.Closed {
		counter(closed, n, string(reason))
	}
	for cause, n := range s.Refused {
		counter(refused, n, cause)
	}
	counter(refusedConns, s.RefusedConnects)
	for fault, n := range s.CookieFaults {
		counter(cookieFaults, n, fault)
	}
	counter(handlerPanics, s.HandlerPanics)
	counter(handlerErrors, s.HandlerErrors)
	if s.Cluster.Nodes > 0 {
		collectCluster(ch, &s.Cluster, gauge, counter)
	}
}

func collectCluster(ch chan<- prometheus.Metric, c *mojo.ClusterStats,
	gauge func(*prometheus.Desc, int, ...string), counter func(*prometheus.Desc, uint64, ...string),
) {
	ready := 0
	if c.State == "ready" {
		ready = 1
	}
	gauge(clusterNodes, c.Nodes)
	gauge(clusterReady, ready)
	ch <- prometheus.MustNewConstMetric(clusterDeaf, prometheus.GaugeValue, c.Deaf.Seconds())
	gauge(clusterOutbox, c.Outbox)
	gauge(clusterUnconfirmed, c.Unconfirmed)
	counter(clusterLost, c.Lost)
	counter(clusterLate, c.Late)
	counter(clusterRefused, c.Forged, "forged")
	counter(clusterRefused, c.Unknown, "unknown")
	counter(clusterRefused, c.Replayed, "replayed")
	counter(clusterRefused, c.Repeated, "repeated")
	counter(clusterRefused, c.Stale, "stale")
}
