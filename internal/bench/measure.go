package main

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mojosocket/mojo/internal/bench/load"
	"github.com/mojosocket/mojo/internal/bench/servers"
)

// effort says how long measurements take, and how many clients connect at a
// time.
type effort struct {
	duration time.Duration // of a measurement, in scenarios that have no end of their own
	warmUp   time.Duration // before the measurement
	idle     time.Duration // of the measurement of idle connections
	parallel int           // clients that connect at a time
}

// measurement is one scenario on one server.
type measurement struct {
	effort
	server  string
	clients int
	process *process   // the server; of a cluster, its first node
	nodes   []*process // all processes of the server, process among them
	broker  *broker    // of a cluster; otherwise nil
	loop    *load.Loop
	// The profiles that the next window makes.
	cpuProfile, memProfile bool
}

// measure starts a server, runs a scenario on it, and stops the server.
func measure(l *launch, e effort, server string, sc *scenario, clients int) (sample, error) {
	m := &measurement{
		effort: e, server: server, clients: clients,
		cpuProfile: l.cpuProfile != "", memProfile: l.memProfile != "",
	}
	defer m.stop()
	if err := m.start(l, sc.nodes); err != nil {
		return nil, err
	}
	loop, err := load.NewLoop()
	if err != nil {
		return nil, err
	}
	defer loop.Close()
	m.loop = loop
	return sc.run(m)
}

// start starts the server: one process or, if nodes is more than 0, that many
// nodes of a cluster and their broker.
func (m *measurement) start(l *launch, nodes int) (err error) {
	if nodes > 0 && m.server != aloneServer {
		return m.startCluster(l, nodes)
	}
	if m.process, err = l.start(m.server); err != nil {
		return err
	}
	m.nodes = []*process{m.process}
	return nil
}

// stop stops all that start has started.
func (m *measurement) stop() {
	for _, p := range m.nodes {
		p.stop()
	}
	m.broker.stop()
}

// eventOf returns the JSON of an event.
func eventOf(name string) string { return servers.EventJSON(name) }

func (m *measurement) site() load.Site { return m.siteOf(m.process) }

// siteOf returns the site of one node.
func (m *measurement) siteOf(p *process) load.Site {
	s := load.Site{Address: p.address, Protocol: load.EngineIO4}
	switch m.server {
	case "bare", "buffered":
		s.Protocol = load.Bare
	case "googollee":
		s.Protocol = load.EngineIO3
	}
	return s
}

// window runs f and measures it. The sample has the CPU time per unit, of the
// number of units that f returns.
func (m *measurement) window(f func() (units int, err error)) (sample, error) {
	if err := m.command(m.cpuProfile, cmdProfile, 1); err != nil {
		return nil, err
	}
	cpuBefore, err := m.cpu()
	if err != nil {
		return nil, err
	}
	loadBefore, begin := threadCPU(), time.Now()
	units, err := f()
	if err != nil {
		return nil, err
	}
	elapsed, loadTime := time.Since(begin).Seconds(), threadCPU()-loadBefore
	cpuAfter, err := m.cpu()
	if err != nil {
		return nil, err
	}
	if err := m.command(m.cpuProfile, cmdProfile, 0); err != nil {
		return nil, err
	}
	if err := m.command(m.memProfile, cmdHeap, 0); err != nil {
		return nil, err
	}
	m.cpuProfile, m.memProfile = false, false // each profile is of one window
	cpu := (cpuAfter - cpuBefore).Seconds()
	return sample{
		"cpu":       cpu * 1e6 / float64(units),
		"rate":      float64(units) / elapsed / 1e3,
		serverCores: cpu / elapsed,
		loadCores:   loadTime.Seconds() / elapsed,
	}, nil
}

// cpu returns the CPU time that all processes of the server have used.
func (m *measurement) cpu() (total time.Duration, err error) {
	for _, p := range m.nodes {
		used, err := p.cpu()
		if err != nil {
			return 0, err
		}
		total += used
	}
	return total, nil
}

// command sends a command to all processes of the server and waits for the
// answers, if wanted is true.
func (m *measurement) command(wanted bool, command byte, number int) error {
	if !wanted {
		return nil
	}
	for _, p := range m.nodes {
		if _, err := p.ask(command, number); err != nil {
			return err
		}
	}
	return nil
}

// threadCPU returns the CPU time of the load generator's thread.
func threadCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// patience is the time for which a server may send nothing while clients wait
// for it.
const patience = 10 * time.Second

// cycle runs units of work. It starts a number of units. When a unit is done,
// the next one begins, until the time is over. Then it waits for the last
// units.
type cycle struct {
	m        *measurement
	begun    int  // units that have begun
	done     int  // units that are done
	stopping bool // the time is over: no more units begin
}

// next counts a unit that is done. It reports whether the caller has to begin
// another unit.
func (c *cycle) next() bool {
	c.done++
	if c.stopping {
		return false
	}
	c.begun++
	return true
}

// run calls start, which begins units, runs the cycle for the time d, and
// returns the number of units that were done.
func (c *cycle) run(d time.Duration, start func() (units int)) (done int, err error) {
	before := c.done
	c.stopping = false
	c.begun += start()
	end := time.Now().Add(d)
	timeIsOver := func() bool { return !time.Now().Before(end) }
	if err := c.m.loop.Run(patience, timeIsOver); err != nil {
		return 0, c.explain(err)
	}
	c.stopping = true
	if err := c.m.loop.Run(patience, func() bool { return c.done == c.begun }); err != nil {
		return 0, c.explain(err)
	}
	return c.done - before, nil
}

func (c *cycle) explain(err error) error {
	return fmt.Errorf("%w; %d of %d units were done", err, c.done, c.begun)
}

