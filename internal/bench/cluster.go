package main

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/bench/load"
)

// brokerMetrics are figures of the broker, which are in addition to the CPU
// time of the server.
var brokerMetrics = []metric{
	{"broker", "CPU of the broker, µs per event"},
	{"in", "bytes to the broker per event"},
	{"out", "bytes from the broker per event"},
}

// startCluster starts a broker and the nodes of a cluster. It returns when each
// node knows all others.
func (m *measurement) startCluster(l *launch, nodes int) (err error) {
	if m.broker, err = startBroker(); err != nil {
		return err
	}
	for i := range nodes {
		node := *l
		node.redis = m.broker.address
		node.cpuProfile, node.memProfile = profileOf(l.cpuProfile, i), profileOf(l.memProfile, i)
		p, err := node.start(m.server)
		if err != nil {
			return err
		}
		m.nodes = append(m.nodes, p)
	}
	m.process = m.nodes[0]
	return m.await(func() (bool, error) {
		for _, p := range m.nodes {
			stats, err := p.ask(cmdCluster, 0)
			if err != nil || stats.Nodes < nodes {
				return false, err
			}
		}
		return true, nil
	})
}

// profileOf returns the path of the profile of one node.
func profileOf(path string, node int) string {
	if path == "" {
		return ""
	}
	extension := filepath.Ext(path)
	return strings.TrimSuffix(path, extension) + "-" + strconv.Itoa(node+1) + extension
}

// await waits until a condition is true that the nodes are asked for.
func (m *measurement) await(condition func() (bool, error)) error {
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if ok, err := condition(); ok || err != nil {
			return err
		}
		if time.Since(begin) > patience {
			return fmt.Errorf("the nodes do not know after %v what they should", patience)
		}
	}
}

// clusterWindow is window, with the figures of the broker. The number of events
// is that of the units, divided by unitsEach.
func (m *measurement) clusterWindow(unitsEach int, f func() (units int, err error)) (sample, error) {
	if m.broker == nil {
		return m.window(f)
	}
	var before, after usage
	var events float64
	s, err := m.window(func() (units int, err error) {
		if before, err = m.broker.usage(); err != nil {
			return 0, err
		}
		if units, err = f(); err != nil {
			return 0, err
		}
		events = float64(units / unitsEach)
		after, err = m.broker.usage()
		return units, err
	})
	if err != nil {
		return nil, err
	}
	s["broker"] = float64((after.cpu - before.cpu).Microseconds()) / events
	s["in"], s["out"] = math.Round((after.in-before.in)/events), math.Round((after.out-before.out)/events)
	return s, nil
}

// clusterFanOut is fanOut over the nodes of a cluster, of which some send the
// events in turn. The server that is alone has as many clients as all nodes
// together.
func clusterFanOut(inFlight, senders int) func(m *measurement) (sample, error) {
	return func(m *measurement) (sample, error) {
		const nodes = 3
		clients, total := m.clients, nodes*m.clients
		if m.broker == nil {
			clients = total
		}
		c := &cycle{m: m}
		turn := 0
		emit := func() {
			m.nodes[turn%min(senders, len(m.nodes))].queue(cmdBroadcast, 0)
			turn++
		}
		want := []byte("42" + eventOf("note"))
		var reached [32]int // see fanOut
		onEvent := func(client *load.Client, packet []byte) {
			if !bytes.Equal(packet, want) {
				m.loop.Fail(fmt.Errorf("a client received %.200q", packet))
			}
			n := &reached[client.Received%uint32(len(reached))]
			client.Received++
			if *n++; *n == total {
				*n = 0
				if c.next() {
					emit()
				}
			}
		}
		for _, p := range m.nodes {
			pool := load.NewPool(m.loop, m.siteOf(p))
			defer pool.Abort()
			pool.OnEvent = onEvent
			if err := m.connectTo(p, pool, clients); err != nil {
				return nil, err
			}
		}
		m.sendAfterBatch()
		return c.measureIn(func(f func() (int, error)) (sample, error) { return m.clusterWindow(total, f) }, total, func() int {
			for range inFlight {
				emit()
			}
			return inFlight
		})
	}
}
