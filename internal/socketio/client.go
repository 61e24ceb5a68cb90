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

// client is one connection, with a socket for each namespace that it is
// connected to. The fields outside of clientByMu do not change after open,
// unless they say otherwise.
type client struct {
	server    *Server
	session   *engineio.Session
	handshake any           // the result of Options.KeepHandshake
	conn      hub.Conn      // changed by package hub alone
	lastAck   atomic.Uint64 // the number of ack ids that were used
	refusal   *Refusal      // the answer to every CONNECT; nil: the namespace decides
	rate      rate          // changed by the reader of the session alone

	mu sync.Mutex
	clientByMu
}

// clientByMu is guarded by client.mu.
type clientByMu struct {
	entries      []entry
	assembly     *assembly   // of the packet whose attachments are being read; may be nil
	connectTimer *time.Timer // for the first CONNECT; nil after it
	closed       bool        // no new socket is accepted
	encodesTwice bool        // the client is socket.io-client 1, see undouble
	expected     expectation // the identities of its requests
}

// entry is a namespace that the client has sent a CONNECT for. The socket is
// nil after its end. Packets for it may still arrive, because the client does
// not know of the end yet; they are ignored.
type entry struct {
	namespace *Namespace
	socket    *Socket
}

// outdatedDelay is how long a client stays connected whose session id was given
// up shortly before its handshake. Then it is closed, and reconnects with the
// new cookies.
const outdatedDelay = time.Second

// clientOf returns the client that a connection belongs to.
func clientOf(c *hub.Conn) *client { return c.Owner.(*client) }

// open is the engine's Options.Open.
func (s *Server) open(session *engineio.Session, r *http.Request) (engineio.Handler, http.Header, error) {
	if s.Closed() {
		return nil, nil, engineio.ErrClosed
	}
	if !s.counters.addUnconnected(s.opts.MaxUnconnected) {
		return nil, nil, errUnconnected
	}
	entered := false
	defer func() {
		if !entered { // refused, or Options.Identify has panicked
			s.counters.unconnected.Add(-1)
		}
	}()
	c := &client{server: s, session: session}
	c.conn.Owner = c
	outdated, header, err := s.admit(c, r)
	if err != nil {
		return nil, nil, err
	}
	entered = true
	c.handshake = s.opts.KeepHandshake(r)
	s.activity.begin()
	c.connectTimer = time.AfterFunc(s.opts.ConnectTimeout, func() {
		s.warn.Warn("connect timeout", "mojo: closed a connection that asked for no app in time", "help", "Options.Timeouts.ConnectTimeout is the time for that")
		session.Close(engineio.ForcedClose)
	})
	if outdated {
		time.AfterFunc(outdatedDelay, func() { session.Close(IdentityChanged) })
	}
	c.watchExpiry()
	return c, header, nil
}

// stopConnectTimerLocked stops the timer for the first CONNECT.
func (c *client) stopConnectTimerLocked() {
	if c.connectTimer == nil {
		return
	}
	c.connectTimer.Stop()
	c.connectTimer = nil
	c.server.counters.unconnected.Add(-1)
}

