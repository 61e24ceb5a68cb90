package main

import (
	"fmt"
	"slices"
	"strings"
)

// scenario is something that all servers are measured at.
type scenario struct {
	name    string
	about   string
	clients []int // numbers of clients, unless -n says otherwise
	metrics []metric
	without []string // servers that cannot do it
	run     func(m *measurement) (sample, error)
}

// metric is a figure in a sample.
type metric struct{ name, about string }

// sample is what one measurement gave, by the names of metrics.
type sample map[string]float64

// What every scenario tells beside its metrics, to see what limited it: how
// many cores the server and the load generator kept busy.
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
		name: "fanout1", about: "an event of 100 bytes to everybody, the next one when all have it",
		clients: []int{200, 1000, 5000, 10000}, metrics: perUnit("delivery"), run: fanOut(1),
	},
	{
		name: "fanout16", about: "the same with 16 events in flight",
		clients: []int{200, 1000, 5000, 10000}, metrics: perUnit("delivery"), run: fanOut(16),
	},
	{
		name: "user", about: "an event to one user after the other, 16 in flight",
		clients: []int{1000, 10000}, metrics: perUnit("emit"), run: emitToUsers,
	},
	{
		name: "echo", about: "each client sends an event and waits until it comes back",
		clients: []int{1000}, metrics: perUnit("echo"), run: echo("42"+eventOf("echo"), "42"),
	},
	{
		name: "ack", about: "each client sends an event and waits for its acknowledgement, from a typed handler where there are any",
		clients: []int{1000}, metrics: perUnit("echo"), run: echo("421"+eventOf("ack"), "431"),
	},
	{
		name: "poll", about: "echo over HTTP long-polling",
		clients: []int{200}, metrics: perUnit("echo"), without: []string{"bare", "buffered"}, run: pollEcho,
	},
	{
		name: "connect", about: "clients connect by WebSocket, -parallel at a time, and then all leave at once",
		clients: []int{1000, 10000}, run: connectAndLeave(false),
		metrics: connectMetrics,
	},
	{
		name: "connect-user", about: "the same with a browser's headers, a session and a user",
		clients: []int{10000}, run: connectAndLeave(true),
		metrics: connectMetrics,
	},
	{
		name: "idle", about: "connections with a browser's headers, a session and a user do nothing for -idle",
		clients: []int{1000, 10000, 19000}, run: idle,
		metrics: []metric{
			{"resident", "resident memory after a collection, KiB per connection"},
			{"uncollected", "resident memory before, KiB per connection"},
			{"goroutines", "goroutines per connection"},
			{"cpu", "server CPU, percent of a core"},
			{"pings", "pings per second"},
		},
	},
}

var connectMetrics = []metric{
	{"rate", "connections per second, in thousands"},
	{"cpu", "server CPU, µs per connection"},
	{"failed", "refused or stalled"},
	{"leave_rate", "leaves per second, in thousands"},
	{"leave_cpu", "server CPU, µs per leave"},
}

// serverNames are the servers there are, in the order of the table.
var serverNames = []string{"mojo", "bare", "buffered", nodeServer, "zishang520", "googollee"}

func (s *scenario) cannot(server string) bool { return slices.Contains(s.without, server) }

// choose returns those of all that are named in a list with commas, in their
// own order; "" or "all" is all.
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
		return nil, fmt.Errorf("no %q; there are %s", wanted[0], strings.Join(known, ", "))
	}
	return chosen, nil
}
