package mojonats_test

import (
	"math"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy forwards TCP connections. It can end them and refuse others, or stop to
// forward without ending them.
type proxy struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	cut    bool
	silent chan struct{} // nil: it forwards; otherwise closed when it forwards again
	until  int           // connections from this number on are forwarded all the same
	made   int           // how many connections were made

	held chan struct{} // has an element if something was not forwarded
}

func newProxy(tb testing.TB, target string) *proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	p := &proxy{target: target, listener: listener, held: make(chan struct{}, 1)}
	p.running.Go(p.accept)
	tb.Cleanup(func() {
		listener.Close()
		p.forward()
		p.disconnect()
		p.running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
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

func (p *proxy) copy(to, from net.Conn, number int) {
	defer to.Close()
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
			case p.held <- struct{}{}:
			default:
			}
			<-silent
		}
		_, _ = to.Write(buffer[:n]) // the other direction goes on if this one has ended
	}
}

// disconnect ends all connections.
func (p *proxy) disconnect() { p.disconnectFirst(math.MaxInt) }

// disconnectFirst ends a number of connections, the oldest.
func (p *proxy) disconnectFirst(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, conn := range p.conns {
		if i/2 < n {
			conn.Close()
		}
	}
	p.conns = p.conns[min(len(p.conns)/2, n)*2:]
}

// setCut ends all connections and refuses others, or ends that.
func (p *proxy) setCut(cut bool) {
	p.mu.Lock()
	p.cut = cut
	p.mu.Unlock()
	if cut {
		p.disconnect()
	}
}

// stall stops to forward.
func (p *proxy) stall() { p.stallFirst(math.MaxInt) }

// stallFirst stops to forward what a number of connections carry, the oldest.
func (p *proxy) stallFirst(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent, p.until = make(chan struct{}), n
}

// forward ends a stall.
func (p *proxy) forward() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent != nil {
		close(p.silent)
		p.silent = nil
	}
}
