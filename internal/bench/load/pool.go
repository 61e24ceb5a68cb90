package load

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Pool is WebSocket clients of one site.
type Pool struct {
	loop    *Loop
	site    Site
	request []byte    // the handshake, if it is the same for all clients
	clients []*Client // by index; nil if the client has not connected
	pending []*Client // clients that are connecting
	live    int       // live clients
	started int       // the next index to connect
	left    int       // clients whose connection has ended after leave

	lastLive time.Time     // when the last client became live
	interval time.Duration // between the pings of a client
	pings    []ping        // the next ping of each client, if clients ping; the earliest is first
	refused  int           // see Tally
	stalled  int           // see Tally
	lastErr  error         // see Tally

	// OnEvent, if not nil, is called when a live client has received an event
	// or an ack. The packet is an Engine.IO packet.
	OnEvent func(c *Client, packet []byte)
	// OnLive, if not nil, is called when a client has become live.
	OnLive func(c *Client)
	// Pings is the number of pings that the server has sent.
	Pings int
}

// ping is a ping that a client has to send.
type ping struct {
	client *Client
	at     time.Time
}

// NewPool returns a Pool on l without clients.
func NewPool(l *Loop, site Site) *Pool {
	p := &Pool{loop: l, site: site}
	l.timed = append(l.timed, p.tick)
	return p
}

// Tally is the result of Pool.Connect.
type Tally struct {
	Live    int           // clients that are live now
	Elapsed time.Duration // until the last client became live
	Refused int           // clients that got an error, or whose connection was closed
	Stalled int           // clients that were not live after StallAfter
	Err     error         // of the last client that was refused
}

// StallAfter is the time that a client may take to connect.
const StallAfter = 5 * time.Second

// Connect connects clients, parallel at a time, so that n are live. It returns
// when each of them is live, refused or stalled.
func (p *Pool) Connect(n, parallel int) (Tally, error) {
	p.refused, p.stalled, p.lastErr, p.started = 0, 0, nil, 0
	for len(p.clients) < n {
		p.clients = append(p.clients, nil)
	}
	begin := time.Now()
	p.lastLive = begin
	err := p.loop.Run(0, func() bool {
		for len(p.pending) < parallel && p.started < n {
			i := p.started
			p.started++
			if c := p.clients[i]; c == nil || c.state == ended {
				p.dial(i)
			}
		}
		return len(p.pending) == 0
	})
	return Tally{p.live, p.lastLive.Sub(begin), p.refused, p.stalled, p.lastErr}, err
}

// ConnectAll calls Connect until all n clients are live, at most ten times,
// because some servers sometimes lose a client.
func (p *Pool) ConnectAll(n, parallel int) error {
	var tally Tally
	for range 10 {
		var err error
		if tally, err = p.Connect(n, parallel); err != nil {
			return err
		}
		if tally.Live == n {
			return nil
		}
	}
	if tally.Err == nil {
		tally.Err = errors.New("no answer")
	}
	return fmt.Errorf("only %d of %d clients could connect: %w", tally.Live, n, tally.Err)
}

func (p *Pool) dial(index int) {
	fd, err := dial(p.site.Address, index)
	if err == nil {
		c := &Client{Index: index, pool: p, fd: fd, since: time.Now()}
		var events uint32 = unix.EPOLLIN
		if c.sendHandshake() != nil { // over loopback most are connected at once; this one may connect later
			events = unix.EPOLLOUT
		}
		if c.id, err = p.loop.add(fd, c, events); err == nil {
			p.clients[index] = c
			p.pending = append(p.pending, c)
			return
		}
	}
	p.loop.Fail(err) // the error is that of this machine, and not of the server
}

// handshake returns the request of a client. If the requests of all clients are
// the same, it is made once.
func (p *Pool) handshake(client int) []byte {
	s := &p.site
	if p.request != nil {
		return p.request
	}
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n%s"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		s.target(client, "websocket"), s.Address, s.header(client))
	if s.Query == nil && s.Header == nil {
		p.request = request
	}
	return request
}

func (p *Pool) event(c *Client, packet []byte) {
	if p.OnEvent != nil {
		p.OnEvent(c, packet)
	}
}

// clientLive counts a client that has become live.
func (p *Pool) clientLive(c *Client) {
	p.removePending(c)
	c.state = live
	p.live++
	p.lastLive = time.Now()
	if p.site.Protocol == EngineIO3 {
		p.pings = append(p.pings, ping{c, p.lastLive.Add(p.interval)})
	}
	if p.OnLive != nil {
		p.OnLive(c)
	}
}

// removePending removes a client from those that are connecting.
func (p *Pool) removePending(c *Client) {
	for i, other := range p.pending {
		if other == c {
			last := len(p.pending) - 1
			p.pending[i] = p.pending[last]
			p.pending = p.pending[:last]
			return
		}
	}
}

// clientEnded counts a client that has ended, by its state before.
func (p *Pool) clientEnded(c *Client, before state, err error) {
	switch before {
	case live:
		p.live--
		p.loop.Fail(fmt.Errorf("client %d: %w", c.Index, err))
	case leaving:
		p.left++
	default:
		p.removePending(c)
		p.refused++
		p.lastErr = err
	}
}

// tick aborts clients that have stalled, and sends the pings that are due.
func (p *Pool) tick(now time.Time) {
	for i := len(p.pending) - 1; i >= 0; i-- {
		c := p.pending[i]
		if now.Sub(c.since) > StallAfter {
			p.removePending(c)
			p.stalled++
			c.abort()
		}
	}
	for len(p.pings) > 0 && !p.pings[0].at.After(now) {
		next := p.pings[0]
		p.pings = p.pings[1:]
		if next.client.state == live {
			next.client.Send(pingFrame)
			p.pings = append(p.pings, ping{next.client, next.at.Add(p.interval)})
		}
	}
}

// Each calls f with every live client.
func (p *Pool) Each(f func(c *Client)) {
	for _, c := range p.clients {
		if c != nil && c.state == live {
			f(c)
		}
	}
}

// Leave makes each live client send a Close frame, and waits until the server
// has closed their connections. If no more connections end for StallAfter, it
// returns the number of connections that are open.
func (p *Pool) Leave() (stalled int, err error) {
	p.left = 0
	total := 0
	p.Each(func(c *Client) {
		p.live--
		total++
		c.leave()
	})
	err = p.loop.Run(StallAfter, func() bool { return p.left == total })
	if errors.Is(err, ErrSilent) {
		return total - p.left, nil
	}
	return 0, err
}

// Abort resets the connections of all clients.
func (p *Pool) Abort() {
	for _, c := range p.clients {
		if c != nil {
			c.abort()
		}
	}
	p.clients, p.pending, p.live, p.pings = nil, nil, 0, nil
}
