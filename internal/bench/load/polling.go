package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// PollPool is clients that use HTTP long-polling. Each has two connections: one
// for polls and one for POSTs. Each posts an event, waits for its echo, and
// posts the next one.
type PollPool struct {
	loop    *Loop
	site    Site
	clients []*pollClient
	live    int
	event   []byte // a payload with one event

	// Echoed counts the echoes that clients have received.
	Echoed int
	// OnEvent, if not nil, is called with each echo, as an Engine.IO packet.
	OnEvent func(packet []byte)

	stopping bool // clients post no more events
	waiting  int  // clients that wait for an echo
}

type pollClient struct {
	pool      *PollPool
	index     int
	poll      *httpConn
	post      *httpConn
	pollURL   string // with the session id
	firstURL  string // without a session id
	connected bool
	tries     int  // handshakes
	echoDue   bool // the next event is posted when the current POST is answered
	pongDue   bool // a pong is posted when the current POST is answered
}

// httpConn is an HTTP connection for one request at a time.
type httpConn struct {
	pool      *PollPool
	fd        int
	id        int32
	in        []byte // the beginning of an answer
	busy      bool   // a request was sent and is not answered
	onAnswer  func(body []byte)
	onRefused func(err error)
}

// NewPollPool returns a PollPool on l without clients. The event is an
// Engine.IO packet.
func NewPollPool(l *Loop, site Site, event string) *PollPool {
	return &PollPool{loop: l, site: site, event: payload(site.Protocol, event)}
}

// payload returns a packet as the body of a POST.
func payload(protocol Protocol, packet string) []byte {
	if protocol == EngineIO3 {
		packet = fmt.Sprintf("%d:%s", len(packet), packet)
	}
	return []byte(packet)
}

// Connect connects n clients.
func (p *PollPool) Connect(n int) error {
	for i := range n {
		c := &pollClient{pool: p, index: i}
		var err error
		if c.poll, err = p.open(i, c.onPoll, c.onRefused); err != nil {
			return err
		}
		if c.post, err = p.open(i, c.onPosted, p.loop.Fail); err != nil {
			return err
		}
		target := p.site.target(i, "polling")
		if p.site.Protocol == EngineIO3 {
			target += "&b64=1" // text payloads
		}
		c.firstURL, c.pollURL = target, target
		p.clients = append(p.clients, c)
		c.get()
	}
	return p.loop.Run(StallAfter, func() bool { return p.live == n })
}

// open connects to the server.
func (p *PollPool) open(index int, onAnswer func([]byte), onRefused func(error)) (*httpConn, error) {
	fd, err := dial(p.site.Address, index)
	if err != nil {
		return nil, err
	}
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	if _, err := unix.Poll(fds, int(StallAfter/time.Millisecond)); err != nil {
		return nil, fmt.Errorf("poll: %w", err)
	}
	x := &httpConn{pool: p, fd: fd, onAnswer: onAnswer, onRefused: onRefused}
	x.id, err = p.loop.add(fd, x, unix.EPOLLIN)
	return x, err
}

// Start makes each client post its event.
func (p *PollPool) Start() {
	p.stopping = false
	p.waiting = len(p.clients)
	for _, c := range p.clients {
		c.echo()
	}
}

// Stop makes clients post no more events. It returns when all have received
// their last echo.
func (p *PollPool) Stop() error {
	p.stopping = true
	return p.loop.Run(StallAfter, func() bool { return p.waiting == 0 })
}

// Abort resets all connections.
func (p *PollPool) Abort() {
	for _, c := range p.clients {
		for _, x := range []*httpConn{c.poll, c.post} {
			if x != nil {
				abort(x.fd)
				p.loop.remove(x.fd, x.id)
			}
		}
	}
	p.clients = nil
}

func (c *pollClient) get() {
	c.poll.send(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n",
		c.pollURL, c.pool.site.Address, c.pool.site.header(c.index)))
}

func (c *pollClient) send(body []byte) {
	p := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n",
		c.pollURL, c.pool.site.Address, c.pool.site.header(c.index), len(body))
	c.post.send(append(p, body...))
}

func (c *pollClient) echo() {
	c.echoDue = c.post.busy
	if !c.echoDue {
		c.send(c.pool.event)
	}
}

func (c *pollClient) pong() {
	c.pongDue = c.post.busy
	if !c.pongDue {
		c.send(payload(c.pool.site.Protocol, "3"))
	}
}

func (c *pollClient) onPosted([]byte) {
	switch {
	case c.pongDue:
		c.pong()
	case c.echoDue:
		c.echo()
	}
}

