package socketio

import (
	"context"
	"errors"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/internal/persist"
)

// Change applies a Rebind on all nodes and stores it. After it has returned nil,
// no message to their earlier identity is queued for the connections. A
// cluster.UnconfirmedError says that this holds for the connections of this
// process, and a persist.ErrNotStored that a restart may forget it.
func (s *Server) Change(ctx context.Context, cmd command.Rebind) error {
	if s.node != nil {
		cmd.At = s.hub.Clock()
	}
	stored, err := s.rebind(&cmd)
	if err != nil {
		return err
	}
	if s.node != nil {
		err = s.node.Rebind(ctx, &cmd)
	}
	return errors.Join(err, stored.Wait(ctx))
}

// rebind applies a Rebind to the connections of this process. It begins to store
// it if it was made here.
func (s *Server) rebind(cmd *command.Rebind) (persist.Pending, error) {
	effects, err := s.change(*cmd)
	stored := s.ledger.Put(effects.Journal)
	for _, m := range effects.Moved {
		switch {
		case m.To.Claim != nil:
			clientOf(m.Conn).sendClaim()
		case s.opts.RequireSession && m.To.Session == "":
			clientOf(m.Conn).session.Close(IdentityChanged)
		}
	}
	for _, c := range effects.Outdated {
		clientOf(c).session.Close(IdentityChanged)
	}
	if len(effects.Ended) > 0 {
		s.dismissEnded(hub.Effects{Ended: effects.Ended}, Revocation{Code: CodeRevoked, Reason: Revoked})
	}
	return stored, err
}

// change applies the Rebind until all connections of this process have their
// new bindings.
func (s *Server) change(cmd command.Rebind) (hub.Effects, error) {
	s.changeMu.Lock()
	defer s.changeMu.Unlock()
	effects, err := s.hub.Rebind(cmd)
	for _, m := range effects.Moved {
		clientOf(m.Conn).completeChange(m.From, m.To)
	}
	s.identitiesAdded()
	s.doPresenceWork(effects.Presence)
	return effects, err
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
