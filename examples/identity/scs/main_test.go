package main

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/examples/identity/visitor"
	"github.com/mojosocket/mojo/internal/siotest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/alexedwards/scs/v2/memstore.(*MemStore).startCleanup"))
}

func serve(t *testing.T) *siotest.Site {
	s, err := newSite(newSessions())
	require.NoError(t, err)
	return siotest.Serve(t, siotest.TCP, s.handler())
}

func newSessions() *scs.SessionManager {
	sessions := scs.New()
	sessions.Store = memstore.NewWithCleanupInterval(0)
	sessions.IdleTimeout = time.Hour
	return sessions
}

func TestNoteReachesEveryTabOfAUser(t *testing.T) {
	site := serve(t)
	ann, bob, nobody := visitor.New(t, site), visitor.New(t, site), visitor.New(t, site)
	require.Equal(t, http.StatusOK, ann.Post("/login", "user", "ann"))
	require.Equal(t, http.StatusOK, bob.Post("/login", "user", "bob"))
	bobs, nobodys := bob.Notes("websocket", "bob"), nobody.Notes("websocket", "")
	var tabs []*siotest.Socket
	for _, transport := range []string{"polling", "websocket", "upgrade"} {
		tabs = append(tabs, ann.Notes(transport, "ann"))
	}

	require.Equal(t, http.StatusNoContent, bob.Post("/note", "to", "ann", "text", "hello"))

	for _, tab := range tabs {
		tab.Expect("note", "bob", "hello")
	}
	bobs.ExpectNothing()
	nobodys.ExpectNothing()
	require.Equal(t, http.StatusForbidden, nobody.Post("/note", "to", "ann", "text", "hello"))
}

func TestLogOutEndsTheConnections(t *testing.T) {
	for _, transport := range []string{"polling", "websocket", "upgrade"} {
		t.Run(transport, func(t *testing.T) {
			ann := visitor.New(t, serve(t))
			ann.Post("/login", "user", "ann")
			notes := ann.Notes(transport, "ann")

			require.Equal(t, http.StatusOK, ann.Post("/logout"))

			require.NotEmpty(t, notes.AwaitDisconnected())
			require.Empty(t, ann.Header())
			ann.Notes(transport, "")
		})
	}
}

// A request of mojo's that was under way while somebody logged out must not bring the session back.
func TestCookieOfBeforeLogOutIsNobodys(t *testing.T) {
	for _, transport := range []string{"polling", "websocket", "upgrade"} {
		t.Run(transport, func(t *testing.T) {
			site := serve(t)
			ann := visitor.New(t, site)
			ann.Post("/login", "user", "ann")
			before := siotest.Options{Transport: transport, Header: ann.Header()}
			connection := siotest.Dial(t, site, before)
			notes := connection.Connect("/NotesSocket", nil)
			notes.Expect("you", "ann")

			ann.Post("/logout")
			notes.AwaitDisconnected()
			connection.Close()

			siotest.Dial(t, site, before).Connect("/NotesSocket", nil).Expect("you", "")
		})
	}
}

// A WebSocket that logout has disconnected from the app still has the identity of its handshake.
func TestLogOutIsFinalForAConnection(t *testing.T) {
	ann := visitor.New(t, serve(t))
	ann.Post("/login", "user", "ann")
	connection := ann.Dial("websocket")
	notes := connection.Connect("/NotesSocket", nil)

	ann.Post("/logout")
	notes.AwaitDisconnected()

	_, refused := connection.TryConnect("/NotesSocket", nil)
	require.NotNil(t, refused)
	require.Equal(t, "load the page again", refused.Message)
}

func TestLogInGivesUpTheSessionBefore(t *testing.T) {
	ann := visitor.New(t, serve(t))
	ann.Post("/login", "user", "ann")
	notes := ann.Notes("websocket", "ann")

	require.Equal(t, http.StatusOK, ann.Post("/login", "user", "bob"))

	require.Equal(t, siotest.ReasonServerDisconnect, notes.AwaitDisconnected())
	ann.Notes("websocket", "bob")
}

func TestIdentifyAnswersTheSame(t *testing.T) {
	sessions := newSessions()
	s, err := newSite(sessions)
	require.NoError(t, err)
	ann := visitor.New(t, siotest.Serve(t, siotest.TCP, s.handler()))
	ann.Post("/login", "user", "ann")

	first, err := s.identify(&http.Request{Header: ann.Header()})
	require.NoError(t, err)
	again, err := s.identify(&http.Request{Header: ann.Header()})
	require.NoError(t, err)

	require.Equal(t, first, again)
	require.Equal(t, "ann", first.UserID)
	require.WithinDuration(t, time.Now().Add(sessions.Lifetime), first.Expires, time.Minute)
	require.NotContains(t, ann.Header().Get("Cookie"), first.SessionID)
}

func TestIdentifyKnowsNobody(t *testing.T) {
	sessions := newSessions()
	for name, cookie := range map[string]string{"no cookie": "", "unknown token": "session=x", "empty": "session="} {
		t.Run(name, func(t *testing.T) {
			identity, err := identify(sessions)(&http.Request{Header: http.Header{"Cookie": {cookie}}})

			require.NoError(t, err)
			require.Zero(t, identity)
		})
	}
}

type downStore struct{ scs.Store }

var errDown = errors.New("the store is down")

func (downStore) Find(string) ([]byte, bool, error) { return nil, false, errDown }

func TestStoreThatIsDownRefuses(t *testing.T) {
	sessions := newSessions()
	sessions.Store = downStore{}

	_, err := identify(sessions)(&http.Request{Header: http.Header{"Cookie": {"session=x"}}})

	require.ErrorIs(t, err, errDown)
}
