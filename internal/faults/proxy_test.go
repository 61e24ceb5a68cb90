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

// proxy is a TCP proxy with faults, the network that every machine has.
type proxy struct {
	target   string
	listener net.Listener
	ended    chan struct{}
	pumps    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]struct{}
	closed bool
	rough  bool
	frozen chan struct{} // closed by the end of the test; nil while data flows
}

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

// dial is part of network.
func (p *proxy) dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", p.listener.Addr().String())
}

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
		late := p.closed
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		if late {
			client.Close()
			server.Close()
			continue
		}
		p.pumps.Go(func() { p.pump(client, server) })
		p.pumps.Go(func() { p.pump(server, client) })
	}
}

// pump carries bytes one way. A rough network delays them, cuts them into pieces of any size, and now and then keeps
// them for as long as a lost segment takes to be sent again.
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
			rough, frozen := p.rough, p.frozen
			p.mu.Unlock()
			if frozen != nil { // nobody is told
				<-p.ended
				return
			}
			piece := data
			if rough {
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

func (p *proxy) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.ended:
	}
}

// hangUp passes on the end of a connection, unless nobody is told.
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

// roughen is part of network.
func (p *proxy) roughen(*testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rough = true
}

// cut is part of network.
func (p *proxy) cut(*testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = p.ended
}

// reset is part of network.
func (p *proxy) reset(*testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	clear(p.conns)
}

// restore is part of network: new connections have no faults anyway.
func (p *proxy) restore() {}

// TestNetworkFaults through a proxy.
func TestNetworkFaults(t *testing.T) {
	networkFaults(t, func(t *testing.T, h http.Handler) (*siotest.Site, network) {
		site := siotest.Serve(t, siotest.TCP, h)
		return site, newProxy(t, site.Host())
	})
}
