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

// Process is a crowd in a process of its own: the test binary, started again
// for the test that calls Be.
type Process struct {
	t      testing.TB
	in     io.WriteCloser
	orders *json.Encoder
	told   *json.Decoder
}

const variable = "MOJO_CROWD"

// Start starts a process for the test of the given name. It ends with t.
func Start(t testing.TB, test string) *Process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), variable+"=1")
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
		in.Close() // at which it ends
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the crowd: %v", err)
		}
	})
	return &Process{t: t, in: in, orders: json.NewEncoder(in), told: json.NewDecoder(bufio.NewReader(out))}
}

// Order is what a crowd is to do.
type Order struct {
	Do      string // "connect", "return" or "hear"
	Address string // of the server, for "connect"
	Count   int    // of clients, for "connect"; of events for each, for "hear"
	Options Options
}

// Report is what a crowd has done.
type Report struct {
	Count   int           // clients that are connected, or have heard everything
	Elapsed time.Duration // since the order came
	Error   string        // the first one
}

// Connect connects so many clients and returns when all are. They read what
// comes, and say nothing.
func (p *Process) Connect(address string, n int, o Options) Report {
	p.t.Helper()
	return p.do(Order{Do: "connect", Address: address, Count: n, Options: o})
}

// Return has all drop their connections, at once, and connect again. It returns
// when all have.
func (p *Process) Return() Report {
	p.t.Helper()
	return p.do(Order{Do: "return"})
}

// Hear returns when each client has got so many events since it connected.
func (p *Process) Hear(events int) Report {
	p.t.Helper()
	return p.do(Order{Do: "hear", Count: events})
}

func (p *Process) do(o Order) Report {
	p.t.Helper()
	if err := p.orders.Encode(o); err != nil {
		p.t.Fatal("the crowd: ", err)
	}
	var r Report
	if err := p.told.Decode(&r); err != nil {
		p.t.Fatal("the crowd: ", err)
	}
	if r.Error != "" {
		p.t.Fatal("the crowd: ", r.Error)
	}
	return r
}

// Be is the crowd, in the process that Start has started. In any other it skips
// the test.
func Be(t *testing.T) {
	if os.Getenv(variable) == "" {
		t.Skip("this is the crowd of other tests, in a process of its own")
	}
	var c clients
	defer c.part()
	orders, tell := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o Order
		if orders.Decode(&o) != nil {
			return
		}
		start := time.Now()
		r := Report{}
		var err error
		switch o.Do {
		case "connect":
			c.address, c.options = o.Address, o.Options
			err = c.connect(o.Count)
		case "return":
			n := len(c.members)
			c.part()
			err = c.connect(n)
		case "hear":
			err = c.hear(o.Count)
		}
		r.Count, r.Elapsed = len(c.members), time.Since(start)
		if err != nil {
			r.Error = err.Error()
		}
		if tell.Encode(r) != nil {
			return
		}
	}
}

type clients struct {
	address string
	options Options
	members []*member
}

// member is a client that is read from.
type member struct {
	client *Client
	heard  atomic.Int64
	ended  chan struct{}
	err    error // set before ended is closed
}

// atOnce bounds how many handshakes are under way: a listener has room for
// 4,096.
const atOnce = 1000

// connect connects n clients. One that is not served at once tries again, as
// real ones do.
func (c *clients) connect(n int) error {
	c.members = make([]*member, n)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	turns := make(chan struct{}, atOnce)
	for i := range n {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
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
			c.members[i] = &member{client: client, ended: make(chan struct{})}
		})
	}
	wg.Wait()
	for _, m := range c.members {
		if m != nil {
			go m.read()
		}
	}
	return first
}

func (m *member) read() {
	defer close(m.ended)
	for {
		if _, err := m.client.Next(); err != nil {
			m.err = err
			return
		}
		m.heard.Add(1)
	}
}

// part drops all connections.
func (c *clients) part() {
	for _, m := range c.members {
		if m != nil {
			m.client.Drop()
		}
	}
	for _, m := range c.members {
		if m != nil {
			<-m.ended
		}
	}
	c.members = nil
}

// hear waits until each has got so many events.
func (c *clients) hear(events int) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(Limit)
	for _, m := range c.members {
		for m.heard.Load() < int64(events) {
			select {
			case <-m.ended:
				return fmt.Errorf("a client has ended: %w", m.err)
			case <-tick.C:
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("a client has heard %d events of %d", m.heard.Load(), events)
			}
		}
	}
	return nil
}
