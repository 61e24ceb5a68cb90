package main

import (
	"fmt"
	"time"

	"github.com/mojosocket/mojo/internal/bench/load"
)

// clusterEmitToUsers makes the first node send each event to one user, in turn.
// All users are connected to the second node.
func clusterEmitToUsers(m *measurement) (sample, error) {
	const inFlight = 256
	from, to, other := m.nodes[0], m.nodes[1], m.nodes[2]
	pool, err := m.poolOf(to, true)
	if err != nil {
		return nil, err
	}
	defer pool.Abort()
	if err := m.connectTo(to, pool, m.clients); err != nil {
		return nil, err
	}
	if m.server == "mojo" { // the server in Node does not know the users of other nodes
		err := m.await(func() (bool, error) {
			stats, err := from.ask(cmdCluster, 0)
			return stats.Users == m.clients, err
		})
		if err != nil {
			return nil, err
		}
	}
	c := &cycle{m: m}
	user := 0
	emit := func() {
		from.queue(cmdEmit, user)
		user = (user + 1) % m.clients
	}
	received := make([]int, m.clients) // see emitToUsers
	total := 0
	pool.OnEvent = func(client *load.Client, _ []byte) {
		if received[client.Index]++; received[client.Index] > total/m.clients+inFlight/m.clients+2 {
			m.loop.Fail(fmt.Errorf("user %d received an event for another user", client.Index))
		}
		total++
		if c.next() {
			emit()
		}
	}
	m.sendAfterBatch()
	window := func(f func() (int, error)) (sample, error) {
		before, err := other.ask(cmdCluster, 0)
		if err != nil {
			return nil, err
		}
		begin, events := time.Now(), 0
		s, err := m.clusterWindow(1, func() (int, error) {
			events, err = f()
			return events, err
		})
		if err != nil {
			return nil, err
		}
		after, err := other.ask(cmdCluster, 0)
		s["elsewhere"] = float64(after.Messages-before.Messages) / time.Since(begin).Seconds()
		s["elsewhere_bytes"] = float64(after.Bytes-before.Bytes) / float64(events)
		return s, err
	}
	return c.measureIn(window, 1, func() int {
		for range inFlight {
			emit()
		}
		return inFlight
	})
}