// measure warms up and then measures. Each unit of the cycle counts as
// unitsEach units of the sample.
func (c *cycle) measure(unitsEach int, start func() (units int)) (sample, error) {
	return c.measureIn(c.m.window, unitsEach, start)
}

// measureIn is measure with another window.
func (c *cycle) measureIn(window func(func() (int, error)) (sample, error), unitsEach int, start func() (units int)) (sample, error) {
	if _, err := c.run(c.m.warmUp, start); err != nil {
		return nil, err
	}
	return window(func() (int, error) {
		done, err := c.run(c.m.duration, start)
		return done * unitsEach, err
	})
}

// fanOut makes the server send events to all clients, with a number of events
// in flight.
func fanOut(inFlight int) func(m *measurement) (sample, error) {
	return func(m *measurement) (sample, error) {
		pool := load.NewPool(m.loop, m.site())
		defer pool.Abort()
		if err := m.connect(pool, m.clients); err != nil {
			return nil, err
		}
		c := &cycle{m: m}
		want := []byte("42" + eventOf("note"))
		var reached [32]int // the number of clients that have received an event, by the number of the event
		pool.OnEvent = func(client *load.Client, packet []byte) {
			if !bytes.HasPrefix(packet, want) { // one server adds a line feed
				m.loop.Fail(fmt.Errorf("a client received %.200q", packet))
			}
			n := &reached[client.Received%uint32(len(reached))]
			client.Received++
			if *n++; *n == m.clients {
				*n = 0
				if c.next() {
					m.process.queue(cmdBroadcast, 0)
				}
			}
		}
		m.sendAfterBatch()
		return c.measure(m.clients, func() int {
			for range inFlight {
				m.process.queue(cmdBroadcast, 0)
			}
			return inFlight
		})
	}
}

// connect connects n clients and waits until the server counts them all. Some
// servers answer a client before they count it.
func (m *measurement) connect(pool *load.Pool, n int) error { return m.connectTo(m.process, pool, n) }

// connectTo is connect for one node.
func (m *measurement) connectTo(p *process, pool *load.Pool, n int) error {
	if err := pool.ConnectAll(n, m.parallel); err != nil {
		return err
	}
	for begin := time.Now(); ; {
		stats, err := p.ask(cmdConns, 0)
		switch {
		case err != nil:
			return err
		case stats.Conns >= n:
			return nil
		case time.Since(begin) > patience:
			return fmt.Errorf("the server has only %d of %d connections", stats.Conns, n)
		}
		if err := m.loop.Wait(time.Millisecond); err != nil {
			return err
		}
	}
}

// sendAfterBatch makes the loop send the queued commands after each batch.
func (m *measurement) sendAfterBatch() {
	m.loop.AfterBatch = func() {
		for _, p := range m.nodes {
			if err := p.send(); err != nil {
				m.loop.Fail(err)
			}
		}
	}
}

// emitToUsers makes the server send each event to one user, in turn.
func emitToUsers(m *measurement) (sample, error) {
	const inFlight = 16
	site := m.site()
	site.Query, site.Header = userQuery, nil
	if m.server == "mojo" {
		header, err := browserHeaders(m.clients)
		if err != nil {
			return nil, err
		}
		site.Header = header
	}
	pool := load.NewPool(m.loop, site)
	defer pool.Abort()
	if err := m.connect(pool, m.clients); err != nil {
		return nil, err
	}
	c := &cycle{m: m}
	user := 0
	emit := func() {
		m.process.queue(cmdEmit, user)
		user = (user + 1) % m.clients
	}
	received := make([]int, m.clients) // the number of events, by client
	total := 0
	pool.OnEvent = func(client *load.Client, _ []byte) {
		// The events to different users may overtake each other, but each must
		// arrive at its user.
		if received[client.Index]++; received[client.Index] > total/m.clients+2 {
			m.loop.Fail(fmt.Errorf("user %d received an event for another user", client.Index))
		}
		total++
		if c.next() {
			emit()
		}
	}
	m.sendAfterBatch()
	return c.measure(1, func() int {
		for range inFlight {
			emit()
		}
		return inFlight
	})
}

// echo makes each client send a packet, wait for a packet that begins with
// answer, and send again.
func echo(packet, answer string) func(m *measurement) (sample, error) {
	return func(m *measurement) (sample, error) {
		pool := load.NewPool(m.loop, m.site())
		defer pool.Abort()
		if err := m.connect(pool, m.clients); err != nil {
			return nil, err
		}
		c := &cycle{m: m}
		frame, prefix := load.Frame(packet), []byte(answer)
		pool.OnEvent = func(client *load.Client, packet []byte) {
			if !bytes.HasPrefix(packet, prefix) || len(packet) < servers.EventSize/2 {
				m.loop.Fail(fmt.Errorf("a client received %.200q", packet))
			}
			if c.next() {
				client.Send(frame)
			}
		}
		return c.measure(1, func() int {
			pool.Each(func(client *load.Client) { client.Send(frame) })
			return m.clients
		})
	}
}

// pollEcho is like echo, over long-polling.
func pollEcho(m *measurement) (sample, error) {
	pool := load.NewPollPool(m.loop, m.site(), "42"+eventOf("echo"))
	defer pool.Abort()
	if err := pool.Connect(m.clients); err != nil {
		return nil, err
	}
	run := func(d time.Duration) (int, error) {
		before := pool.Echoed
		pool.Start()
		if err := m.loop.Wait(d); err != nil {
			return 0, err
		}
		err := pool.Stop()
		return pool.Echoed - before, err
	}
	if _, err := run(m.warmUp); err != nil {
		return nil, err
	}
	return m.window(func() (int, error) { return run(m.duration) })
}
