package site

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/mojotest"
)

func TestHelloReachesEverySession(t *testing.T) {
	site := serve(t)
	ann, guest := newBrowser(t, site), newBrowser(t, site)
	ann.logIn("Ann")
	pages := []*tab{ann.openTab(), ann.openTab(), guest.openTab()}
	_, body := ann.get("/hello")
	require.Contains(t, body, "2 connected browsers")
	for _, page := range pages {
		for _, socket := range []*mojotest.Socket{page.status, page.chat} {
			require.JSONEq(t, `[{"data": "Ann has joined the chat"}]`, socket.Await("joinedStatus").JSON())
		}
	}
	guest.get("/hello")
	require.JSONEq(t, `[{"data": "Somebody has joined the chat"}]`, pages[0].status.Await("joinedStatus").JSON())
}

func TestHelloWithoutConnections(t *testing.T) {
	_, body := newBrowser(t, serve(t)).get("/hello")
	require.Contains(t, body, "nothing was sent")
}

func TestAnnouncementReachesUsersWhoAreLoggedIn(t *testing.T) {
	site := serve(t)
	ann, bob, guest := newBrowser(t, site), newBrowser(t, site), newBrowser(t, site)
	ann.logIn("Ann")
	bob.logIn("Bob")
	anns, bobs, guests := ann.openTab(), bob.openTab(), guest.openTab()
	code, body := ann.post("/announce", url.Values{"text": {"Tea at four"}})
	require.Equal(t, http.StatusNoContent, code, body)
	for _, page := range []*tab{anns, bobs} {
		require.JSONEq(t, `[{"from": "Ann", "text": "Tea at four"}]`, page.status.Await("announcement").JSON())
	}
	require.NotContains(t, unread(guests.status), "announcement")
	require.NotContains(t, unread(guests.chat), "announcement")
}

func TestNoteReachesOnlyTheTabsOfItsUser(t *testing.T) {
	site := serve(t)
	ann, bob, phone, guest := newBrowser(t, site), newBrowser(t, site), newBrowser(t, site), newBrowser(t, site)
	ann.logIn("Ann")
	bob.logIn("Bob")
	phone.logIn("Bob")
	anns, guests := ann.openTab(), guest.openTab()
	bobs := []*tab{bob.openTab(), bob.openTab(), phone.openTab()}
	code, body := ann.post("/note", url.Values{"to": {"Bob"}, "text": {"Psst"}})
	require.Equal(t, http.StatusNoContent, code, body)
	for _, page := range bobs {
		require.JSONEq(t, `[{"from": "Ann", "text": "Psst"}]`, page.status.Await("note").JSON())
		require.NotContains(t, unread(page.status), "note", "it was received twice")
	}
	for _, page := range []*tab{anns, guests} {
		require.NotContains(t, unread(page.status), "note")
		require.NotContains(t, unread(page.chat), "note")
	}
}

func TestBroadcastsRefuse(t *testing.T) {
	site := serve(t)
	ann, guest := newBrowser(t, site), newBrowser(t, site)
	ann.logIn("Ann")
	for _, c := range []struct {
		from *browser
		path string
		form url.Values
		code int
		body string
	}{
		{guest, "/announce", url.Values{"text": {"Hi"}}, http.StatusForbidden, "Log in first.\n"},
		{guest, "/note", url.Values{"to": {"Ann"}, "text": {"Hi"}}, http.StatusForbidden, "Log in first.\n"},
		{ann, "/announce", nil, http.StatusUnprocessableEntity, "An announcement cannot be empty.\n"},
		{ann, "/note", url.Values{"to": {"Ann"}}, http.StatusUnprocessableEntity, "A note cannot be empty.\n"},
		{ann, "/note", url.Values{"to": {"Zoe"}, "text": {"Hi"}}, http.StatusNotFound, "No user of this name is online.\n"},
		{ann, "/note", url.Values{"text": {"Hi"}}, http.StatusNotFound, "No user of this name is online.\n"},
	} {
		code, body := c.from.post(c.path, c.form)
		require.Equal(t, c.code, code)
		require.Equal(t, c.body, body)
	}
}
