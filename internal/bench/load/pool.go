package load

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Pool is clients of one site, connected by WebSocket.
type Pool struct {
	loop    *Loop
	site    Site
	request []byte    // of every client, if they do not differ
	clients []*Client // by index; nil or gone where there is none
	pending []*Client // on their way to be live
	live    int
	started int // the next index to connect
	left    int // of those that are leaving

	lastLive time.Time
	interval time.Duration // between a client's pings
	pings    []pingTurn    // a queue, if clients ping
	refused  int
	stalled  int
	lastErr  error

	// OnEvent takes each event or ack, as an Engine.IO packet, in a client that
	// is live.
	OnEvent func(c *Client, packet []byte)
	// Pings counts the pings from the server.
	Pings int
}

type pingTurn struct {
	client *Client
	at     time.Time
}

// NewPool returns a Pool on l without clients.
func NewPool(l *Loop, site Site) *Pool {
	p := &Pool{loop: l, site: site}
	l.timed = append(l.timed, p.tick)
	return p
}

// Tally is how connecting went.
type Tally struct {
	Live    int           // clients that are live now
	Elapsed time.Duration // until the last of them was
	Refused int           // an error, or the connection was closed
	Stalled int           // no answer within the patience
	Err     error         // one of those that were refused
}

// StallAfter is how long a client may take to connect.
const StallAfter = 5 * time.Second

// Connect has as many clients connect as n lacks, parallel of them at a time,
// and returns when each is live, refused or stalled.
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
			if c := p.clients[i]; c == nil || c.state == gone {
				p.dial(i)
			}
		}
		return len(p.pending) == 0
	})
	return Tally{p.live, p.lastLive.Sub(begin), p.refused, p.stalled, p.lastErr}, err
}

// ConnectAll is Connect until all n are live. Servers lose a client now and
// then.
func (p *Pool) ConnectAll(n, parallel int) error {
	var t Tally
	for range 10 {
		var err error
		if t, err = p.Connect(n, parallel); err != nil {
			return err
		}
		if t.Live == n {
			return nil
		}
	}
	if t.Err == nil {
		t.Err = errors.New("no answer")
	}
	return fmt.Errorf("only %d of %d clients could connect: %w", t.Live, n, t.Err)
}

func (p *Pool) dial(index int) {
	fd, err := dial(p.site.Address, index)
	if err == nil {
		c := &Client{Index: index, pool: p, fd: fd, since: time.Now()}
		var events uint32 = unix.EPOLLIN
		if c.shake() != nil { // over loopback most are connected by now; this one is not, or never will be
			events = unix.EPOLLOUT
		}
		if c.id, err = p.loop.add(fd, c, events); err == nil {
			p.clients[index] = c
			p.pending = append(p.pending, c)
			return
		}
	}
	p.loop.Fail(err) // it is the machine's fault and not the server's
}

// handshake is a client's request. It is made once for all, if they say the
// same.
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

func (p *Pool) nowLive(c *Client) {
	p.settled(c)
	c.state = live
	p.live++
	p.lastLive = time.Now()
	if p.site.Protocol == EngineIO3 {
		p.pings = append(p.pings, pingTurn{c, p.lastLive.Add(p.interval)})
	}
}

func (p *Pool) settled(c *Client) {
	for i, other := range p.pending {
		if other == c {
			last := len(p.pending) - 1
			p.pending[i] = p.pending[last]
			p.pending = p.pending[:last]
			return
		}
	}
}

// nowGone takes note of a client that has ended in a state.
func (p *Pool) nowGone(c *Client, before state, err error) {
	switch before {
	case live:
		p.live--
		p.loop.Fail(fmt.Errorf("client %d: %w", c.Index, err))
	case leaving:
		p.left++
	default:
		p.settled(c)
		p.refused++
		p.lastErr = err
	}
}

// tick gives up clients that stall, and pings where that is the clients' task.
func (p *Pool) tick(now time.Time) {
	for i := len(p.pending) - 1; i >= 0; i-- {
		c := p.pending[i]
		if now.Sub(c.since) > StallAfter {
			p.settled(c)
			p.stalled++
			c.abort()
		}
	}
	for len(p.pings) > 0 && !p.pings[0].at.After(now) {
		turn := p.pings[0]
		p.pings = p.pings[1:]
		if turn.client.state == live {
			turn.client.Send(pingFrame)
			p.pings = append(p.pings, pingTurn{turn.client, turn.at.Add(p.interval)})
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

// Leave has every live client take leave, and returns when the server has
// closed all their connections, or how many it had not when no more came for a
// while.
func (p *Pool) Leave() (stalled int, err error) {
	p.left = 0
	leaving := 0
	p.Each(func(c *Client) {
		p.live--
		leaving++
		c.leave()
	})
	err = p.loop.Run(StallAfter, func() bool { return p.left == leaving })
	if errors.Is(err, ErrSilent) {
		return leaving - p.left, nil
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
