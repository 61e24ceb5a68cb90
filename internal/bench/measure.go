package main

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mojosocket/mojo/internal/bench/load"
	"github.com/mojosocket/mojo/internal/bench/servers"
)

// effort is how much to do.
type effort struct {
	duration time.Duration // of what is measured, where it is not something to be finished
	warmUp   time.Duration // before that
	idle     time.Duration // for which idle connections are looked at
	parallel int           // clients that connect at a time
}

// measurement is one scenario on one server.
type measurement struct {
	effort
	server  string
	clients int
	process *process
	loop    *load.Loop
	// What profiles to make of the next window.
	cpuProfile, memProfile bool
}

// measure starts a server, runs a scenario on it, and ends it.
func measure(l *launch, e effort, server string, sc *scenario, clients int) (sample, error) {
	p, err := l.start(server)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	loop, err := load.NewLoop()
	if err != nil {
		return nil, err
	}
	defer loop.Close()
	m := &measurement{
		effort: e, server: server, clients: clients, process: p, loop: loop,
		cpuProfile: l.cpuProfile != "", memProfile: l.memProfile != "",
	}
	return sc.run(m)
}

func eventOf(name string) string { return servers.EventJSON(name) }

func (m *measurement) site() load.Site {
	s := load.Site{Address: m.process.address, Protocol: load.EngineIO4}
	switch m.server {
	case "bare", "buffered":
		s.Protocol = load.Bare
	case "googollee":
		s.Protocol = load.EngineIO3
	}
	return s
}

// window runs f, which does a number of units, and tells what each cost.
func (m *measurement) window(f func() (units int, err error)) (sample, error) {
	if err := m.command(m.cpuProfile, cmdProfile, 1); err != nil {
		return nil, err
	}
	cpuBefore, err := m.process.cpu()
	if err != nil {
		return nil, err
	}
	loadBefore, begin := threadCPU(), time.Now()
	units, err := f()
	if err != nil {
		return nil, err
	}
	wall, loaded := time.Since(begin).Seconds(), threadCPU()-loadBefore
	cpuAfter, err := m.process.cpu()
	if err != nil {
		return nil, err
	}
	if err := m.command(m.cpuProfile, cmdProfile, 0); err != nil {
		return nil, err
	}
	if err := m.command(m.memProfile, cmdHeap, 0); err != nil {
		return nil, err
	}
	m.cpuProfile, m.memProfile = false, false // one window is one profile
	cpu := (cpuAfter - cpuBefore).Seconds()
	return sample{
		"cpu":       cpu * 1e6 / float64(units),
		"rate":      float64(units) / wall / 1e3,
		serverCores: cpu / wall,
		loadCores:   loaded.Seconds() / wall,
	}, nil
}

// command has the server do something, if it is wanted.
func (m *measurement) command(wanted bool, command byte, number int) error {
	if !wanted {
		return nil
	}
	_, err := m.process.ask(command, number)
	return err
}

// threadCPU is the CPU time of the load generator's thread.
func threadCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// patience is how long a server may be silent while something is under way.
const patience = 10 * time.Second

// cycle is units of work of which each begins when another is done: run starts
// a number of them, lets that go on for a time, and waits for the last ones.
type cycle struct {
	m        *measurement
	begun    int
	done     int
	stopping bool
}

// next reports whether a unit that is done is to be followed by another one.
func (c *cycle) next() bool {
	c.done++
	if c.stopping {
		return false
	}
	c.begun++
	return true
}

func (c *cycle) run(d time.Duration, start func() (units int)) (done int, err error) {
	before := c.done
	c.stopping = false
	c.begun += start()
	end := time.Now().Add(d)
	over := func() bool { return !time.Now().Before(end) }
	if err := c.m.loop.Run(patience, over); err != nil {
		return 0, c.explain(err)
	}
	c.stopping = true
	if err := c.m.loop.Run(patience, func() bool { return c.done == c.begun }); err != nil {
		return 0, c.explain(err)
	}
	return c.done - before, nil
}

func (c *cycle) explain(err error) error {
	return fmt.Errorf("%w; %d of %d under way were done", err, c.done, c.begun)
}

// measure warms up and then measures. A unit of the cycle is several of what is
// counted.
func (c *cycle) measure(unitsEach int, start func() (units int)) (sample, error) {
	if _, err := c.run(c.m.warmUp, start); err != nil {
		return nil, err
	}
	return c.m.window(func() (int, error) {
		done, err := c.run(c.m.duration, start)
		return done * unitsEach, err
	})
}

// fanOut has events sent to everybody, a number of them in flight.
func fanOut(inFlight int) func(m *measurement) (sample, error) {
	return func(m *measurement) (sample, error) {
		pool := load.NewPool(m.loop, m.site())
		defer pool.Abort()
		if err := m.connect(pool, m.clients); err != nil {
			return nil, err
		}
		c := &cycle{m: m}
		want := []byte("42" + eventOf("note"))
		var reached [32]int // how many clients have an event, by its number
		pool.OnEvent = func(client *load.Client, packet []byte) {
			if !bytes.HasPrefix(packet, want) { // one of them ends with a line feed
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

// connect connects n clients and waits until the server counts them all: some
// answer a client before that.
func (m *measurement) connect(pool *load.Pool, n int) error {
	if err := pool.ConnectAll(n, m.parallel); err != nil {
		return err
	}
	for begin := time.Now(); ; {
		stats, err := m.process.ask(cmdConns, 0)
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

// sendAfterBatch has the commands sent that handling a batch brought up.
func (m *measurement) sendAfterBatch() {
	m.loop.AfterBatch = func() {
		if err := m.process.send(); err != nil {
			m.loop.Fail(err)
		}
	}
}

// emitToUsers has events sent to one user each, in turn.
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
	turns := make([]int, m.clients) // events that each client has
	seen := 0
	pool.OnEvent = func(client *load.Client, _ []byte) {
		// The events to different users may overtake each other, but none may
		// go astray.
		if turns[client.Index]++; turns[client.Index] > seen/m.clients+2 {
			m.loop.Fail(fmt.Errorf("user %d got an event that was for another one", client.Index))
		}
		seen++
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

// echo has every client send an event and wait for what begins with an answer's
// prefix.
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

// pollEcho is echo over long-polling.
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