// onRefused handles the refusal of a poll. One of the servers sends the id of a
// session before it accepts requests with it; with this server, the client
// opens a new session.
func (c *pollClient) onRefused(err error) {
	if c.tries++; c.connected || c.pool.site.Protocol != EngineIO3 || c.tries > 100 {
		c.pool.loop.Fail(err)
		return
	}
	c.pollURL = c.firstURL
	c.get()
}

// onPoll handles the packets of the answer to a poll, and polls again.
func (c *pollClient) onPoll(body []byte) {
	for len(body) > 0 {
		packet, rest, err := cutPacket(c.pool.site.Protocol, body)
		if err == nil {
			err = c.packet(packet)
		}
		if err != nil {
			c.pool.loop.Fail(err)
			return
		}
		body = rest
	}
	c.get()
}

// cutPacket returns the first packet of a payload and the bytes behind it.
func cutPacket(protocol Protocol, body []byte) (packet, rest []byte, err error) {
	if protocol != EngineIO3 {
		packet, rest, _ = bytes.Cut(body, []byte{0x1e})
		return packet, rest, nil
	}
	digits, rest, found := bytes.Cut(body, []byte(":"))
	n, err := strconv.Atoi(string(digits))
	if !found || err != nil || n > len(rest) {
		return nil, nil, fmt.Errorf("the server sent %.40q, which is not a payload", body)
	}
	return rest[:n], rest[n:], nil
}

func (c *pollClient) packet(packet []byte) error {
	switch {
	case bytes.HasPrefix(packet, []byte("42")):
		p := c.pool
		p.Echoed++
		if p.OnEvent != nil {
			p.OnEvent(packet)
		}
		if p.stopping {
			p.waiting--
			return nil
		}
		c.echo()
	case bytes.HasPrefix(packet, []byte("40")):
		c.connected = true
		c.pool.live++
	case bytes.HasPrefix(packet, []byte("0")):
		open, err := parseOpenPacket(packet)
		if err != nil {
			return err
		}
		c.pollURL += "&sid=" + open.SID
		if c.pool.site.Protocol == EngineIO4 {
			c.send([]byte("40"))
		}
	case bytes.HasPrefix(packet, []byte("2")):
		c.pong()
	case bytes.HasPrefix(packet, []byte("6")), bytes.HasPrefix(packet, []byte("3")):
	default:
		return fmt.Errorf("the server sent %.40q", packet)
	}
	return nil
}

func (x *httpConn) send(request []byte) {
	x.busy = true
	if err := write(x.fd, request); err != nil {
		x.pool.loop.Fail(err)
	}
}

// ready implements source.
func (x *httpConn) ready(l *Loop, _ uint32) {
	n, err := unix.Read(x.fd, l.buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return
	case err != nil:
		l.Fail(fmt.Errorf("read: %w", err))
		return
	case n == 0:
		l.Fail(errors.New("the server closed a connection that polls"))
		return
	}
	x.in = append(x.in, l.buf[:n]...)
	head, body, ok, err := cutAnswer(x.in)
	if err != nil {
		l.Fail(err)
		return
	}
	if !ok {
		return
	}
	x.in, x.busy = x.in[:0], false
	if err := statusError(head, "200"); err != nil {
		x.onRefused(fmt.Errorf("%w: %.100q", err, body))
		return
	}
	x.onAnswer(body)
}

// cutAnswer returns the head and the body of an HTTP answer. If the answer is
// incomplete, ok is false.
func cutAnswer(p []byte) (head, body []byte, ok bool, err error) {
	head, rest, complete := bytes.Cut(p, []byte("\r\n\r\n"))
	if !complete {
		return nil, nil, false, nil
	}
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.Atoi(string(value))
			if err != nil {
				return nil, nil, false, fmt.Errorf("content length: %w", err)
			}
			return head, rest[:min(n, len(rest))], len(rest) >= n, nil
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			body, ok, err := cutChunks(rest)
			return head, body, ok, err
		}
	}
	return nil, nil, false, errors.New("the server answered without a length")
}

// cutChunks returns a body in chunked encoding. If it is incomplete, ok is
// false.
func cutChunks(p []byte) (body []byte, ok bool, err error) {
	for {
		size, rest, found := bytes.Cut(p, []byte("\r\n"))
		if !found {
			return nil, false, nil
		}
		n, err := strconv.ParseUint(string(size), 16, 31)
		if err != nil {
			return nil, false, fmt.Errorf("chunk size: %w", err)
		}
		if len(rest) < int(n)+2 {
			return nil, false, nil
		}
		if n == 0 {
			return body, true, nil
		}
		body = append(body, rest[:n]...)
		p = rest[n+2:]
	}
}
