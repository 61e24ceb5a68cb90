package processes

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/internal/tcpproxy"
)

// The broker is killed and started again.
func TestBrokerRestarts(t *testing.T) {
	t.Parallel()
	broker, n := startCluster(t)
	outage(t, n, n, broker.Kill, func() { require.NoError(t, broker.Restart()) })
}

// One node cannot reach the broker, or does not hear it.
func TestBrokerIsOutOfReach(t *testing.T) {
	t.Parallel()
	for fault, cut := range map[string]func(p *tcpproxy.Proxy){
		"refused":   func(p *tcpproxy.Proxy) { p.SetCut(true) },
		"blackhole": (*tcpproxy.Proxy).Stall,
		"starved":   func(p *tcpproxy.Proxy) { p.StallAnswers("subscribe") },
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			broker := redistest.New(t)
			proxy := tcpproxy.New(t, broker.Addr)
			var n []*node
			for _, address := range []string{broker.Addr, broker.Addr, proxy.Addr()} {
				n = append(n, start(t, Config{Redis: address, Grace: grace}))
			}
			awaitWhole(t, n...)
			outage(t, n, n[2:], func() { cut(proxy) }, func() {
				proxy.Forward()
				proxy.SetCut(false)
			})
		})
	}
}

// outage lets some nodes be without the broker for so long that they say so.
// Meanwhile each node serves its own connections. Afterwards they are a cluster
// as before, and what was done meanwhile holds on all nodes.
func outage(t *testing.T, all, away []*node, begin, end func()) {
	t.Helper()
	people := make(map[*node]*person)
	for i, n := range all {
		people[n] = n.visit(transportOf(i), name("tab", i), name("user", i))
		all[len(all)-1].visit("websocket", name("revoked", i), "")
	}
	waitUntil(t, "all nodes know all", func() bool {
		return !slices.ContainsFunc(all, func(n *node) bool { return len(n.look().Sessions) != 2*len(all) })
	})

	begin()

	began := time.Now()
	local := 0
	red := make(map[*node]time.Duration)
	revocation := make(chan error, len(all))
	waitUntil(t, "the nodes say that they are isolated", func() bool {
		for _, n := range away {
			result := n.emit(Emission{Event: n.Name, First: local, Count: 10})
			require.True(t, result.Failed == 0 || result.Down, "%+v", result)
			expectNumbers(people[n], n.Name, local, 10)
			if view := n.look(); red[n] == 0 && view.Health == http.StatusServiceUnavailable {
				require.Contains(t, view.Status, `"isolated"`)
				red[n] = time.Since(began)
			}
		}
		local += 10
		return len(red) == len(away)
	})
	for _, took := range red {
		measured(t, "red after", took, 10*time.Second)
	}
	for i, n := range all {
		go func() {
			var result Outcome
			err := n.tryCall("Revoke", Target{Session: name("revoked", i)}, &result)
			revocation <- errors.Join(err, result.err())
		}()
	}
	for range all {
		var unconfirmed *mojo.UnconfirmedError
		if err := <-revocation; err != nil {
			require.ErrorAs(t, err, &unconfirmed)
		}
	}
	for _, n := range away {
		require.True(t, n.emit(Emission{Event: n.Name, First: local}).Down)
		expectNumbers(people[n], n.Name, local, 1)
	}
	t.Logf("%d of %d events arrived at the connections of their node", local, local)

	end()

	measured(t, "whole again after", awaitWhole(t, all...), 3*time.Second)
	waitUntil(t, "all nodes know all", func() bool {
		return !slices.ContainsFunc(all, func(n *node) bool { return len(n.look().Sessions) != len(all) })
	})
	for i, n := range all {
		for k := range all {
			n.requireRefused(cookiesOf(name("revoked", k), ""))
		}
		require.Zero(t, n.emit(Emission{Event: "again", First: i}).Failed)
		for _, p := range people {
			if i == 0 {
				p.skipTo(t, "again", i)
				continue
			}
			expectNumbers(p, "again", i, 1)
		}
	}
}

// skipTo reads up to an event. What nodes emitted before they noticed that they
// were cut off may have been on its way all the time. It must be in order, and
// nothing twice.
func (p *person) skipTo(t *testing.T, event string, number int) {
	t.Helper()
	next := make(map[string]int)
	for {
		e := p.Next()
		var got int
		e.Arg(0, &got)
		if e.Name == event {
			require.Equal(t, number, got)
			return
		}
		require.GreaterOrEqual(t, got, next[e.Name], "%s", e)
		next[e.Name] = got + 1
	}
}
