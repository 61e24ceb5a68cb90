package crowd

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Process is a process with many Clients. It is the test binary, which Start
// runs again for the one test that calls Run.
type Process struct {
	t        testing.TB
	in       io.WriteCloser
	commands *json.Encoder
	results  *json.Decoder
}

const environmentVariable = "MOJO_CROWD"

// Start starts a Process, in which the test of the given name calls Run. The
// process ends with t.
func Start(t testing.TB, test string) *Process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), environmentVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // Run returns
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("crowd: %v", err)
		}
	})
	return &Process{t: t, in: in, commands: json.NewEncoder(in), results: json.NewDecoder(bufio.NewReader(out))}
}

// command tells the process what to do.
type command struct {
	Name    string // "connect", "reconnect" or "await events"
	Address string // the server's address, for "connect"
	Count   int    // the number of clients to connect, or of events that each must receive
	Options Options
}

// Result is the result of a call.
type Result struct {
	Count   int           // the number of clients
	Elapsed time.Duration // the duration of the call
	Error   string        // the first error
}

// Connect connects n clients and returns when all are connected. The clients
// read all events and send none.
func (p *Process) Connect(address string, n int, o Options) Result {
	p.t.Helper()
	return p.do(command{Name: "connect", Address: address, Count: n, Options: o})
}

// Reconnect makes all clients drop their connections at the same time and
// connect again. It returns when all are connected.
func (p *Process) Reconnect() Result {
	p.t.Helper()
	return p.do(command{Name: "reconnect"})
}

// AwaitEvents returns when each client has received as many events since it
// connected.
func (p *Process) AwaitEvents(events int) Result {
	p.t.Helper()
	return p.do(command{Name: "await events", Count: events})
}

func (p *Process) do(o command) Result {
	p.t.Helper()
	if err := p.commands.Encode(o); err != nil {
		p.t.Fatal("crowd: ", err)
	}
	var r Result
	if err := p.results.Decode(&r); err != nil {
		p.t.Fatal("crowd: ", err)
	}
	if r.Error != "" {
		p.t.Fatal("crowd: ", r.Error)
	}
	return r
}

// Run connects clients as a Process commands, in the process that Start has
// started. In any other process it skips the test.
func Run(t *testing.T) {
	if os.Getenv(environmentVariable) == "" {
		t.Skip("this test runs the clients of other tests, in a process that they start")
	}
	var c clients
	defer c.dropAll()
	commands, results := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o command
		if commands.Decode(&o) != nil {
			return
		}
		start := time.Now()
		r := Result{}
		var err error
		switch o.Name {
		case "connect":
			c.address, c.options = o.Address, o.Options
			err = c.connect(o.Count)
		case "reconnect":
			n := len(c.readers)
			c.dropAll()
			err = c.connect(n)
		case "await events":
			err = c.awaitEvents(o.Count)
		}
		r.Count, r.Elapsed = len(c.readers), time.Since(start)
		if err != nil {
			r.Error = err.Error()
		}
		if results.Encode(r) != nil {
			return
		}
	}
}

type clients struct {
	address string
	options Options
	readers []*reader
}

// reader reads and counts the events of a client.
type reader struct {
	client *Client
	events atomic.Int64
	ended  chan struct{}
	err    error // set before ended is closed
}

// maxHandshakes limits the concurrent handshakes: the queue of a listener has
// 4,096 entries.
const maxHandshakes = 1000

// connect connects n clients. A client that fails tries again, as real clients
// do.
func (c *clients) connect(n int) error {
	c.readers = make([]*reader, n)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	running := make(chan struct{}, maxHandshakes)
	for i := range n {
		running <- struct{}{}
		wg.Go(func() {
			defer func() { <-running }()
			o := c.options
			o.Number = i
			if o.Cookie != "" {
				o.Cookie = fmt.Sprintf(o.Cookie, i)
			}
			client, err := Connect(ctx, c.address, o)
			for err != nil && ctx.Err() == nil {
				client, err = Connect(ctx, c.address, o)
			}
			if err != nil {
				once.Do(func() { first = err })
				return
			}
			c.readers[i] = &reader{client: client, ended: make(chan struct{})}
		})
	}
	wg.Wait()
	for _, m := range c.readers {
		if m != nil {
			go m.read()
		}
	}
	return first
}

func (m *reader) read() {
	defer close(m.ended)
	for {
		if _, err := m.client.Next(); err != nil {
			m.err = err
			return
		}
		m.events.Add(1)
	}
}

// dropAll drops all connections.
func (c *clients) dropAll() {
	for _, m := range c.readers {
		if m != nil {
			m.client.Drop()
		}
	}
	for _, m := range c.readers {
		if m != nil {
			<-m.ended
		}
	}
	c.readers = nil
}

// awaitEvents waits until each client has received n events.
func (c *clients) awaitEvents(n int) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(Limit)
	for _, m := range c.readers {
		for m.events.Load() < int64(n) {
			select {
			case <-m.ended:
				return fmt.Errorf("a client has ended: %w", m.err)
			case <-tick.C:
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("a client has received %d of %d events", m.events.Load(), n)
			}
		}
	}
	return nil
}
