package main

import (
	"fmt"
	"time"

	"github.com/mojosocket/mojo/internal/bench/load"
)

// connectAndLeave measures how fast clients connect and disconnect.
func connectAndLeave(asUsers bool) func(m *measurement) (sample, error) {
	return func(m *measurement) (sample, error) {
		pool, err := m.pool(asUsers)
		if err != nil {
			return nil, err
		}
		defer pool.Abort()
		var tally load.Tally
		s, err := m.window(func() (int, error) {
			tally, err = pool.Connect(m.clients, m.parallel)
			return max(tally.Live, 1), err
		})
		if err != nil {
			return nil, err
		}
		if tally.Live == 0 {
			return nil, fmt.Errorf("no client could connect: %w", tally.Err)
		}
		s["rate"] = float64(tally.Live) / tally.Elapsed.Seconds() / 1e3
		s["failed"] = float64(tally.Refused + tally.Stalled)
		leaveSample, err := m.window(func() (int, error) { return tally.Live, m.leave(pool) })
		if err != nil {
			return nil, err
		}
		s["leave_cpu"], s["leave_rate"] = leaveSample["cpu"], leaveSample["rate"]
		return s, nil
	}
}

// pool returns a Pool. If asUsers is true, its clients send the headers of
// browsers, each with the cookies of a user.
func (m *measurement) pool(asUsers bool) (*load.Pool, error) { return m.poolOf(m.process, asUsers) }

// poolOf is pool for one node.
func (m *measurement) poolOf(p *process, asUsers bool) (*load.Pool, error) {
	site := m.siteOf(p)
	if asUsers {
		header, err := browserHeaders(m.clients)
		if err != nil {
			return nil, err
		}
		site.Header, site.Query = header, userQuery
	}
	return load.NewPool(m.loop, site), nil
}

// leave makes all clients disconnect, and returns when the server counts no
// connections, or when its count has not changed for load.StallAfter. Some
// servers go on counting clients that were lost while they connected.
func (m *measurement) leave(pool *load.Pool) error {
	stalled, err := pool.Leave()
	if err != nil {
		return err
	}
	if stalled > 0 {
		return fmt.Errorf("the server left %d connections open", stalled)
	}
	lastConns := -1
	for begin := time.Now(); time.Since(begin) < load.StallAfter; time.Sleep(time.Millisecond) {
		stats, err := m.process.ask(cmdConns, 0)
		if err != nil {
			return err
		}
		if stats.Conns == 0 {
			return nil
		}
		if stats.Conns != lastConns {
			lastConns, begin = stats.Conns, time.Now()
		}
	}
	return nil
}

// idle measures the memory and the CPU time of idle connections.
func idle(m *measurement) (sample, error) {
	pool, err := m.pool(true)
	if err != nil {
		return nil, err
	}
	defer pool.Abort()
	// With its first connections, a server allocates memory that does not
	// belong to them.
	if err := m.connect(pool, min(m.clients, 200)); err != nil {
		return nil, err
	}
	if err := m.leave(pool); err != nil {
		return nil, err
	}
	before, err := m.footprint()
	if err != nil {
		return nil, err
	}
	if err := m.connect(pool, m.clients); err != nil {
		return nil, err
	}
	if err := m.loop.Wait(time.Second); err != nil {
		return nil, err
	}
	uncollected, err := m.process.resident()
	if err != nil {
		return nil, err
	}
	after, err := m.footprint()
	if err != nil {
		return nil, err
	}
	pool.Pings = 0
	s, err := m.window(func() (int, error) { return 1, m.loop.Wait(m.idle) })
	if err != nil {
		return nil, err
	}
	perConnection := func(after, before float64) float64 { return (after - before) / float64(m.clients) }
	return sample{
		"resident":    perConnection(after.resident, before.resident) / 1024,
		"uncollected": perConnection(float64(uncollected), before.resident) / 1024,
		"goroutines":  perConnection(after.goroutines, before.goroutines),
		"heap":        perConnection(after.heap, before.heap) / 1024,
		"stack":       perConnection(after.stacks, before.stacks) / 1024,
		"cpu":         s[serverCores] * 100,
		"pings":       float64(pool.Pings) / m.idle.Seconds(),
		serverCores:   s[serverCores],
		loadCores:     s[loadCores],
	}, nil
}

// footprint is the memory of a server, in bytes, and its goroutines.
type footprint struct{ resident, goroutines, heap, stacks float64 }

// footprint returns the footprint of the server after a garbage collection.
func (m *measurement) footprint() (footprint, error) {
	if _, err := m.process.ask(cmdCollect, 0); err != nil {
		return footprint{}, err
	}
	resident, err := m.process.resident()
	if err != nil {
		return footprint{}, err
	}
	stats, err := m.process.ask(cmdStats, 0)
	return footprint{float64(resident), float64(stats.Goroutines), float64(stats.Heap), float64(stats.Stacks)}, err
}
