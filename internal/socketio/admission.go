package socketio

import (
	"errors"
	"net/http"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
)

// The refusals of handshakes.
var (
	errNoSession = &engineio.Refusal{
		Status: http.StatusForbidden, Cause: CauseNoSession, Text: "Forbidden",
		Help: "Options.RequireSession refuses clients without a valid session; wrap the site with EnsureSession, and check that its cookies reach the server",
	}
	errRevoked = &engineio.Refusal{
		Status: http.StatusForbidden, Cause: CauseRevoked, Text: "Forbidden",
		Help: "the session was ended by Revoke or Options.Revalidation.Check; a new login gives the browser another one",
	}
	errUnconnected = &engineio.Refusal{
		Status: http.StatusServiceUnavailable, Cause: CauseUnconnected, Text: "Too many connections",
		Help: "Options.Limits.MaxUnconnected is the number of connections that may be on no app yet",
	}
	errIsolated = &engineio.Refusal{
		Status: http.StatusServiceUnavailable, Cause: CauseIsolated, Text: "Service unavailable",
		Help: "Options.OnIsolation refuses clients while this process cannot reach the others of its cluster",
	}
	errPanicked = &engineio.Refusal{
		Status: http.StatusInternalServerError, Cause: CausePanic, Text: "Internal server error",
		Help: "Options.Identify panicked, see the error in the log",
	}
)

// The causes of refused handshakes that this package adds to those of engineio.
const (
	CauseNoSession   engineio.Cause = "no session"
	CauseRevoked     engineio.Cause = "session revoked"
	CauseUnconnected engineio.Cause = "too many unfinished handshakes"
	CausePanic       engineio.Cause = "panic in Identify"
	CauseIsolated    engineio.Cause = "isolated"
)

// CallIdentify calls the site's function for Options.Identify. A panic is
// counted, logged and returned as an error.
func (s *Server) CallIdentify(identify func(*http.Request) (command.Identified, error), r *http.Request) (id command.Identified, err error) {
	if !s.Call("Identify", func() { id, err = identify(r) }) {
		return command.Identified{}, errPanicked
	}
	return id, err
}

// admit identifies a connection and adds it to the hub. It starts again if the
// session has changed meanwhile. `outdated` reports that the session id was
// given up shortly before, so the client has to reconnect with new cookies. The
// header is for the answer.
func (s *Server) admit(c *client, r *http.Request) (outdated bool, header http.Header, err error) {
	if s.node != nil {
		if err := s.awaitCluster(r); err != nil {
			return false, nil, err
		}
	}
	for {
		if err := r.Context().Err(); err != nil {
			return false, nil, err
		}
		seen := s.hub.ChangesInPlace()
		id, err := s.opts.Identify(r)
		if err != nil {
			return false, nil, err
		}
		session := s.begin(c, r, &id)
		c.expected.latest = id.Identity
		admission, err := s.hub.Admit(&c.conn, id, seen)
		if errors.Is(err, hub.ErrChanged) {
			continue
		}
		if err != nil {
			return false, nil, refusalOf(err)
		}
		s.identitiesAdded()
		if admission.Exceeded.Max > 0 {
			s.refuseAll(c, admission.Exceeded)
			return admission.RecentlyGivenUp, nil, nil
		}
		if session == nil {
			return admission.RecentlyGivenUp, nil, nil
		}
		session.Admitted()
		return admission.RecentlyGivenUp, session.Header, nil
	}
}

// awaitCluster waits until this node knows what the others have revoked. It is
// not inlined, because a handshake then fits on the stack that net/http begins
// with.
//
//go:noinline
func (s *Server) awaitCluster(r *http.Request) error {
	if err := s.node.Await(r.Context()); err != nil {
		return err
	}
	if s.opts.RefuseIsolated && s.node.Isolated() {
		return errIsolated
	}
	return nil
}

// refusalOf returns the refusal for an error of Hub.Admit.
func refusalOf(err error) error {
	switch {
	case errors.Is(err, hub.ErrRevoked):
		return errRevoked
	case errors.Is(err, hub.ErrNoSession):
		return errNoSession
	}
	return err
}

// begin gives a connection a session, if Options.BeginSession returns one, and
// sets id to its identity. A client that polls may keep no cookies: requests
// without the session stay allowed until the first one with it.
func (s *Server) begin(c *client, r *http.Request, id *command.Identified) *NewSession {
	if s.opts.BeginSession == nil {
		return nil
	}
	session := s.opts.BeginSession(r, *id)
	if session == nil {
		return nil
	}
	if r.URL.Query().Get("transport") == string(engineio.Polling) {
		c.expected.admitAlso(id.Identity)
	}
	*id = session.Identified
	return session
}

// refuseAll sets the refusal of every CONNECT of a client that has too many
// other connections. It is not inlined, so that the stack of net/http does not
// grow during a handshake.
//
//go:noinline
func (s *Server) refuseAll(c *client, l hub.Limit) {
	text := "too many connections of this session"
	if l.Kind == command.User {
		text = "too many connections of this user"
	}
	c.refusal = &Refusal{Message: text, Data: map[string]int{"limit": l.Max}}
	s.warn.Warn("crowded "+text, "mojo: refused a connection", "cause", text,
		"help", "Options.Limits.MaxConnsPerSession and Options.Limits.MaxConnsPerUser limit connections")
}

// firstConnect tells the hub that a client has sent its first CONNECT. The
// limits may then close older connections.
func (s *Server) firstConnect(c *client) {
	effects := s.hub.Arrived(&c.conn)
	if len(effects.Ended) == 0 {
		return
	}
	s.warn.Later("replaced", "mojo: closed a connection for a newer one",
		"help", "Options.Limits.MaxConnsPerSession and Options.Limits.MaxConnsPerUser limit connections, and Options.Limits.ConnPolicy chooses")
	s.dismissEnded(effects, Revocation{Code: CodeReplaced, Reason: Replaced})
}
