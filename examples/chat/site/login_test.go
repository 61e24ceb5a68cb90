package site

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/examples/chat/chat"
	"github.com/mojosocket/mojo/examples/chat/status"
	"github.com/mojosocket/mojo/mojotest"
)

func TestLogIn(t *testing.T) {
	ann := newBrowser(t, serve(t))
	_, body := ann.get("/")
	require.Contains(t, body, `<body data-name="">`)
	_, you, _ := ann.openTabAndRead()
	require.Equal(t, status.You{Session: true}, you)

	ann.logIn("  Ann  ")
	_, body = ann.get("/")
	require.Contains(t, body, `<body data-name="Ann">`)
	_, you, _ = ann.openTabAndRead()
	require.Equal(t, status.You{Name: "Ann", Session: true}, you)

	code, _ := ann.post("/logout", nil)
	require.Equal(t, http.StatusOK, code)
	_, you, _ = ann.openTabAndRead()
	require.Equal(t, status.You{Session: true}, you)
}

func TestNames(t *testing.T) {
	site := serve(t)
	for _, c := range []struct{ name, problem string }{
		{"A", ""},
		{"Ann Ó’Neill 🧑‍🚀", ""},
		{strings.Repeat("é", 40), ""},
		{strings.Repeat("é", 41), "A name has at most 40 characters."},
		{"", "A name cannot be empty."},
		{" \t ", "A name cannot be empty."},
		{"\u200b", "A name cannot be empty."},
		{"a\nb", "A name cannot have control characters."},
		{"a\x00b", "A name cannot have control characters."},
		{"a\u202eb", "A name cannot have control characters."},
		{"a\xffb", "A name cannot have control characters."},
	} {
		code, body := newBrowser(t, site).post("/login", url.Values{"name": {c.name}})
		if c.problem == "" {
			require.Equal(t, http.StatusOK, code, "%q", c.name)
			require.Contains(t, body, `data-name="`+c.name+`"`)
			continue
		}
		require.Equal(t, http.StatusUnprocessableEntity, code, "%q", c.name)
		require.Contains(t, body, c.problem)
	}
}

func TestNamesAreEscaped(t *testing.T) {
	eve := newBrowser(t, serve(t))
	eve.logIn(`"><script>x</script>`)
	for _, path := range []string{"/", "/hello"} {
		_, body := eve.get(path)
		require.NotContains(t, body, "<script>x")
		require.Contains(t, body, "&lt;script&gt;x")
	}
}

// A login, a change of user or a logout in one tab reaches the other tabs of
// the browser, on their connections.
func TestLoginChangesAllTabs(t *testing.T) {
	site := serve(t)
	ann, other := newBrowser(t, site), newBrowser(t, site)
	first, second, others := ann.openTab(), ann.openTab(), other.openTab()

	for _, c := range []struct {
		path, name string
		changed    bool // from one user to another
	}{{"/login", "Ann", false}, {"/login", "Zoe", true}, {"/logout", "", false}, {"/login", "Ann", false}} {
		code, body := ann.post(c.path, url.Values{"name": {c.name}})
		require.Equal(t, http.StatusOK, code, body)
		for _, page := range []*tab{first, second} {
			if c.changed { // they have no identity until the proof
				require.Equal(t, status.You{}, page.awaitYou())
			}
			require.Equal(t, status.You{Name: c.name, Session: true}, page.awaitYou())
		}
		if c.name == "" {
			require.EqualError(t, second.chat.Call("say", "Hello").Err(), "Log in to speak.")
			continue
		}
		others.awaitOnline(status.Online{People: []status.Person{{Name: c.name, Tabs: 2, Browsers: 1}}, Guests: 1})
		require.Equal(t, c.name, mojotest.Call[chat.Line](second.chat, "say", "Hello").From)
	}
}

