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
	"github.com/mojosocket/mojo/mojotest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/alexedwards/scs/v2/memstore.(*MemStore).startCleanup"))
}

func serve(t *testing.T) *mojotest.Server {
	s, err := newSite(newSessions())
	require.NoError(t, err)
	return mojotest.NewServer(t, s.sockets, s.handler())
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
	bobs, nobodys := bob.Notes(mojotest.WebSocket, "bob"), nobody.Notes(mojotest.WebSocket, "")
	var tabs []*mojotest.Socket
	for _, transport := range []mojotest.Transport{mojotest.Polling, mojotest.WebSocket, mojotest.Upgrade} {
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

// A login or a logout in one tab reaches the other tabs of the browser, on
// their connections.
func TestTabsFollowLogInAndLogOut(t *testing.T) {
	for _, transport := range []mojotest.Transport{mojotest.WebSocket, mojotest.Upgrade} {
		t.Run(transport.String(), func(t *testing.T) {
			site := serve(t)
			ann, bob := visitor.New(t, site), visitor.New(t, site)
			bob.Post("/login", "user", "bob")
			bobs := bob.Notes(mojotest.WebSocket, "bob")
			notes := ann.Notes(transport, "")

			require.Equal(t, http.StatusOK, ann.Post("/login", "user", "ann"))
			notes.Expect("you", "ann")
			bob.Post("/note", "to", "ann", "text", "hello")
			notes.Expect("note", "bob", "hello")

			require.Equal(t, http.StatusOK, ann.Post("/login", "user", "zoe"))
			notes.Expect("you", "") // until the proof of its page
			notes.Expect("you", "zoe")
			require.Equal(t, http.StatusOK, ann.Post("/logout"))
			notes.Expect("you", "")
			for _, user := range []string{"ann", "zoe"} {
				bob.Post("/note", "to", user, "text", "too late")
			}
			notes.ExpectNothing()
			require.Equal(t, http.StatusOK, ann.Post("/login", "user", "ann"))
			notes.Expect("you", "ann")
			bobs.ExpectNothing()
		})
	}
}

// A polling client may send a request before the browser has the new cookie.
// The store does not know the old token any more, so the client has to begin
// anew, and has the right identity then.
func TestPollWithTheOldToken(t *testing.T) {
	site := serve(t)
	ann, late := visitor.New(t, site), site.NewBrowser(t) // the same browser; late stores new cookies later
	late.SetCookies(ann.Cookies()...)
	notes := late.Dial("/NotesSocket", &mojotest.DialOptions{Transport: mojotest.Polling})
	notes.Expect("you", "")

	ann.Post("/login", "user", "ann")

	require.Equal(t, mojotest.ReasonTransportError, notes.AwaitDisconnect())
	late.SetCookies(ann.Cookies()...)
	notes.Tab().Reconnect()
	notes.Expect("you", "ann")
}

// A cookie from before a login or a logout gives no identity.
func TestOldCookieGivesNoIdentity(t *testing.T) {
	for _, transport := range []mojotest.Transport{mojotest.Polling, mojotest.WebSocket, mojotest.Upgrade} {
		t.Run(transport.String(), func(t *testing.T) {
			site := serve(t)
			ann := visitor.New(t, site)
			anonymous := ann.Cookies()
			ann.Post("/login", "user", "ann")
			ann.Notes(transport, "ann")
			loggedIn := ann.Cookies()
			ann.Post("/logout")

			for _, before := range [][]*http.Cookie{anonymous, loggedIn} {
				require.NotEmpty(t, before)
				thief := site.NewBrowser(t)
				thief.SetCookies(before...)
				thief.Dial("/NotesSocket", &mojotest.DialOptions{Transport: transport}).Expect("you", "")
			}
		})
	}
}

func TestIdentifyAnswersTheSame(t *testing.T) {
	sessions := newSessions()
	s, err := newSite(sessions)
	require.NoError(t, err)
	ann := visitor.New(t, mojotest.NewServer(t, s.sockets, s.handler()))
	ann.Post("/login", "user", "ann")

	first, err := identify(sessions)(&http.Request{Header: ann.Header()})
	require.NoError(t, err)
	again, err := identify(sessions)(&http.Request{Header: ann.Header()})
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
