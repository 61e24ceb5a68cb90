package socketio

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// client is one connection, with a socket for each namespace it is on.
type client struct {
	server    *Server
	session   *engineio.Session
	presented Identity // by the handshake, and to be presented by all later requests
	identity  Identity // whom it counts as: presented, or nobody if that was given up before
	handshake any
	lastAck   atomic.Uint64
	again     *time.Timer // for one who came before its browser had the new cookies

	mu    sync.Mutex // guards what follows
	slots []slot
	parts *assembly   // a packet whose attachments are still to come
	timer *time.Timer // until the first CONNECT
	gone  bool
}

// slot is a namespace that the client has asked for. The socket is nil once it
// has ended: packets for it that were on their way are ignored.
type slot struct {
	namespace *Namespace
	socket    *Socket
}

// open is the engine's Options.Open.
func (s *Server) open(session *engineio.Session, r *http.Request) (engineio.Handler, error) {
	if s.Closed() {
		return nil, engineio.ErrClosed
	}
	id, handshake, err := s.opts.Open(r)
	if err != nil {
		return nil, err
	}
	c := &client{server: s, session: session, presented: id, handshake: handshake}
	since, retired := s.registry.admit(c)
	if s.opts.RequireSession && c.identity.Session == "" {
		s.registry.forget(c)
		return nil, errNoSession
	}
	s.activity.begin()
	c.timer = time.AfterFunc(s.opts.ConnectTimeout, func() { session.Close(engineio.ForcedClose) })
	if retired && time.Since(since) < Settling {
		c.again = time.AfterFunc(comeAgain, func() { session.Close(IdentityChanged) })
	}
	return c, nil
}

// Admits is part of engineio.Handler.
func (c *client) Admits(r *http.Request) bool { return c.server.opts.Admits(r, c.presented) }

// Closed is part of engineio.Handler.
func (c *client) Closed(reason Reason) {
	defer c.server.activity.end()
	c.timer.Stop()
	if c.again != nil {
		c.again.Stop()
	}
	c.mu.Lock()
	c.gone = true
	slots := c.slots
	c.slots = nil
	c.parts.drop()
	c.parts = nil
	c.mu.Unlock()
	c.server.registry.forget(c)
	for _, sl := range slots {
		if sl.socket != nil {
			sl.socket.end(reason)
		}
	}
}

var (
	errUnexpected = errors.New("unexpected packet")
	errNoSession  = errors.New("no session")
)

// Message is part of engineio.Handler.
func (c *client) Message(data []byte, binary bool) error {
	if binary {
		return c.attachment(data)
	}
	if c.assembling() {
		return errUnexpected // a text between a header and its attachments
	}
	p, err := parser.Decode(data)
	if err != nil {
		return err
	}
	namespace := c.server.namespace(p.Namespace)
	switch {
	case p.Type == parser.Connect && namespace == nil:
		c.refuseUnknown(p.Namespace)
		return nil
	case p.Type == parser.Connect:
		c.connect(namespace, p.Data)
		return nil
	case p.Type == parser.ConnectError:
		return errUnexpected
	}
	socket, known := c.socket(namespace)
	if !known {
		return errUnexpected
	}
	if p.Attachments > 0 {
		c.assemble(socket, p)
		return nil
	}
	if socket == nil { // it has ended, which the client did not know yet
		return nil
	}
	return socket.receive(p, bytes.Clone(p.Data), nil)
}

// refuseUnknown answers a CONNECT for a namespace that is not mounted.
func (c *client) refuseUnknown(name []byte) {
	payload, err := parser.EncodeValue(Refusal{Message: "Invalid namespace"}.data())
	if err == nil {
		_ = c.session.Send(packet(parser.ConnectError, string(name), payload))
	}
}

// socket returns the socket on a namespace, nil if it has ended, and whether
// there ever was one.
func (c *client) socket(n *Namespace) (*Socket, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.slots, func(sl slot) bool { return sl.namespace == n })
	if i < 0 {
		return nil, false
	}
	return c.slots[i].socket, true
}

// connect begins a socket. One that the client has on the namespace already is
// replaced: a page that leaves before it was answered sends no DISCONNECT, only
// the CONNECT of its next attempt.
func (c *client) connect(n *Namespace, auth []byte) {
	s := &Socket{namespace: n, client: c, id: newID(), deaf: true}
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return
	}
	c.timer.Stop()
	var old *Socket
	i := slices.IndexFunc(c.slots, func(sl slot) bool { return sl.namespace == n })
	if i < 0 {
		c.slots = append(c.slots, slot{n, s})
	} else {
		old = c.slots[i].socket
		c.slots[i].socket = s
	}
	c.mu.Unlock()
	if old != nil {
		old.end(ClientDisconnect)
	}
	s.push(task{kind: taskConnect, auth: bytes.Clone(auth), size: lifeCost + len(auth)})
}

// left marks the namespace of an ended socket as left.
func (c *client) left(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.slots {
		if c.slots[i].socket == s {
			c.slots[i].socket = nil
		}
	}
}
