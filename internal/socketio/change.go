package socketio

import (
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// Change applies a Rebind to the connections of this process. When it has
// returned, nothing that is addressed to their earlier identity is queued for
// them any more.
func (s *Server) Change(cmd command.Rebind) error {
	claiming, closed, err := s.change(cmd)
	for _, c := range claiming {
		c.sendClaim()
	}
	for _, c := range closed {
		c.session.Close(IdentityChanged)
	}
	return err
}

// change is Change without the claims that are sent and the connections that
// are closed, which it returns.
func (s *Server) change(cmd command.Rebind) (claiming, closed []*client, err error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	effects, err := s.hub.Rebind(cmd)
	for _, m := range effects.Moved {
		c := clientOf(m.Conn)
		c.settle(m.From, m.To, cmd.To.Identity)
		switch {
		case m.To.Claim != nil:
			claiming = append(claiming, c)
		case s.opts.RequireSession && cmd.To.Session == "":
			closed = append(closed, c)
		}
	}
	for _, c := range effects.Outdated {
		closed = append(closed, clientOf(c))
	}
	s.identitiesAdded()
	s.doPresenceWork(effects.Presence)
	return claiming, closed, err
}

// settle completes a change for one client: its requests may come with the new
// identity, no broadcast that selected it by the old one queues anything from
// here on, a poll that waits is answered, and the Apps are told.
func (c *client) settle(from, to *hub.Binding, id command.Identity) {
	c.mu.Lock()
	c.expected.change(id)
	c.mu.Unlock()
	if from.Identity != id {
		c.session.RenewPoll()
	}
	for _, s := range c.liveSockets() {
		switch {
		case from.Claim != nil && to.Claim == nil: // named by a later login
			s.identityChanged(from.Claim.From, to)
		case to.Claim == nil || to.Claim.From == to:
			s.identityChanged(from, to)
		default: // the Apps are told when it has become what it claims
			s.identityChanged(to, to)
		}
	}
	c.watchExpiry()
}

// Connected reports whether there are connections of a session, on whatever
// namespaces.
func (s *Server) Connected(session string) bool {
	return len(s.hub.Conns(command.Key{Kind: command.Session, ID: session})) > 0
}

// ComeAgain closes the connections of sessions without a user, by their transport,
// and returns how many these are. A client that is back before the last of them is
// closed stays.
func (s *Server) ComeAgain(sessions []string) (closed int) {
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

// Retired returns why a session id opens nothing any more.
func (s *Server) Retired(sessionID string) (ledger.Session, bool) { return s.hub.Retired(sessionID) }

// LoginCounts reports whether a login of this user that was proven at that
// time, in this session, still counts, see hub.Hub.LoginCounts.
func (s *Server) LoginCounts(id command.Identity, proven time.Time) bool {
	return s.hub.LoginCounts(id, proven)
}
