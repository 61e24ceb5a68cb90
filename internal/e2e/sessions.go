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

// SessionStore is a site with sessions of its own: a client names its session in a header, and the site knows whose
// that is.
type SessionStore struct {
	mu   sync.Mutex // guards what follows
	user map[string]string
	Look func() // called by each Identify when it knows the answer; may be nil
}

func (o *SessionStore) identify(r *http.Request) (mojo.Identity, error) {
	session := r.Header.Get("X-Session")
	o.mu.Lock()
	user, known := o.user[session]
	look := o.Look
	o.mu.Unlock()
	if look != nil {
		look()
	}
	if session != "" && !known {
		return mojo.Identity{}, errors.New("no such session")
	}
	return mojo.Identity{SessionID: session, UserID: user}, nil
}

func (o *SessionStore) Set(session, user string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.user[session] = user
}

// Rebind is set and Rebind at once: a poll in between would be refused, as it comes as somebody whom the Server does
// not know of yet, and the client would start anew.
func (o *SessionStore) Rebind(srv *mojo.Server, session string, now mojo.Identity) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.user[now.SessionID] = now.UserID
	return srv.Rebind(context.Background(), session, now)
}

// NewSessionStore is a Server for them, with the app Chat; all sessions are nobody's.
func NewSessionStore(t testing.TB, n siotest.Network, h mojo.SocketHandler, opts mojo.Options, sessions ...string) (*SessionStore, *mojo.Server, *siotest.Site) {
	t.Helper()
	own := &SessionStore{user: make(map[string]string)}
	for _, session := range sessions {
		own.user[session] = ""
	}
	opts.Identify = own.identify
	srv := NewServer(t, opts)
	Register(t, srv, "Chat", h)
	return own, srv, siotest.Serve(t, n, srv)
}

func SessionHeader(session string) http.Header { return http.Header{"X-Session": {session}} }
