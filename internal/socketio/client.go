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
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/testhook"
)

// client is one connection, with a socket for each namespace it is on.
type client struct {
	server    *Server
	session   *engineio.Session
	handshake any
	conn      hub.Conn
	lastAck   atomic.Uint64
	refusal   *Refusal // the answer to every CONNECT; nil: it is accepted
	rate      rate     // for the reader of the session alone

	mu sync.Mutex
	clientByMu
}

// clientByMu is guarded by client.mu.
type clientByMu struct {
	slots    []slot
	parts    *assembly   // a packet whose attachments are still to come
	timer    *time.Timer // until the first CONNECT; nil after that
	gone     bool        // no socket begins any more
	expected expectation // of requests
}

// slot is a namespace that the client has asked for. The socket is nil after
// its end: packets for it that the client sent before it knew of that are
// ignored.
type slot struct {
	namespace *Namespace
	socket    *Socket
}

// comeAgain is when a client is closed that came with a session id that was
// given up a moment before; then it comes back with the new cookies.
const comeAgain = time.Second

// clientOf returns the client that a connection belongs to.
func clientOf(c *hub.Conn) *client { return c.Owner.(*client) }

// open is the engine's Options.Open.
func (s *Server) open(session *engineio.Session, r *http.Request) (engineio.Handler, http.Header, error) {
	if s.Closed() {
		return nil, nil, engineio.ErrClosed
	}
	if !s.figures.enter(s.opts.MaxUnconnected) {
		return nil, nil, errUnconnected
	}
	entered := false
	defer func() {
		if !entered { // refused, or Options.Identify has panicked
			s.figures.unconnected.Add(-1)
		}
	}()
	c := &client{server: s, session: session}
	c.conn.Owner = c
	early, header, err := s.admit(c, r)
	if err != nil {
		return nil, nil, err
	}
	entered = true
	c.handshake = s.opts.Keep(r)
	s.activity.begin()
	c.timer = time.AfterFunc(s.opts.ConnectTimeout, func() {
		s.warn.Warn("connect timeout", "mojo: closed a connection that asked for no app in time", "help", "Options.Timeouts.ConnectTimeout is the time for that")
		session.Close(engineio.ForcedClose)
	})
	if early {
		time.AfterFunc(comeAgain, func() { session.Close(IdentityChanged) })
	}
	c.watchExpiry()
	return c, header, nil
}

// stopWaitingLocked notes the first CONNECT, or the end.
func (c *client) stopWaitingLocked() {
	if c.timer == nil {
		return
	}
	c.timer.Stop()
	c.timer = nil
	c.server.figures.unconnected.Add(-1)
}

// Closed implements engineio.Handler.
func (c *client) Closed(reason Reason) {
	defer c.server.activity.end()
	c.mu.Lock()
	c.gone = true
	c.stopWaitingLocked()
	slots := c.slots
	c.slots = nil
	c.parts.drop()
	c.parts = nil
	c.mu.Unlock()
	c.server.doPresenceWork(c.server.hub.Forget(&c.conn)) // first, so that an App that is told of the end finds room for another connection
	for _, sl := range slots {
		if sl.socket != nil {
			sl.socket.end(reason)
		}
	}
}

var (
	errUnexpected  = errors.New("unexpected packet")
	errAttachments = errors.New("more attachments than Options.Limits.MaxAttachments")
	errBinarySize  = errors.New("attachments of more bytes than Options.Limits.MaxAttachmentBytes")
)

// Message implements engineio.Handler.
func (c *client) Message(data []byte, binary bool) error {
	if most := c.server.opts.MaxRate; most > 0 && !c.rate.allows(most, time.Since(c.server.made)) {
		c.server.warn.Later("rate", "mojo: closed a connection that sent too many messages",
			"help", "Options.Limits.MaxRate is the number that a client may send in a second")
		c.session.Close(TooFast)
		return nil
	}
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
		c.refuseNamespace(string(p.Namespace))
		return nil
	case p.Type == parser.Connect && c.refusal != nil:
		c.refuse(p.Namespace, c.refusal)
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
	if p.Attachments > c.server.opts.MaxAttachments {
		return errAttachments
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

// refuseNamespace answers a CONNECT to a namespace that is not mounted.
func (c *client) refuseNamespace(name string) {
	if testhook.Barrier == "" || name != testhook.Barrier {
		c.server.warn.Later("namespace", "mojo: refused a client of a namespace that is not mounted",
			"namespace", name[:min(len(name), 200)], "help", "Server.Register and Server.Handle mount namespaces; an app's is /NameSocket, in this case")
		c.server.figures.refused.Add(1)
	}
	_ = c.session.Send(packet(parser.ConnectError, name, invalidNamespace)) // the client may have gone
}

// invalidNamespace is the payload of the answer to a CONNECT to a namespace
// that is not mounted.
var invalidNamespace = func() parser.Payload {
	payload, _ := parser.EncodeValue(Refusal{Message: "Invalid namespace"}.data()) // cannot fail
	return payload
}()

// refuse answers a CONNECT with a refusal.
func (c *client) refuse(namespace []byte, r *Refusal) {
	c.server.figures.refused.Add(1)
	_ = c.session.Send(c.server.refusal(string(namespace), r)) // the client may have gone
}

// socket returns the socket on a namespace, nil if it has ended, and whether
// the client has asked for the namespace.
func (c *client) socket(n *Namespace) (*Socket, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.slots, func(sl slot) bool { return sl.namespace == n })
	if i < 0 {
		return nil, false
	}
	return c.slots[i].socket, true
}

// liveSockets returns the sockets that have not ended.
func (c *client) liveSockets() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socketsLocked()
}

// socketsLocked returns the sockets that have not ended.
func (c *client) socketsLocked() []*Socket {
	sockets := make([]*Socket, 0, len(c.slots))
	for _, sl := range c.slots {
		if sl.socket != nil {
			sockets = append(sockets, sl.socket)
		}
	}
	return sockets
}

// connect begins a socket. It replaces a socket that the client has on the
// namespace already: a page that gives up before the answer sends no
// DISCONNECT, only the CONNECT of its next attempt.
func (c *client) connect(n *Namespace, auth []byte) {
	// It ends before the new socket gets its slot: changes and revocations walk
	// through the slots, and have to find each socket for which messages may
	// still be queued.
	if old, _ := c.socket(n); old != nil {
		old.end(ClientDisconnect)
	}
	s := newSocket(c, n)
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return
	}
	first := c.timer != nil
	c.stopWaitingLocked()
	i := slices.IndexFunc(c.slots, func(sl slot) bool { return sl.namespace == n })
	if i < 0 {
		c.slots = append(c.slots, slot{n, s})
	} else {
		c.slots[i].socket = s
	}
	c.mu.Unlock()
	if first {
		c.server.arrived(c)
	}
	s.push(task{kind: taskConnect, arg: bytes.Clone(auth), size: lifeCost + len(auth)})
}

// left empties the slot of a socket that has ended.
func (c *client) left(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.slots {
		if c.slots[i].socket == s {
			c.slots[i].socket = nil
		}
	}
}

// watchExpiry makes the engine call Lapsed when the binding of c expires, or
// its claim.
func (c *client) watchExpiry() {
	c.mu.Lock() // so that of two calls the later one sees the later binding
	defer c.mu.Unlock()
	b := c.conn.Binding()
	if b.Claim != nil {
		c.session.LapseAt(b.Claim.Due())
		return
	}
	c.session.LapseAt(b.Expires)
}
