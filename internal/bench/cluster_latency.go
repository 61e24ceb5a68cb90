package main

import (
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/bench/load"
)

var latencyMetrics = []metric{
	{"local_p50", "ms until a client of the node that sends has an event, median"},
	{"remote_p50", "ms until a client of another node has it, median"},
	{"above_p50", "the difference, ms"},
	{"local_p99", "ms until a client of the node that sends has an event, 99th percentile"},
	{"remote_p99", "ms until a client of another node has it, 99th percentile"},
	{"above_p99", "the difference, ms"},
	{"cpu", "server CPU, µs per event"},
	{"rate", "events per second, in thousands"},
}

// clusterLatency makes the first node send an event each millisecond, which
// clients of the first and of the second node receive. The time is from the
// command to the node until a client has the event; the load generator takes
// part of it.
func clusterLatency(m *measurement) (sample, error) {
	var sent []time.Time             // by the number of the event
	var latencies [2][]time.Duration // of the clients of the two nodes
	delivered, measured := 0, 0      // the number of the first event that is measured
	for i, p := range m.nodes[:2] {
		pool := load.NewPool(m.loop, m.siteOf(p))
		defer pool.Abort()
		pool.OnEvent = func(client *load.Client, _ []byte) {
			number := int(client.Received)
			client.Received++
			delivered++
			if number >= measured {
				latencies[i] = append(latencies[i], time.Since(sent[number]))
			}
		}
		if err := m.connectTo(p, pool, m.clients); err != nil {
			return nil, err
		}
	}
	m.sendAfterBatch()
	stop, err := m.loop.Every(time.Millisecond, func(times int) {
		for range times {
			sent = append(sent, time.Now())
			m.process.queue(cmdBroadcast, 0)
		}
	})
	if err != nil {
		return nil, err
	}
	defer func() { stop() }()
	if err := m.loop.Wait(m.warmUp); err != nil {
		return nil, err
	}
	measured = len(sent)
	s, err := m.window(func() (int, error) {
		err := m.loop.Wait(m.duration)
		stop()
		stop = func() {}
		return len(sent) - measured, err
	})
	if err != nil {
		return nil, err
	}
	if err := m.loop.Run(patience, func() bool { return delivered == 2*m.clients*len(sent) }); err != nil {
		return nil, err
	}
	for i, where := range []string{"local", "remote"} {
		slices.Sort(latencies[i])
		s[where+"_p50"], s[where+"_p99"] = percentile(latencies[i], 50), percentile(latencies[i], 99)
	}
	s["above_p50"], s["above_p99"] = s["remote_p50"]-s["local_p50"], s["remote_p99"]-s["local_p99"]
	return s, nil
}

// percentile returns a percentile of sorted times, in milliseconds.
func percentile(sorted []time.Duration, p int) float64 {
	return sorted[(len(sorted)-1)*p/100].Seconds() * 1e3
}
