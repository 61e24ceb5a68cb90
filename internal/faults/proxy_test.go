package faults

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// proxy is a TCP proxy with faults. It is a network that works on every system.
type proxy struct {
	target   string
	listener net.Listener
	ended    chan struct{}
	pumps    sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	conns  map[net.Conn]struct{}
	closed bool
	lossy  bool
	frozen chan struct{} // set while the network is cut
}

// newProxy runs a proxy to target until the test ends.
func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{target: target, listener: listener, ended: make(chan struct{}), conns: make(map[net.Conn]struct{})}
	p.pumps.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		close(p.ended)
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.reset(t)
		p.pumps.Wait()
	})
	return p
}

// dial implements network.
func (p *proxy) dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", p.listener.Addr().String())
}

// accept forwards connections until the listener is closed.
func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		closed := p.closed
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		if closed {
			client.Close()
			server.Close()
			continue
		}
		p.pumps.Go(func() { p.pump(client, server) })
		p.pumps.Go(func() { p.pump(server, client) })
	}
}

// pump copies bytes in one direction. If the network is lossy, it splits them
// into pieces of random size and delays them, sometimes as long as TCP needs to
// send a lost segment again.
func (p *proxy) pump(from, to net.Conn) {
	defer p.hangUp(from, to)
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		for data := buf[:n]; len(data) > 0; {
			p.mu.Lock()
			lossy, frozen := p.lossy, p.frozen
			p.mu.Unlock()
			if frozen != nil { // the network is cut
				<-p.ended
				return
			}
			piece := data
			if lossy {
				piece = data[:1+rand.IntN(len(data))]
				p.pause(time.Duration(rand.IntN(3)) * time.Millisecond)
				if rand.IntN(20) == 0 {
					p.pause(50 * time.Millisecond)
				}
			}
			if _, err := to.Write(piece); err != nil {
				return
			}
			data = data[len(piece):]
		}
	}
}

// pause sleeps, but returns when the test ends.
func (p *proxy) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.ended:
	}
}

// hangUp closes both sides of a connection, unless the network is cut.
func (p *proxy) hangUp(conns ...net.Conn) {
	p.mu.Lock()
	frozen := p.frozen
	p.mu.Unlock()
	if frozen != nil {
		<-p.ended
	}
	for _, c := range conns {
		c.Close()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}
}

// delayAndLose implements network.
func (p *proxy) delayAndLose(*testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lossy = true
}

// cut implements network.
func (p *proxy) cut(*testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = p.ended
}

// reset implements network.
func (p *proxy) reset(*testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	clear(p.conns)
}

// restore implements network. New connections never have faults.
func (p *proxy) restore() {}

// TestNetworkFaults runs the tests through a proxy.
func TestNetworkFaults(t *testing.T) {
	networkFaults(t, func(t *testing.T, h http.Handler) (*siotest.Site, network) {
		site := siotest.Serve(t, siotest.TCP, h)
		return site, newProxy(t, site.Host())
	})
}
