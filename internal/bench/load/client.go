package load

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// state is the state of a Client.
type state uint8

const (
	dialing   state = iota
	upgrading       // the handshake was sent
	upgraded        // the handshake was answered; the client connects to the namespace
	live
	leaving // a Close frame was sent
	ended
)

// Client is one WebSocket connection.
type Client struct {
	Index    int    // in its Pool
	Received uint32 // for the user of the Pool, to count events; the Pool does not use it
	pool     *Pool
	fd       int
	id       int32
	state    state
	since    time.Time // when it began to connect
	partial  []byte    // the beginning of a frame, or of the answer to the handshake
}

var (
	pongFrame    = Frame("3")
	pingFrame    = Frame("2")
	connectFrame = Frame("40")
	closeFrame   = frame(opClose, "\x03\xe8")
)

var errClosed = errors.New("the server closed the connection")

// Send writes a frame that Frame has returned.
func (c *Client) Send(frame []byte) {
	if err := write(c.fd, frame); err != nil {
		c.lost(err)
	}
}

// ready implements source.
func (c *Client) ready(l *Loop, events uint32) {
	if c.state == dialing {
		c.dialed(l)
		return
	}
	buf := l.buf[readSize:]
	n, err := unix.Read(c.fd, buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return
	case err != nil:
		c.lost(err)
		return
	case n == 0:
		c.lost(errClosed)
		return
	}
	data := buf[:n]
	if k := len(c.partial); k > 0 {
		copy(l.buf[readSize-k:], c.partial)
		data = l.buf[readSize-k : readSize+n]
		c.partial = c.partial[:0]
	}
	rest, err := c.handle(data)
	if err == nil && len(rest) > readSize {
		err = errors.New("the server sent a frame that is too large")
	}
	if err != nil {
		c.lost(err)
		return
	}
	if len(rest) > 0 && c.state != ended {
		c.partial = append(c.partial, rest...)
	}
}

func (c *Client) dialed(l *Loop) {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err == nil {
		err = l.watch(c.fd, c.id, unix.EPOLLIN)
	}
	if err == nil {
		err = c.sendHandshake()
	}
	if err != nil {
		c.lost(err)
	}
}

// sendHandshake sends the request of the handshake.
func (c *Client) sendHandshake() error {
	err := write(c.fd, c.pool.handshake(c.Index))
	if err == nil {
		c.state = upgrading
	}
	return err
}

// handle handles the complete frames at the beginning of p. It returns the
// remaining bytes.
func (c *Client) handle(p []byte) (rest []byte, err error) {
	if c.state == upgrading {
		head, after, complete := bytes.Cut(p, []byte("\r\n\r\n"))
		if !complete {
			return p, nil
		}
		if err := statusError(head, "101"); err != nil {
			return nil, err
		}
		p = after
		c.state = upgraded
		if c.pool.site.Protocol == Bare {
			c.pool.clientLive(c)
		}
	}
	for {
		op, payload, rest, ok, err := cutFrame(p)
		if err != nil || !ok {
			return p, err
		}
		p = rest
		switch {
		case op == opClose:
			c.lost(errClosed) // some servers wait until the client closes the connection
		case c.state == leaving:
		case op == opPing:
			c.Send(frame(opPing+1, string(payload)))
		case c.pool.site.Protocol == Bare:
			c.pool.event(c, payload)
		case op == opText:
			err = c.packet(payload)
		}
		if err != nil || c.state == ended {
			return nil, err
		}
	}
}

// packet handles an Engine.IO packet.
func (c *Client) packet(p []byte) error {
	switch {
	case len(p) == 0:
	case c.state == live && len(p) > 1 && p[0] == '4' && (p[1] == '2' || p[1] == '3'):
		c.pool.event(c, p)
		return nil
	case p[0] == '2':
		c.pool.Pings++
		c.Send(pongFrame)
		return nil
	case p[0] == '3' || p[0] == '6':
		return nil
	case p[0] == '0' && c.state == upgraded:
		if c.pool.interval == 0 { // the open packets of all clients are alike
			open, err := parseOpenPacket(p)
			if err != nil {
				return err
			}
			c.pool.interval = open.interval()
		}
		if c.pool.site.Protocol == EngineIO4 {
			c.Send(connectFrame)
		}
		return nil
	case bytes.HasPrefix(p, []byte("40")) && c.state == upgraded:
		c.pool.clientLive(c)
		return nil
	case len(p) > 1 && p[0] == '4' && (p[1] == '2' || p[1] == '3'):
		return nil // a broadcast that has overtaken the answer to the CONNECT
	}
	return fmt.Errorf("the server sent %.40q", p)
}

// leave sends a Close frame. The server must then close the connection.
func (c *Client) leave() {
	c.state = leaving
	c.Send(closeFrame)
}

// lost ends a client whose connection has ended.
func (c *Client) lost(err error) {
	if c.state == ended {
		return
	}
	before := c.state
	c.state = ended
	c.pool.loop.remove(c.fd, c.id)
	c.pool.clientEnded(c, before, err)
}

// abort ends the client with a reset of its connection.
func (c *Client) abort() {
	if c.state == ended {
		return
	}
	abort(c.fd)
	c.state = ended
	c.pool.loop.remove(c.fd, c.id)
}
