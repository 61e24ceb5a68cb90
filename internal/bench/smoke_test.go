package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/bench/load"
	"github.com/mojosocket/mojo/internal/bench/servers"
)

const fewClients = 20

// eachServer runs a test on every server. Without Node it skips the server in
// Node, unless MOJO_INTEROP=require is set.
func eachServer(t *testing.T, test func(t *testing.T, server string)) {
	for _, server := range serverNames {
		if server == aloneServer {
			continue
		}
		t.Run(server, func(t *testing.T) {
			if server == nodeServer {
				requireNode(t, false)
			}
			test(t, server)
		})
	}
}

func requireNode(t *testing.T, cluster bool) {
	t.Helper()
	_, err := exec.LookPath("node")
	if err == nil {
		_, _, err = nodeScript(cluster)
	}
	skipIf(t, err)
}

// skipIf skips a test that lacks a program, or fails it if MOJO_INTEROP is
// require.
func skipIf(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("MOJO_INTEROP") == "require" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// begin starts a server and connects clients, each as another user. The map has
// the events that each client has received.
func begin(t *testing.T, server string) (*measurement, *load.Pool, map[int][]string) {
	t.Helper()
	l := launch{heartbeat: servers.Heartbeat{Interval: 25 * time.Second, Timeout: 20 * time.Second}}
	p, err := l.start(server)
	require.NoError(t, err)
	t.Cleanup(p.stop)
	loop, err := load.NewLoop()
	require.NoError(t, err)
	t.Cleanup(loop.Close)
	m := &measurement{effort: effort{parallel: fewClients}, server: server, clients: fewClients, process: p, nodes: []*process{p}, loop: loop}
	pool, err := m.pool(true)
	require.NoError(t, err)
	t.Cleanup(pool.Abort)
	received := make(map[int][]string)
	pool.OnEvent = func(c *load.Client, packet []byte) {
		received[c.Index] = append(received[c.Index], strings.TrimSuffix(string(packet), "\n"))
	}
	m.sendAfterBatch()
	require.NoError(t, m.connect(pool, fewClients))
	return m, pool, received
}

// awaitEvents waits until all events of the earlier commands have arrived: each
// client requests an echo, which it receives last.
func awaitEvents(t *testing.T, m *measurement, pool *load.Pool, received map[int][]string) {
	t.Helper()
	_, err := m.process.ask(cmdConns, 0) // the answer arrives when all earlier commands are done
	require.NoError(t, err)
	echo := "42" + eventOf("echo")
	pool.Each(func(c *load.Client) { c.Send(load.Frame(echo)) })
	missing := func() (missing []int) {
		for client := range fewClients {
			if n := len(received[client]); n == 0 || received[client][n-1] != echo {
				missing = append(missing, client)
			}
		}
		return missing
	}
	require.NoError(t, m.loop.Run(patience, func() bool { return len(missing()) == 0 }))
	for client := range fewClients {
		received[client] = received[client][:len(received[client])-1]
	}
}

// TestBroadcastsArrive: each client receives each broadcast event once, and
// complete.
func TestBroadcastsArrive(t *testing.T) {
	eachServer(t, func(t *testing.T, server string) {
		m, pool, received := begin(t, server)
		const events = 50
		for range events {
			m.process.queue(cmdBroadcast, 0)
		}
		awaitEvents(t, m, pool, received)
		for client := range fewClients {
			require.Len(t, received[client], events, "client %d", client)
			for _, packet := range received[client] {
				require.Equal(t, "42"+eventOf("note"), packet)
			}
		}
	})
}

// TestEmitsToUsersArrive: an event to a user arrives only at the client of that
// user.
func TestEmitsToUsersArrive(t *testing.T) {
	eachServer(t, func(t *testing.T, server string) {
		m, pool, received := begin(t, server)
		for user := range fewClients {
			for range user {
				m.process.queue(cmdEmit, user)
			}
		}
		awaitEvents(t, m, pool, received)
		for user := range fewClients {
			require.Len(t, received[user], user)
		}
	})
}

// TestEchoesArrive: echoes and acknowledgements arrive at the clients that
// requested them. The bare servers answer both with an echo.
func TestEchoesArrive(t *testing.T) {
	eachServer(t, func(t *testing.T, server string) {
		m, pool, received := begin(t, server)
		pool.Each(func(c *load.Client) {
			c.Send(load.Frame("42" + eventOf("echo")))
			c.Send(load.Frame("421" + eventOf("ack")))
		})
		done := func() bool {
			for client := range fewClients {
				if len(received[client]) < 2 {
					return false
				}
			}
			return true
		}
		require.NoError(t, m.loop.Run(patience, done))
		ack := "431" + servers.AckJSON()
		if server == "bare" || server == "buffered" {
			ack = "431" + eventOf("ack")
		}
		for client := range fewClients {
			require.ElementsMatch(t, []string{"42" + eventOf("echo"), ack}, received[client])
		}
	})
}

// TestScenarios: each scenario returns all metrics of its tables.
func TestScenarios(t *testing.T) {
	eachServer(t, func(t *testing.T, server string) {
		o, err := parse([]string{
			"-servers", server, "-n", "20", "-rounds", "1", "-duration", "50ms", "-warmup", "10ms", "-idle", "10ms",
		})
		require.NoError(t, err)
		o.scenarios = slices.DeleteFunc(slices.Clone(o.scenarios), func(s *scenario) bool { return s.nodes > 0 })
		for _, c := range requireSamples(t, o, server) {
			if c.scenario.name != "idle" { // its metrics may be zero
				require.Positive(t, c.Medians[server]["cpu"], c.Scenario)
				require.Positive(t, c.Medians[server]["rate"], c.Scenario)
			}
			require.Zero(t, c.Medians[server]["failed"], c.Scenario)
		}
	})
}

// requireSamples runs the scenarios on a server and returns the cells, which
// have all metrics.
func requireSamples(t *testing.T, o *options, server string) (measured []*cell) {
	t.Helper()
	r, err := o.measureAll()
	require.NoError(t, err)
	require.Empty(t, r.Problems)
	for _, c := range r.Cells {
		if c.scenario.cannot(server) {
			require.Empty(t, c.Samples)
			continue
		}
		for _, m := range c.scenario.metrics {
			if server == aloneServer && slices.Contains(brokerMetrics, m) {
				continue
			}
			require.Contains(t, c.Medians[server], m.name, c.Scenario)
		}
		measured = append(measured, c)
	}
	return measured
}

// TestClusterScenarios: each scenario of a cluster returns all metrics of its
// tables. A node of mojo gets nothing of what is for users of another node.
func TestClusterScenarios(t *testing.T) {
	_, err := exec.LookPath("redis-server")
	skipIf(t, err)
	for _, server := range []string{"mojo", nodeServer, aloneServer} {
		t.Run(server, func(t *testing.T) {
			if server == nodeServer {
				requireNode(t, true)
			}
			o, err := parse([]string{
				"-servers", server, "-scenarios", "cluster", "-n", "20", "-rounds", "1", "-duration", "50ms", "-warmup", "10ms",
			})
			require.NoError(t, err)
			for _, c := range requireSamples(t, o, server) {
				require.Positive(t, c.Medians[server]["cpu"], c.Scenario)
				require.Positive(t, c.Medians[server]["rate"], c.Scenario)
				if c.Scenario == "cluster-user" && server == "mojo" {
					require.Less(t, c.Medians[server]["elsewhere_bytes"], 20.0) // an event has 100 bytes
				}
			}
		})
	}
}

// TestMillion runs -million with a thousand sessions.
func TestMillion(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run([]string{"-million", "-sessions", "1000", "-users", "300", "-ping", "200ms"}, &out))
	require.Contains(t, out.String(), "1000 sessions of 300 users")
	require.Contains(t, out.String(), " 0 lost")
	require.NotContains(t, out.String(), "heartbeats: 0 pings")
}
