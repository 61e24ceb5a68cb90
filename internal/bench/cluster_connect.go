package main

import (
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/bench/load"
)

var seenMetrics = []metric{
	{"seen_p50", "ms from the answer to a client's CONNECT until another node knows the user, median"},
	{"seen_p99", "the same, 99th percentile"},
	{"cpu", "server CPU, µs per connection"},
	{"rate", "connections per second, in thousands"},
}

// clusterConnect connects users to the first node, some at a time, and asks the
// second node for them until it knows them.
func clusterConnect(m *measurement) (sample, error) {
	const atOnce = 20
	pool, err := m.poolOf(m.nodes[0], true)
	if err != nil {
		return nil, err
	}
	defer pool.Abort()
	var times []time.Duration
	live := make(map[int]time.Time) // the users that the second node does not know yet
	pool.OnLive = func(c *load.Client) { live[c.Index] = time.Now() }
	s, err := m.window(func() (int, error) {
		for n := min(atOnce, m.clients); ; n = min(n+atOnce, m.clients) {
			if err := pool.ConnectAll(n, atOnce); err != nil {
				return 0, err
			}
			err := m.await(func() (bool, error) {
				for user, since := range live {
					stats, err := m.nodes[1].ask(cmdKnows, user)
					if err != nil {
						return false, err
					}
					if stats.Known {
						times = append(times, time.Since(since))
						delete(live, user)
					}
				}
				return len(live) == 0, nil
			})
			if err != nil || n == m.clients {
				return n, err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(times)
	s["seen_p50"], s["seen_p99"] = percentile(times, 50), percentile(times, 99)
	return s, nil
}
