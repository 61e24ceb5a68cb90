package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/examples/chat/status"
	"github.com/mojosocket/mojo/internal/siotest"
)

func TestLogIn(t *testing.T) {
	ann := open(t, serve(t, siotest.TCP))
	_, body := ann.get("/")
	require.Contains(t, body, `<body data-name="">`)
	_, you, _ := ann.tab()
	require.Equal(t, status.You{Session: true}, you)

	ann.logIn("  Ann  ")
	_, body = ann.get("/")
	require.Contains(t, body, `<body data-name="Ann">`)
	_, you, _ = ann.tab()
	require.Equal(t, status.You{Name: "Ann", Session: true}, you)

	code, _ := ann.post("/logout", nil)
	require.Equal(t, http.StatusOK, code)
	_, you, _ = ann.tab()
	require.Equal(t, status.You{Session: true}, you)
}

func TestNames(t *testing.T) {
	site := serve(t, siotest.TCP)
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
		code, body := open(t, site).post("/login", url.Values{"name": {c.name}})
		if c.problem == "" {
			require.Equal(t, http.StatusOK, code, "%q", c.name)
			require.Contains(t, body, `data-name="`+c.name+`"`)
			continue
		}
		require.Equal(t, http.StatusUnprocessableEntity, code, "%q", c.name)
		require.Contains(t, body, c.problem)
	}
}

func TestNamesAreNoMarkup(t *testing.T) {
	eve := open(t, serve(t, siotest.TCP))
	eve.logIn(`"><script>x</script>`)
	for _, path := range []string{"/", "/hello"} {
		_, body := eve.get(path)
		require.NotContains(t, body, "<script>x")
		require.Contains(t, body, "&lt;script&gt;x")
	}
}

func TestTabsFollowTheLogin(t *testing.T) {
	ann := open(t, serve(t, siotest.TCP))
	guest := ann.in()
	ann.logIn("Ann")
	require.Equal(t, siotest.ReasonCloseFrame, guest.client.Engine.AwaitClosed(), "a close that clients come back from")
	user, you, _ := ann.tab()
	require.Equal(t, "Ann", you.Name)
	ann.post("/logout", nil)
	require.Equal(t, siotest.ReasonCloseFrame, user.client.Engine.AwaitClosed())
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	ann := open(t, serve(t, siotest.TCP))
	ann.logIn("Ann")
	page := ann.in()
	for _, path := range []string{"/login", "/logout", "/announce", "/note"} {
		r := ann.form(path, url.Values{"name": {"Eve"}, "to": {"Ann"}, "text": {"Hi"}})
		r.Header.Set("Origin", "https://elsewhere.example")
		code, _ := ann.do(r)
		require.Equal(t, http.StatusForbidden, code, path)
	}
	require.NotSubset(t, page.arrived(page.status), []string{"note"})
	_, you, _ := ann.tab()
	require.Equal(t, "Ann", you.Name)
}

func TestHeaders(t *testing.T) {
	site := serve(t, siotest.TCP)
	res, err := site.Client().Get(site.URL)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
	policy := res.Header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'; script-src 'self' https://cdn.socket.io/")
	require.Contains(t, policy, "connect-src 'self'")
	require.NotContains(t, policy, "unsafe")
}
