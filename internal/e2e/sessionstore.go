package e2e

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// SessionStore has the sessions of a site with Options.Identify instead of
// Options.Cookies, and the user of each session. Each request names its session
// in a header, see SessionHeader. A SessionStore is safe for concurrent use.
type SessionStore struct {
	// If AfterLookup is set, Identify calls it after the look-up and before it
	// returns. Set it while no client connects.
	AfterLookup func()

	mu    sync.Mutex
	users map[string]string // the user of each session; guarded by mu
}

// NewSessionStore serves a Server that uses a SessionStore and has the app
// Chat. The sessions have no user.
func NewSessionStore(t testing.TB, n siotest.Network, h mojo.SocketHandler, opts mojo.Options, sessions ...string) (*SessionStore, *mojo.Server, *siotest.Site) {
	t.Helper()
	store := &SessionStore{users: make(map[string]string)}
	for _, session := range sessions {
		store.users[session] = ""
	}
	opts.Identify = store.identify
	srv := NewServer(t, opts)
	Register(t, srv, "Chat", h)
	return store, srv, siotest.Serve(t, n, srv)
}

// SessionHeader returns the headers of a request that names a session.
func SessionHeader(session string) http.Header { return http.Header{"X-Session": {session}} }

func (s *SessionStore) identify(r *http.Request) (mojo.Identity, error) {
	session := r.Header.Get("X-Session")
	s.mu.Lock()
	user, known := s.users[session]
	s.mu.Unlock()
	if s.AfterLookup != nil {
		s.AfterLookup()
	}
	if session != "" && !known {
		return mojo.Identity{}, errors.New("no such session")
	}
	return mojo.Identity{SessionID: session, UserID: user}, nil
}

// Set stores the user of a session.
func (s *SessionStore) Set(session, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[session] = user
}

// Rebind stores the user of now and calls Server.Rebind. It lets no Identify
// run between the two: the Server would refuse a poll with the new user on a
// connection of the old one, and the client would open a new connection.
func (s *SessionStore) Rebind(srv *mojo.Server, session string, now mojo.Identity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[now.SessionID] = now.UserID
	return srv.Rebind(context.Background(), session, now)
}
