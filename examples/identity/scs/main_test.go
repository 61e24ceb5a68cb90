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

func TestNoteReachesAllTabsOfUser(t *testing.T) {
	site := serve(t)
	ann, bob, guest := visitor.New(t, site), visitor.New(t, site), visitor.New(t, site)
	require.Equal(t, http.StatusOK, ann.Post("/login", "user", "ann"))
	require.Equal(t, http.StatusOK, bob.Post("/login", "user", "bob"))
	bobTab, guestTab := bob.Notes(mojotest.WebSocket, "bob"), guest.Notes(mojotest.WebSocket, "")
	var tabs []*mojotest.Socket
	for _, transport := range []mojotest.Transport{mojotest.Polling, mojotest.WebSocket, mojotest.Upgrade} {
		tabs = append(tabs, ann.Notes(transport, "ann"))
	}

	require.Equal(t, http.StatusNoContent, bob.Post("/note", "to", "ann", "text", "hello"))

	for _, tab := range tabs {
		tab.Expect("note", "bob", "hello")
	}
	bobTab.ExpectNothing()
	guestTab.ExpectNothing()
	require.Equal(t, http.StatusForbidden, guest.Post("/note", "to", "ann", "text", "hello"))
}

// A login or a logout in one tab changes the user of the connections of the
// other tabs.
func TestLoginChangesAllTabs(t *testing.T) {
	for _, transport := range []mojotest.Transport{mojotest.WebSocket, mojotest.Upgrade} {
		t.Run(transport.String(), func(t *testing.T) {
			site := serve(t)
			ann, bob := visitor.New(t, site), visitor.New(t, site)
			bob.Post("/login", "user", "bob")
			bobTab := bob.Notes(mojotest.WebSocket, "bob")
			notes := ann.Notes(transport, "")

			require.Equal(t, http.StatusOK, ann.Post("/login", "user", "ann"))
			notes.Expect("you", "ann")
			bob.Post("/note", "to", "ann", "text", "hello")
			notes.Expect("note", "bob", "hello")

			require.Equal(t, http.StatusOK, ann.Post("/login", "user", "zoe"))
			notes.Expect("you", "") // without an identity until the page proves it
			notes.Expect("you", "zoe")
			require.Equal(t, http.StatusOK, ann.Post("/logout"))
			notes.Expect("you", "")
			for _, user := range []string{"ann", "zoe"} {
				bob.Post("/note", "to", user, "text", "too late")
			}
			notes.ExpectNothing()
			require.Equal(t, http.StatusOK, ann.Post("/login", "user", "ann"))
			notes.Expect("you", "ann")
			bobTab.ExpectNothing()
		})
	}
}

// A polling client may send a request before the browser has the new cookie.
// The store does not know the old token any more. So the client must reconnect,
// and then has the new identity.
func TestPollWithOldToken(t *testing.T) {
	site := serve(t)
	ann, late := visitor.New(t, site), site.NewBrowser(t) // late is the same browser before it stores new cookies
	late.SetCookies(ann.Cookies()...)
	notes := late.Dial("/NotesSocket", &mojotest.DialOptions{Transport: mojotest.Polling})
	notes.Expect("you", "")

	ann.Post("/login", "user", "ann")

	require.Equal(t, mojotest.ReasonTransportError, notes.AwaitDisconnect())
	late.SetCookies(ann.Cookies()...)
	notes.Tab().Reconnect()
	notes.Expect("you", "ann")
}

// A cookie that was sent before a login or a logout gives no identity.
func TestOldCookieHasNoIdentity(t *testing.T) {
	for _, transport := range []mojotest.Transport{mojotest.Polling, mojotest.WebSocket, mojotest.Upgrade} {
		t.Run(transport.String(), func(t *testing.T) {
			site := serve(t)
			ann := visitor.New(t, site)
			anonymous := ann.Cookies()
			ann.Post("/login", "user", "ann")
			ann.Notes(transport, "ann")
			loggedIn := ann.Cookies()
			ann.Post("/logout")

			for _, cookies := range [][]*http.Cookie{anonymous, loggedIn} {
				require.NotEmpty(t, cookies)
				attacker := site.NewBrowser(t)
				attacker.SetCookies(cookies...)
				attacker.Dial("/NotesSocket", &mojotest.DialOptions{Transport: transport}).Expect("you", "")
			}
		})
	}
}

func TestIdentifyIsStable(t *testing.T) {
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

func TestNoIdentity(t *testing.T) {
	sessions := newSessions()
	for name, cookie := range map[string]string{"no cookie": "", "unknown token": "session=x", "empty": "session="} {
		t.Run(name, func(t *testing.T) {
			identity, err := identify(sessions)(&http.Request{Header: http.Header{"Cookie": {cookie}}})

			require.NoError(t, err)
			require.Zero(t, identity)
		})
	}
}

type failingStore struct{ scs.Store }

var errStore = errors.New("the store has failed")

func (failingStore) Find(string) ([]byte, bool, error) { return nil, false, errStore }

func TestStoreFailureIsAnError(t *testing.T) {
	sessions := newSessions()
	sessions.Store = failingStore{}

	_, err := identify(sessions)(&http.Request{Header: http.Header{"Cookie": {"session=x"}}})

	require.ErrorIs(t, err, errStore)
}
