package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/examples/identity/visitor"
	"github.com/mojosocket/mojo/mojotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T) *mojotest.Server {
	s, err := newSite(newStore(mojo.NewKey()))
	require.NoError(t, err)
	return mojotest.NewServer(t, s.sockets, s.handler())
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
	for _, transport := range []mojotest.Transport{mojotest.Polling, mojotest.WebSocket, mojotest.Upgrade} {
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

func TestIdentify(t *testing.T) {
	store, other := newStore(mojo.NewKey()), newStore(mojo.NewKey())
	s, err := newSite(store)
	require.NoError(t, err)
	ann := visitor.New(t, mojotest.NewServer(t, s.sockets, s.handler()))
	ann.Post("/login", "user", "ann")
	header := ann.Header()

	first, err := identify(store)(&http.Request{Header: header})
	require.NoError(t, err)
	require.Equal(t, "ann", first.UserID)
	require.NotEmpty(t, first.SessionID)
	require.WithinDuration(t, time.Now().Add(lifetime), first.Expires, time.Minute)

	again, err := identify(store)(&http.Request{Header: header})
	require.NoError(t, err)
	require.Equal(t, first, again)

	for name, request := range map[string]*http.Request{
		"no cookie":  {Header: http.Header{}},
		"no session": {Header: http.Header{"Cookie": {sessionName + "=x"}}},
	} {
		identity, err := identify(store)(request)
		require.NoError(t, err, name)
		require.Zero(t, identity, name)
	}
	identity, err := identify(other)(&http.Request{Header: header})
	require.NoError(t, err, "another key")
	require.Zero(t, identity, "another key")
}
