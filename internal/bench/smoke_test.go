package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/bench/load"
	"github.com/mojosocket/mojo/internal/bench/servers"
)

const few = 20 // clients

// eachServer runs a test on every server. Without Node it leaves out the server
// in Node, unless MOJO_INTEROP=require is set.
func eachServer(t *testing.T, test func(t *testing.T, server string)) {
	for _, server := range serverNames {
		t.Run(server, func(t *testing.T) {
			if server == nodeServer {
				requireNode(t)
			}
			test(t, server)
		})
	}
}

func requireNode(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("node")
	if err == nil {
		_, err = nodeScript()
	}
	if err == nil {
		return
	}
	if os.Getenv("MOJO_INTEROP") == "require" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// begin starts a server and connects clients, each as a user of its own. The
// map has the received events of each client.
func begin(t *testing.T, server string) (*measurement, *load.Pool, map[int][]string) {
	t.Helper()
	l := launch{beat: servers.Heartbeat{Interval: 25 * time.Second, Timeout: 20 * time.Second}}
	p, err := l.start(server)
	require.NoError(t, err)
	t.Cleanup(p.stop)
	loop, err := load.NewLoop()
	require.NoError(t, err)
	t.Cleanup(loop.Close)
	m := &measurement{effort: effort{parallel: few}, server: server, clients: few, process: p, loop: loop}
	pool, err := m.pool(true)
	require.NoError(t, err)
	t.Cleanup(pool.Abort)
	received := make(map[int][]string)
	pool.OnEvent = func(c *load.Client, packet []byte) {
		received[c.Index] = append(received[c.Index], strings.TrimSuffix(string(packet), "\n"))
	}
	m.sendAfterBatch()
	require.NoError(t, m.connect(pool, few))
	return m, pool, received
}

// arrive waits until everything has arrived that the server was ordered to
// send: every client asks for an echo, which it receives last.
func arrive(t *testing.T, m *measurement, pool *load.Pool, received map[int][]string) {
	t.Helper()
	_, err := m.process.ask(cmdConns, 0) // the answer comes when all earlier commands are done
	require.NoError(t, err)
	echo := "42" + eventOf("echo")
	pool.Each(func(c *load.Client) { c.Send(load.Frame(echo)) })
	missing := func() (missing []int) {
		for client := range few {
			if n := len(received[client]); n == 0 || received[client][n-1] != echo {
				missing = append(missing, client)
			}
		}
		return missing
	}
	require.NoError(t, m.loop.Run(patience, func() bool { return len(missing()) == 0 }))
	for client := range few {
		received[client] = received[client][:len(received[client])-1]
	}
}

// Each client receives each broadcast event once and complete.
func TestBroadcastsArrive(t *testing.T) {
	eachServer(t, func(t *testing.T, server string) {
		m, pool, received := begin(t, server)
		const events = 50
		for range events {
			m.process.queue(cmdBroadcast, 0)
		}
		arrive(t, m, pool, received)
		for client := range few {
			require.Len(t, received[client], events, "client %d", client)
			for _, packet := range received[client] {
				require.Equal(t, "42"+eventOf("note"), packet)
			}
		}
	})
}

// Each event to a user arrives at that user's client alone.
func TestEmitsToUsersArrive(t *testing.T) {
	eachServer(t, func(t *testing.T, server string) {
		m, pool, received := begin(t, server)
		for user := range few {
			for range user {
				m.process.queue(cmdEmit, user)
			}
		}
		arrive(t, m, pool, received)
		for user := range few {
			require.Len(t, received[user], user)
		}
	})
}

// Echoes and acknowledgements arrive at the clients that asked for them. The
// bare servers answer with echoes to both.
func TestEchoesArrive(t *testing.T) {
	eachServer(t, func(t *testing.T, server string) {
		m, pool, received := begin(t, server)
		pool.Each(func(c *load.Client) {
			c.Send(load.Frame("42" + eventOf("echo")))
			c.Send(load.Frame("421" + eventOf("ack")))
		})
		done := func() bool {
			for client := range few {
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
		for client := range few {
			require.ElementsMatch(t, []string{"42" + eventOf("echo"), ack}, received[client])
		}
	})
}

// Every scenario returns every figure of its table.
func TestScenarios(t *testing.T) {
	eachServer(t, func(t *testing.T, server string) {
		o, err := parse([]string{
			"-servers", server, "-n", "20", "-rounds", "1", "-duration", "50ms", "-warmup", "10ms", "-idle", "10ms",
		})
		require.NoError(t, err)
		r, err := o.measureAll()
		require.NoError(t, err)
		require.Empty(t, r.Problems)
		for _, c := range r.Cells {
			if c.scenario.cannot(server) {
				require.Empty(t, c.Samples)
				continue
			}
			for _, m := range c.scenario.metrics {
				require.Contains(t, c.Medians[server], m.name, c.Scenario)
			}
			if c.scenario.name != "idle" { // its figures may be zero
				require.Positive(t, c.Medians[server]["cpu"], c.Scenario)
				require.Positive(t, c.Medians[server]["rate"], c.Scenario)
			}
			require.Zero(t, c.Medians[server]["failed"], c.Scenario)
		}
	})
}

// It runs the scenario million with a thousand connections.
func TestMillion(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run([]string{"-million", "-sessions", "1000", "-users", "300", "-ping", "200ms"}, &out))
	require.Contains(t, out.String(), "1000 sessions of 300 users")
	require.Contains(t, out.String(), " 0 lost")
	require.NotContains(t, out.String(), "heartbeats: 0 pings")
}
