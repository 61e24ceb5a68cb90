package mojo

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"
)

// Stats has the figures of a Server, which is one process: what it holds at a
// moment, and what it has counted since it was made. Counts only grow.
type Stats struct {
	Connections int // Engine.IO connections, about one for each tab
	WebSockets  int // WebSockets, including those that are being upgraded to or closed
	Unconnected int // connections that have not connected to an app yet
	QueuedBytes int // bytes that wait to be sent, see Limits.MaxQueuedTotal
	Sessions    int // browser sessions that are connected to any app
	Users       int // users who are connected to any app
	Apps        []AppStats

	MessagesIn  uint64 // messages from clients, without heartbeats
	BytesIn     uint64 // their bytes
	MessagesOut uint64 // messages queued for clients
	BytesOut    uint64 // their bytes, as framed for a WebSocket
	Dropped     uint64 // volatile messages that were skipped, see Broadcast.Volatile
	Replaced    uint64 // messages that a later one of the same key replaced, see Broadcast.Latest

	Opened  uint64            // connections that began
	Closed  map[Reason]uint64 // connections that ended, by reason
	Refused map[string]uint64 // refused requests, by cause: "origin", "session revoked", "too many connections", ...

	RefusedConnects uint64            // clients that OnConnect or a limit has refused
	CookieFaults    map[string]uint64 // invalid cookies, by cause: "forged", "expired", ...
	HandlerPanics   uint64            // panics of callbacks
	HandlerErrors   uint64            // errors of callbacks other than ClientError

	Cluster ClusterStats
}

// ClusterStats is the part of Stats about the cluster. It is zero without
// Options.Cluster.
type ClusterStats struct {
	State       string        // "joining", "fetching the ledger", "ready" or "isolated"
	Nodes       int           // processes that are alive, this one among them
	Deaf        time.Duration // since a message of this process to itself came back; about a second if all is well
	Outbox      int           // bytes that wait to be sent to other processes
	Unconfirmed int           // changes of identity that wait for other processes

	Lost     uint64 // messages to other processes that were dropped: the broker was away, or slow
	Late     uint64 // calls that returned an UnconfirmedError
	Forged   uint64 // messages that were not sealed with a key of this cluster
	Unknown  uint64 // messages that cannot be decoded, for instance of another version
	Replayed uint64 // messages that had come before
	Repeated uint64 // changes of identity that had been applied before, because their confirmation was lost
	Stale    uint64 // messages to sessions and users that were dropped because this process was isolated
}

// AppStats is the part of Stats for one namespace.
type AppStats struct {
	App       string // "" for Server.Handle
	Namespace string
	Conns     int
	Sessions  int
	Users     int
}

// Stats returns the figures of this moment. They are read one after another, so
// they may not all be of exactly the same moment. A call takes microseconds,
// and a few more for each app.
func (s *Server) Stats() Stats {
	inner := s.sio.Stats()
	e := inner.Engine
	stats := Stats{
		Connections: e.Open, WebSockets: e.WebSockets, Unconnected: inner.Unconnected,
		QueuedBytes: int(e.Queued),
		Sessions:    s.CurrentSessions().Local().Len(), Users: s.LoggedInSessions().Local().Len(),
		MessagesIn: e.MessagesIn, BytesIn: e.BytesIn, MessagesOut: e.MessagesOut, BytesOut: e.BytesOut,
		Dropped: e.Dropped, Replaced: e.Replaced,
		Opened: e.Opened, Closed: make(map[Reason]uint64), Refused: make(map[string]uint64),
		RefusedConnects: inner.Refused, CookieFaults: s.faults.byName(),
		HandlerPanics: inner.Panics, HandlerErrors: s.handlerErrors.Load(),
	}
	for reason, n := range e.Closed {
		stats.Closed[Reason(reason)] = n
	}
	for cause, n := range e.Refused {
		stats.Refused[string(cause)] = n
	}
	if node := s.sio.Node(); node != nil {
		c := node.Stats()
		stats.Cluster = ClusterStats{
			State: c.Phase.String(), Nodes: c.Members, Deaf: c.Deaf, Outbox: c.Outbox, Unconfirmed: c.Unconfirmed,
			Lost: c.Lost, Late: c.Late, Forged: c.Forged, Unknown: c.Unknown, Replayed: c.Replayed, Repeated: c.Repeated, Stale: c.Stale,
		}
	}
	for _, ch := range s.Channels() {
		stats.Apps = append(stats.Apps, AppStats{
			App: ch.app, Namespace: ch.name, Conns: ch.Len(),
			Sessions: ch.CurrentSessions().Local().Len(), Users: ch.LoggedInSessions().Local().Len(),
		})
	}
	return stats
}

// Health returns a handler for load balancers. It answers 200 while the Server
// accepts connections, and 503 after Shutdown or Close, while there are
// Limits.MaxConns connections, and while it has heard nothing of its cluster
// for ten seconds. The body is JSON: {"status": "ok", "connections": 17}, where
// status is "ok", "full", "isolated" or "closed".
func (s *Server) Health() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		health := struct {
			Status      string `json:"status"`
			Connections int    `json:"connections"`
		}{"ok", s.sio.Stats().Engine.Open}
		status := http.StatusServiceUnavailable
		switch {
		case s.sio.Closed():
			health.Status = "closed"
		case s.opts.Limits.MaxConns > 0 && health.Connections >= s.opts.Limits.MaxConns:
			health.Status = "full"
		case s.isDeaf():
			health.Status = "isolated"
		default:
			status = http.StatusOK
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(health) // the client may have gone
	})
}

// maxDeaf is how long a process may hear nothing of its cluster before Health
// says so.
const maxDeaf = 10 * time.Second

func (s *Server) isDeaf() bool {
	node := s.sio.Node()
	return node != nil && node.Stats().Deaf >= maxDeaf
}

// faultCounts counts invalid cookies, by cause.
type faultCounts [len(cookieFaultNames)]atomic.Uint64

func (f *faultCounts) count(faults cookieFaults) {
	for i := range f {
		if faults&(1<<i) != 0 {
			f[i].Add(1)
		}
	}
}

func (f *faultCounts) byName() map[string]uint64 {
	counts := make(map[string]uint64)
	for i, name := range cookieFaultNames {
		if n := f[i].Load(); n > 0 {
			counts[name] = n
		}
	}
	return counts
}