// Closed implements engineio.Handler.
func (c *client) Closed(reason Reason) {
	defer c.server.activity.end()
	c.mu.Lock()
	c.closed = true
	c.stopConnectTimerLocked()
	entries := c.entries
	c.entries = nil
	c.assembly.stop()
	c.assembly = nil
	c.mu.Unlock()
	c.server.doPresenceWork(c.server.hub.Forget(&c.conn)) // first: when Disconnect is called, the connection no longer counts for the limits
	for _, e := range entries {
		if e.socket != nil {
			e.socket.end(reason)
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
	if most := c.server.opts.MaxRate; most > 0 && !c.rate.allows(most, time.Since(c.server.created)) {
		c.server.warn.Later("rate", "mojo: closed a connection that sent too many messages",
			"help", "Options.Limits.MaxRate is the number that a client may send in a second")
		c.session.Close(TooFast)
		return nil
	}
	if binary {
		return c.receiveAttachment(data)
	}
	if c.assembling() {
		return errUnexpected // a text message between a header and its attachments
	}
	if c.isEIO3() {
		data = c.undouble(data)
	}
	p, err := parser.Decode(data)
	if err != nil {
		return err
	}
	namespace := c.server.namespace(p.Namespace)
	switch {
	case p.Type == parser.Connect && c.isEIO3():
		return c.connectEIO3(p, data[len(data)-1] == ',')
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
	if !known && !c.hasRoot(p.Namespace) {
		return errUnexpected
	}
	if p.Attachments > c.server.opts.MaxAttachments {
		return errAttachments
	}
	if p.Attachments > 0 {
		c.beginAssembly(socket, p)
		return nil
	}
	if socket == nil { // it has ended
		return nil
	}
	return socket.receive(p, bytes.Clone(p.Data), nil)
}

// refuseNamespace answers a CONNECT to a namespace that is not mounted.
func (c *client) refuseNamespace(name string) {
	if testhook.Barrier == "" || name != testhook.Barrier {
		c.server.warn.Later("namespace", "mojo: refused a client of a namespace that is not mounted",
			"namespace", name[:min(len(name), 200)], "help", "Server.Register and Server.Handle mount namespaces; an app's is /NameSocket, in this case")
		c.server.counters.refused.Add(1)
	}
	_ = c.session.Send(c.server.refusal(name, &invalidNamespace, c.isEIO3())) // the client may have gone
}

// invalidNamespace is the answer to a CONNECT to a namespace that is not
// mounted.
var invalidNamespace = Refusal{Message: "Invalid namespace"}

// refuse answers a CONNECT with a refusal.
func (c *client) refuse(namespace []byte, r *Refusal) {
	c.server.counters.refused.Add(1)
	_ = c.session.Send(c.server.refusal(string(namespace), r, c.isEIO3())) // the client may have gone
}

// socket returns the socket on a namespace, nil if it has ended, and whether
// the client has sent a CONNECT for the namespace.
func (c *client) socket(n *Namespace) (*Socket, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.entries, func(e entry) bool { return e.namespace == n })
	if i < 0 {
		return nil, false
	}
	return c.entries[i].socket, true
}

// liveSockets returns the sockets that have not ended.
func (c *client) liveSockets() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socketsLocked()
}

// socketsLocked returns the sockets that have not ended.
func (c *client) socketsLocked() []*Socket {
	sockets := make([]*Socket, 0, len(c.entries))
	for _, e := range c.entries {
		if e.socket != nil {
			sockets = append(sockets, e.socket)
		}
	}
	return sockets
}

// connect begins a socket. It replaces an earlier socket of the client on the
// namespace: a page that stops waiting for the answer sends no DISCONNECT, only
// another CONNECT.
func (c *client) connect(n *Namespace, auth []byte) {
	// The old socket ends before the new one replaces its entry: a change of
	// identity and a revocation go through the entries, and must find each
	// socket that may still get messages.
	if old, _ := c.socket(n); old != nil {
		old.end(ClientDisconnect)
	}
	s := newSocket(c, n)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	first := c.connectTimer != nil
	c.stopConnectTimerLocked()
	i := slices.IndexFunc(c.entries, func(e entry) bool { return e.namespace == n })
	if i < 0 {
		c.entries = append(c.entries, entry{n, s})
	} else {
		c.entries[i].socket = s
	}
	c.mu.Unlock()
	if first {
		c.server.firstConnect(c)
	}
	s.push(task{kind: taskConnect, arg: bytes.Clone(auth), size: lifecycleCost + len(auth)})
}

// removeSocket removes a socket that has ended from its entry.
func (c *client) removeSocket(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.entries {
		if c.entries[i].socket == s {
			c.entries[i].socket = nil
		}
	}
}

// watchExpiry makes the engine call Lapsed when the binding of c expires, or
// its claim.
func (c *client) watchExpiry() {
	c.mu.Lock() // so that the later of two calls sets the time of the later binding
	defer c.mu.Unlock()
	b := c.conn.Binding()
	if b.Claim != nil {
		c.session.LapseAt(b.Claim.Due())
		return
	}
	c.session.LapseAt(b.Expires)
}
