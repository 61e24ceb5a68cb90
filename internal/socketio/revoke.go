package socketio

import (
	"context"
	"errors"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/persist"
)

// Revoke ends the connections that a command selects, on all nodes, and stores
// that. After it has returned nil they are in no index, and nothing more is
// queued for them, see hub.Hub.Revoke. A cluster.UnconfirmedError says that this
// holds for the connections of this process, and a persist.ErrNotStored that a
// restart may forget it.
func (s *Server) Revoke(ctx context.Context, cmd command.Revoke, why Revocation) (err error) {
	if s.node != nil {
		cmd.At = s.hub.Clock()
	}
	sessions, stored := s.revoke(&cmd, why)
	if s.node != nil {
		err = s.node.Revoke(ctx, &cmd, reasonOf(why), sessions)
	}
	return errors.Join(err, stored.WaitForAll(ctx)) // with the sessions of other nodes
}

// revoke ends the connections of this process. It begins to store it if it was
// made here. It returns the session ids that it has revoked.
func (s *Server) revoke(cmd *command.Revoke, why Revocation) (sessions []string, stored persist.Pending) {
	effects := s.hub.Revoke(*cmd)
	if cmd.Namespace == "" {
		stored = s.ledger.Put(effects.Journal)
		s.dismissEnded(effects, why)
		return effects.Revoked, stored
	}
	n := s.namespace([]byte(cmd.Namespace))
	if n == nil { // it is mounted on another node alone
		return nil, stored
	}
	encoded := s.encodeRevocation(why)
	var b engineio.Batch
	defer b.Flush()
	for _, conn := range effects.Ended {
		if socket, _ := clientOf(conn).socket(n); socket != nil {
			socket.dismiss(encoded, true, &b)
		}
	}
	return nil, stored
}

// dismissEnded sends the revocation to clients that are in no index any more,
// and closes them.
func (s *Server) dismissEnded(effects hub.Effects, why Revocation) {
	encoded := s.encodeRevocation(why)
	var b engineio.Batch
	defer b.Flush()
	for _, conn := range effects.Ended {
		clientOf(conn).dismiss(encoded, &b)
	}
	s.doPresenceWork(effects.Presence)
}

// encodedRevocation is a Revocation, encoded for each namespace.
type encodedRevocation struct {
	Revocation
	server  *Server
	refused Refusal // for clients that are not connected yet
	event   parser.Payload
	packets map[receiver]revocationPackets
}

// receiver is what the encoding of a revocation depends on.
type receiver struct {
	namespace *Namespace
	eio3      bool
}

type revocationPackets struct{ event, disconnect, refusal *engineio.Message }

func (s *Server) encodeRevocation(why Revocation) *encodedRevocation {
	n := notice(why)
	event, err := parser.EncodeOwnEvent(RevokedEvent, []any{n})
	if err != nil {
		s.log.Error("mojo: cannot encode the data of a revocation", "error", err)
		n.Data = nil
		event, _ = parser.EncodeOwnEvent(RevokedEvent, []any{n}) // cannot fail
	}
	e := &encodedRevocation{Revocation: why, server: s, event: event, packets: make(map[receiver]revocationPackets)}
	e.refused = Refusal{Message: why.Message, Data: n}
	if why.Message == "" {
		e.refused.Message = string(why.Reason)
	}
	return e
}

func (e *encodedRevocation) to(s *Socket) revocationPackets {
	r, n := receiver{s.namespace, isEIO3(s.session)}, s.namespace
	f, made := e.packets[r]
	if !made {
		f = revocationPackets{
			event:      packet(parser.Event, n.name, e.event),
			disconnect: packet(parser.Disconnect, n.name, parser.Payload{}),
			refusal:    e.server.refusal(n.name, &e.refused, r.eio3),
		}
		e.packets[r] = f
	}
	return f
}

// dismiss sends the revocation on all namespaces of a client, and closes it. A
// client that may not reconnect gets a DISCONNECT on each namespace, after
// which it does not.
func (c *client) dismiss(e *encodedRevocation, b *engineio.Batch) {
	c.mu.Lock()
	c.closed = true // no new socket is accepted
	sockets := c.socketsLocked()
	c.mu.Unlock()
	for _, s := range sockets {
		s.dismiss(e, !e.Reconnect, b)
	}
	c.session.Close(e.Reason)
}

// dismiss sends the revocation on one namespace, and ends the socket. Events
// that were received and not handled yet are dropped.
func (s *Socket) dismiss(e *encodedRevocation, disconnect bool, b *engineio.Batch) {
	f := e.to(s)
	s.finish(e.Reason, func(was socketState) {
		s.ignoresEvents = true
		session := s.session
		if was == pending {
			_ = session.Queue(f.refusal, engineio.Delivery{}, b)
			return
		}
		_ = session.Queue(f.event, engineio.Delivery{}, b)
		if disconnect {
			_ = session.Queue(f.disconnect, engineio.Delivery{}, b)
		}
	})
}

// revoke is dismiss for a single socket.
func (s *Socket) revoke(why Revocation) {
	var b engineio.Batch
	defer b.Flush()
	s.dismiss(s.namespace.server.encodeRevocation(why), true, &b)
}

// Lapsed implements engineio.Handler. It closes the connection if its cookies
// have expired and were not renewed, or if its claim was not proven in time.
func (c *client) Lapsed() {
	lapse, presence := c.server.hub.Lapse(&c.conn, c.session.Transport() == engineio.Polling)
	switch lapse {
	case hub.NotLapsed:
		c.watchExpiry()
	case hub.Unproven:
		c.session.Close(IdentityChanged)
		c.server.doPresenceWork(presence)
	case hub.Expired:
		ended := hub.Effects{Ended: []*hub.Conn{&c.conn}, Presence: presence}
		c.server.dismissEnded(ended, Revocation{Code: CodeExpired, Reason: Expired, Reconnect: true})
	}
}
