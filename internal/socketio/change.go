package socketio

import (
	"context"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// Change applies a Rebind on all nodes. After it has returned nil, no message to
// their earlier identity is queued for the connections. A cluster.UnconfirmedError
// says that this holds for the connections of this process.
func (s *Server) Change(ctx context.Context, cmd command.Rebind) error {
	if s.node == nil {
		return s.rebind(&cmd)
	}
	cmd.At = s.hub.Clock()
	if err := s.rebind(&cmd); err != nil {
		return err
	}
	return s.node.Rebind(ctx, &cmd)
}

// rebind applies a Rebind to the connections of this process.
func (s *Server) rebind(cmd *command.Rebind) error {
	claiming, closed, ended, err := s.change(*cmd)
	for _, c := range claiming {
		c.sendClaim()
	}
	for _, c := range closed {
		c.session.Close(IdentityChanged)
	}
	if len(ended) > 0 {
		s.dismissEnded(hub.Effects{Ended: ended}, Revocation{Code: CodeRevoked, Reason: Revoked})
	}
	return err
}

// change applies the Rebind. It returns the connections that must be sent a
// claim, those that must be closed, and those whose session was revoked.
func (s *Server) change(cmd command.Rebind) (claiming, closed []*client, ended []*hub.Conn, err error) {
	s.changeMu.Lock()
	defer s.changeMu.Unlock()
	effects, err := s.hub.Rebind(cmd)
	for _, m := range effects.Moved {
		c := clientOf(m.Conn)
		c.completeChange(m.From, m.To)
		switch {
		case m.To.Claim != nil:
			claiming = append(claiming, c)
		case s.opts.RequireSession && m.To.Session == "":
			closed = append(closed, c)
		}
	}
	for _, c := range effects.Outdated {
		closed = append(closed, clientOf(c))
	}
	s.identitiesAdded()
	s.doPresenceWork(effects.Presence)
	return claiming, closed, effects.Ended, err
}

// completeChange completes a change for one client: it accepts requests with
// the new identity, waits for broadcasts to the old identity, answers a waiting
// poll and queues the calls of the watchers.
func (c *client) completeChange(from, to *hub.Binding) {
	id := to.Identity
	if to.Claim != nil {
		id = to.Claim.To.Identity
	}
	c.mu.Lock()
	c.expected.change(id)
	c.mu.Unlock()
	if from.Identity != id {
		c.session.RenewPoll()
	}
	for _, s := range c.liveSockets() {
		switch {
		case from.Claim != nil && to.Claim == nil: // a later login has named the connection
			s.identityChanged(from.Claim.From, to)
		case to.Claim == nil || to.Claim.From == to:
			s.identityChanged(from, to)
		default: // the watchers are called after the proof
			s.identityChanged(to, to)
		}
	}
	c.watchExpiry()
}

// Connected reports whether a session has connections, on any namespace. Of
// other nodes it knows those that are connected to a namespace.
func (s *Server) Connected(session string) bool {
	key := command.Key{Kind: command.Session, ID: session}
	return len(s.hub.Conns(key)) > 0 || s.node != nil && s.node.Directory().Has("", key)
}

// CloseAnonymous closes the connections of these sessions that have no user, by
// their transport, so that their clients reconnect. It returns their number. A
// client that reconnects before the last one is closed stays connected.
func (s *Server) CloseAnonymous(sessions []string) (closed int) {
	var conns []*hub.Conn
	for _, session := range sessions {
		conns = append(conns, s.hub.Conns(command.Key{Kind: command.Session, ID: session})...)
	}
	for _, conn := range conns {
		if conn.Binding().User == "" {
			clientOf(conn).session.Close(IdentityChanged)
			closed++
		}
	}
	return closed
}

// Retired reports whether a session id was given up or revoked, and returns its
// entry in the ledger.
func (s *Server) Retired(sessionID string) (ledger.Session, bool) { return s.hub.Retired(sessionID) }

// LoginCounts reports whether a login of this user in this session, proven at
// that time, is still valid, see hub.Hub.LoginCounts.
func (s *Server) LoginCounts(id command.Identity, proven time.Time) bool {
	return s.hub.LoginCounts(id, proven)
}
