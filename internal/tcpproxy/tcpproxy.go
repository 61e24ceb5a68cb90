// Package tcpproxy disturbs the connections between a program and a server, for
// tests: it ends them, refuses them, or stops to forward without a sign.
package tcpproxy

import (
	"bytes"
	"math"
	"net"
	"sync"
	"testing"
)

// Proxy forwards TCP connections. Its methods may be called at any time.
type Proxy struct {
	// Held has an element if something was not forwarded.
	Held chan struct{}

	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	target string
	pairs  []*pair
	cut    bool
	silent chan struct{}                       // nil: it forwards; otherwise closed when it forwards again
	holds  func(p *pair, fromServer bool) bool // whether it does not forward; called while silent is set
	made   int                                 // how many connections were made
}

// pair is a connection and what it is forwarded to.
type pair struct {
	number         int
	client, server net.Conn
	sent           []byte // the first bytes of the client; guarded by Proxy.mu
}

func (c *pair) close() {
	c.client.Close()
	c.server.Close()
}

// maxSent is the size of pair.sent.
const maxSent = 4 << 10

// New returns a Proxy that forwards to target, host:port, until the end of the
// test.
func New(tb testing.TB, target string) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{target: target, listener: listener, Held: make(chan struct{}, 1)}
	p.running.Go(p.accept)
	tb.Cleanup(func() {
		listener.Close()
		p.Forward()
		p.SetCut(true)
		p.running.Wait()
	})
	return p
}

// Addr returns the address of the proxy, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		server, err := net.Dial("tcp", target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		c := &pair{number: p.made, client: client, server: server}
		p.pairs = append(p.pairs, c)
		p.made++
		if p.cut {
			c.close()
		}
		p.mu.Unlock()
		p.running.Go(func() { p.copy(server, client, c) })
		p.running.Go(func() { p.copy(client, server, c) })
	}
}

func (p *Proxy) copy(to, from net.Conn, c *pair) {
	defer c.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		if from == c.client {
			c.sent = append(c.sent, buffer[:min(n, maxSent-len(c.sent))]...)
		}
		silent := p.silent
		isHeld := silent != nil && p.holds(c, from == c.server)
		p.mu.Unlock()
		if isHeld {
			select {
			case p.Held <- struct{}{}:
			default:
			}
			<-silent
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// Disconnect ends all connections.
func (p *Proxy) Disconnect() { p.DisconnectFirst(math.MaxInt) }

// DisconnectFirst ends a number of connections, the oldest.
func (p *Proxy) DisconnectFirst(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = min(n, len(p.pairs))
	for _, c := range p.pairs[:n] {
		c.close()
	}
	p.pairs = p.pairs[n:]
}

// SetCut ends all connections and refuses others, or ends that.
func (p *Proxy) SetCut(cut bool) {
	p.mu.Lock()
	p.cut = cut
	p.mu.Unlock()
	if cut {
		p.Disconnect()
	}
}

// Stall stops to forward. The connections stay, and others can be made.
func (p *Proxy) Stall() { p.stall(func(*pair, bool) bool { return true }) }

// StallFirst stops to forward what a number of connections carry, the oldest.
func (p *Proxy) StallFirst(n int) { p.stall(func(c *pair, _ bool) bool { return c.number < n }) }

// StallAnswers stops to forward what the server sends on connections whose
// client has sent a text, in its first kilobytes.
func (p *Proxy) StallAnswers(sent string) {
	p.stall(func(c *pair, fromServer bool) bool { return fromServer && bytes.Contains(c.sent, []byte(sent)) })
}

func (p *Proxy) stall(holds func(c *pair, fromServer bool) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent == nil {
		p.silent = make(chan struct{})
	}
	p.holds = holds
}

// Forward ends a stall.
func (p *Proxy) Forward() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent != nil {
		close(p.silent)
		p.silent = nil
	}
}

// Made returns how many connections were made.
func (p *Proxy) Made() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

// Lead leads connections that are made from now on to another address.
func (p *Proxy) Lead(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}
