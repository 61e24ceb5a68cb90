// Package tcpproxy disturbs the connections between a program and a server, for
// tests: it ends them, refuses them, or stops to forward without a sign.
package tcpproxy

import (
	"io"
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
	conns  []net.Conn // in pairs
	cut    bool
	silent chan struct{} // nil: it forwards; otherwise closed when it forwards again
	until  int           // connections from this number on are forwarded all the same
	made   int           // how many connections were made
}

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
		p.conns = append(p.conns, client, server)
		number := p.made
		p.made++
		if p.cut {
			client.Close()
			server.Close()
		}
		p.mu.Unlock()
		p.running.Go(func() { p.copy(server, client, number) })
		p.running.Go(func() { p.copy(client, server, number) })
	}
}

func (p *Proxy) copy(to, from net.Conn, number int) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		silent := p.silent
		isHeld := silent != nil && number < p.until
		p.mu.Unlock()
		if isHeld {
			select {
			case p.Held <- struct{}{}:
			default:
			}
			<-silent
		}
		if _, err := to.Write(buffer[:n]); err != nil && err != io.EOF {
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
	for i, conn := range p.conns {
		if i/2 < n {
			conn.Close()
		}
	}
	p.conns = p.conns[min(len(p.conns)/2, n)*2:]
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
func (p *Proxy) Stall() { p.StallFirst(math.MaxInt) }

// StallFirst stops to forward what a number of connections carry, the oldest.
func (p *Proxy) StallFirst(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent, p.until = make(chan struct{}), n
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
