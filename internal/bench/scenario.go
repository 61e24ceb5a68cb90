package main

import (
	"fmt"
	"slices"
	"strings"
)

// scenario is a kind of load, under which the servers are measured.
type scenario struct {
	name    string
	about   string
	clients []int // numbers of clients; the flag -n overrides them
	metrics []metric
	without []string // servers that cannot run it
	nodes   int      // of a cluster, with clients on each; 0: the scenario is for one process
	run     func(m *measurement) (sample, error)
}

// metric is a figure in a sample.
type metric struct{ name, about string }

// sample is the result of one measurement: values by the names of metrics.
type sample map[string]float64

// Each sample also has these values, which show what limited the rate: the
// number of cores that the server and the load generator used.
const (
	serverCores = "server_cores"
	loadCores   = "load_cores"
)

func perUnit(unit string) []metric {
	return []metric{
		{"cpu", "server CPU, µs per " + unit},
		{"rate", unit + " per second, in thousands"},
	}
}

var scenarios = []*scenario{
	{
		name: "fanout1", about: "an event of 100 bytes to all clients, the next one when all have received it",
		clients: []int{200, 1000, 5000, 10000}, metrics: perUnit("delivery"), run: fanOut(1),
	},
	{
		name: "fanout16", about: "the same with 16 events in flight",
		clients: []int{200, 1000, 5000, 10000}, metrics: perUnit("delivery"), run: fanOut(16),
	},
	{
		name: "user", about: "an event to one user after another, 16 in flight",
		clients: []int{1000, 10000}, metrics: perUnit("emit"), run: emitToUsers,
	},
	{
		name: "echo", about: "each client sends an event and waits for the echo",
		clients: []int{1000}, metrics: perUnit("echo"), run: echo("42"+eventOf("echo"), "42"),
	},
	{
		name: "ack", about: "each client sends an event and waits for its acknowledgement, from a typed handler if the server has them",
		clients: []int{1000}, metrics: perUnit("echo"), run: echo("421"+eventOf("ack"), "431"),
	},
	{
		name: "poll", about: "echo over HTTP long-polling",
		clients: []int{200}, metrics: perUnit("echo"), without: []string{"bare", "buffered"}, run: pollEcho,
	},
	{
		name: "connect", about: "clients connect by WebSocket, -parallel at a time, and then all disconnect at once",
		clients: []int{1000, 10000}, run: connectAndLeave(false),
		metrics: connectMetrics,
	},
	{
		name: "connect-user", about: "the same with a browser's headers, a session and a user",
		clients: []int{10000}, run: connectAndLeave(true),
		metrics: connectMetrics,
	},
	{
		name: "idle", about: "connections with a browser's headers, a session and a user are idle for the time of -idle",
		clients: []int{1000, 10000, 19000}, run: idle,
		metrics: []metric{
			{"resident", "resident memory after a collection, KiB per connection"},
			{"uncollected", "resident memory before, KiB per connection"},
			{"goroutines", "goroutines per connection"},
			{"cpu", "server CPU, percent of a core"},
			{"pings", "pings per second"},
		},
	},
	{
		name: "cluster-fanout1", about: "fanout1 over three nodes, with the clients on each of them; the nodes emit in turn",
		clients: []int{1000}, nodes: 3, metrics: append(perUnit("delivery"), brokerMetrics...), run: clusterFanOut(1, 3),
	},
	{
		name: "cluster-fanout16", about: "the same with 16 events in flight, which one node emits",
		clients: []int{1000}, nodes: 3, metrics: append(perUnit("delivery"), brokerMetrics...), run: clusterFanOut(16, 1),
	},
	{
		name: "cluster-turns16", about: "the same with 16 events in flight, which the nodes emit in turn",
		clients: []int{1000}, nodes: 3, metrics: append(perUnit("delivery"), brokerMetrics...), run: clusterFanOut(16, 3),
	},
	{
		name: "cluster-latency", about: "a node sends 1,000 events a second to clients of its own and to as many of another node",
		clients: []int{10}, nodes: 3, without: []string{aloneServer}, metrics: latencyMetrics, run: clusterLatency,
	},
	{
		name: "cluster-user", about: "a node sends an event to one user after another of another node, 256 in flight; a third node has none of them",
		clients: []int{1, 1000}, nodes: 3, without: []string{aloneServer}, run: clusterEmitToUsers,
		metrics: append(append(perUnit("emit"), brokerMetrics...),
			metric{"elsewhere", "messages per second that the third node gets, heartbeats among them"},
			metric{"elsewhere_bytes", "bytes that it gets from the broker per emit"}),
	},
	{
		name: "cluster-connect", about: "users connect to a node, 20 at a time, and another node is asked for them",
		clients: []int{500}, nodes: 3, without: []string{aloneServer, nodeServer}, metrics: seenMetrics, run: clusterConnect,
	},
}

// scenarioGroup selects the scenarios whose names begin with it and a hyphen,
// as a name in a list of scenarios.
const scenarioGroup = "cluster"

var connectMetrics = []metric{
	{"rate", "connections per second, in thousands"},
	{"cpu", "server CPU, µs per connection"},
	{"failed", "refused or stalled"},
	{"leave_rate", "disconnects per second, in thousands"},
	{"leave_cpu", "server CPU, µs per disconnect"},
}

// serverNames has the names of all servers, in the order of the tables.
var serverNames = []string{"mojo", "bare", "buffered", nodeServer, "zishang520", "googollee", aloneServer}

// aloneServer is one process of mojo, which has the clients of all nodes. It is
// for scenarios of a cluster.
const aloneServer = "mojo-alone"

func (s *scenario) cannot(server string) bool {
	if s.nodes > 0 && server != "mojo" && server != nodeServer && server != aloneServer {
		return true
	}
	return s.nodes == 0 && server == aloneServer || slices.Contains(s.without, server)
}

// chooseScenarios is choose for scenarios.
func chooseScenarios(list string) ([]*scenario, error) {
	names := strings.Split(list, ",")
	if i := slices.Index(names, scenarioGroup); i >= 0 {
		names = slices.Delete(names, i, i+1)
		for _, s := range scenarios {
			if strings.HasPrefix(s.name, scenarioGroup+"-") && !slices.Contains(names, s.name) {
				names = append(names, s.name)
			}
		}
	}
	return choose(strings.Join(names, ","), scenarios, func(s *scenario) string { return s.name })
}

// choose returns the elements of all that a list with commas names, in the
// order of all. The lists "" and "all" name all.
func choose[T any](list string, all []T, name func(T) string) ([]T, error) {
	if list == "" || list == "all" {
		return all, nil
	}
	wanted := strings.Split(list, ",")
	var chosen []T
	for _, v := range all {
		if i := slices.Index(wanted, name(v)); i >= 0 {
			chosen = append(chosen, v)
			wanted = slices.Delete(wanted, i, i+1)
		}
	}
	if len(wanted) > 0 {
		var known []string
		for _, v := range all {
			known = append(known, name(v))
		}
		return nil, fmt.Errorf("unknown name %q; the names are %s", wanted[0], strings.Join(known, ", "))
	}
	return chosen, nil
}