// A login is announced as online and a logout as offline, without a new
// connection.
func TestOnlineAndOfflineByLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := serve(t)
		ann := newBrowser(t, site)
		guests, anns, second := newBrowser(t, site).openTab(), ann.openTab(), ann.openTab()

		ann.logIn("Ann")
		require.Equal(t, "Ann", mojotest.Await[string](guests.chat, "online"))
		ann.logIn("Zoe")
		require.Equal(t, "Zoe", mojotest.Await[string](guests.chat, "online"))
		require.Equal(t, "Ann", mojotest.Await[string](guests.chat, "offline"))
		ann.post("/logout", nil)
		require.Equal(t, "Zoe", mojotest.Await[string](guests.chat, "offline"))

		time.Sleep(time.Minute)
		require.Empty(t, unread(guests.chat))
		for _, page := range []*tab{guests, anns, second} {
			page.Close()
		}
	})
}

func TestLogOutEverywhere(t *testing.T) {
	site := serve(t)
	laptop, phone, bob := newBrowser(t, site), newBrowser(t, site), newBrowser(t, site)
	laptop.logIn("Ann")
	phone.logIn("Ann")
	bob.logIn("Bob")
	laptopTab, phoneTab, bobs := laptop.openTab(), phone.openTab(), bob.openTab()
	cookies := phone.Cookies()

	code, body := laptop.post("/logout-everywhere", nil)
	require.Equal(t, http.StatusOK, code, body)

	for _, socket := range []*mojotest.Socket{phoneTab.status, phoneTab.chat} {
		require.JSONEq(t, `[{"code": 4001, "reason": "logged out everywhere", "reconnect": false}]`,
			socket.Await(mojo.RevokedEvent).JSON())
		require.Equal(t, mojotest.ReasonServerDisconnect, socket.AwaitDisconnect())
	}
	require.Equal(t, status.You{Session: true}, laptopTab.awaitYou())
	bobs.awaitOnline(status.Online{People: []status.Person{{Name: "Bob", Tabs: 1, Browsers: 1}}, Guests: 1})

	old := site.NewBrowser(t)
	old.SetCookies(cookies...)
	_, err := old.TryDial("/ChatSocket", nil)
	require.ErrorContains(t, err, "403", "a cookie that was revoked")
	_, body = phone.get("/")
	require.Contains(t, body, `<body data-name="">`)
	_, you, _ := phone.openTabAndRead()
	require.Equal(t, status.You{Session: true}, you)
	require.NotContains(t, unread(bobs.chat), mojo.RevokedEvent)
}

// A guest who logs out everywhere affects no other visitor.
func TestGuestLogsOutEverywhere(t *testing.T) {
	site := serve(t)
	guest, other := newBrowser(t, site), newBrowser(t, site)
	guests, others := guest.openTab(), other.openTab()

	code, body := guest.post("/logout-everywhere", nil)
	require.Equal(t, http.StatusOK, code, body)

	require.Equal(t, status.You{Session: true}, guests.awaitYou())
	require.NotContains(t, unread(others.status), mojo.RevokedEvent)
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	ann := newBrowser(t, serve(t))
	ann.logIn("Ann")
	page := ann.openTab()
	for _, path := range []string{"/login", "/logout", "/logout-everywhere", "/announce", "/note"} {
		r := ann.form(path, url.Values{"name": {"Eve"}, "to": {"Ann"}, "text": {"Hi"}})
		r.Header.Set("Origin", "https://elsewhere.example")
		code, _ := ann.do(r)
		require.Equal(t, http.StatusForbidden, code, path)
	}
	require.NotSubset(t, unread(page.status), []string{"note"})
	_, you, _ := ann.openTabAndRead()
	require.Equal(t, "Ann", you.Name)
}

func TestHeaders(t *testing.T) {
	header := serve(t).NewBrowser(t).Get("/").Header
	require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
	policy := header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'; script-src 'self' https://cdn.socket.io/")
	require.Contains(t, policy, "connect-src 'self'")
	require.NotContains(t, policy, "unsafe")
}
