package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/examples/chat/chat"
	"github.com/mojosocket/mojo/examples/chat/status"
	"github.com/mojosocket/mojo/internal/siotest"
)

// serve runs the site until the test ends.
func serve(t *testing.T, n siotest.Network) *siotest.Site {
	t.Helper()
	s, err := newSite(cdnClient("in a test"))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), siotest.Limit)
		defer cancel()
		require.NoError(t, s.sockets.Shutdown(ctx))
	})
	return siotest.Serve(t, n, s.handler())
}

// browser is a browser with cookies of its own.
type browser struct {
	t    *testing.T
	site *siotest.Site
	http *http.Client
}

// open makes a browser that has seen the page.
func open(t *testing.T, site *siotest.Site) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := *site.Client()
	client.Jar = jar
	b := &browser{t: t, site: site, http: &client}
	code, _ := b.get("/")
	require.Equal(t, http.StatusOK, code)
	return b
}

func (b *browser) do(r *http.Request) (code int, body string) {
	b.t.Helper()
	r.Header.Set("User-Agent", fmt.Sprintf("browser %p", b)) // different for each browser
	res, err := b.http.Do(r)
	require.NoError(b.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	return res.StatusCode, string(raw)
}

func (b *browser) get(path string) (code int, body string) {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.site.URL+path, nil)
	require.NoError(b.t, err)
	return b.do(r)
}

func (b *browser) form(path string, values url.Values) *http.Request {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, b.site.URL+path, strings.NewReader(values.Encode()))
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.site.URL)
	return r
}

func (b *browser) post(path string, values url.Values) (code int, body string) {
	b.t.Helper()
	return b.do(b.form(path, values))
}

func (b *browser) logIn(name string) {
	b.t.Helper()
	code, body := b.post("/login", url.Values{"name": {name}})
	require.Equal(b.t, http.StatusOK, code, body)
}

// tab is the page in a tab: its two sockets.
type tab struct {
	t            *testing.T
	client       *siotest.Client
	status, chat *siotest.Socket
}

// cookies returns a header with the browser's current cookies.
func (b *browser) cookies() http.Header {
	b.t.Helper()
	header := http.Header{}
	u, err := url.Parse(b.site.URL)
	require.NoError(b.t, err)
	for _, c := range b.http.Jar.Cookies(u) {
		header.Add("Cookie", c.Name+"="+c.Value)
	}
	return header
}

// tab opens a tab, and returns it when its page has received the user and the
// history.
func (b *browser) tab() (*tab, status.You, []chat.Said) {
	b.t.Helper()
	client := siotest.Dial(b.t, b.site, siotest.Options{Header: b.cookies(), Page: b.cookies, Transport: "websocket"})
	tb := &tab{t: b.t, client: client, status: client.Connect("/StatusSocket", nil), chat: client.Connect("/ChatSocket", nil)}
	you := tb.awaitYou()
	var history []chat.Said
	tb.await(tb.chat, "history").Arg(0, &history)
	tb.status.Emit("arrived")
	return tb, you, history
}

// in opens a tab whose first events do not matter.
func (b *browser) in() *tab {
	b.t.Helper()
	tb, _, _ := b.tab()
	return tb
}

// await waits for an event and skips the events before it.
func (tb *tab) await(s *siotest.Socket, event string) siotest.Event {
	tb.t.Helper()
	for {
		if e := s.Next(); e.Name == event {
			return e
		}
	}
}

// awaitYou waits until the page has received its user.
func (tb *tab) awaitYou() (you status.You) {
	tb.t.Helper()
	tb.await(tb.status, "you").Arg(0, &you)
	return you
}

// awaitHere waits until the list of users who are here is this one.
func (tb *tab) awaitHere(want status.Here) {
	tb.t.Helper()
	for {
		var here status.Here
		tb.await(tb.status, "here").Arg(0, &here)
		if reflect.DeepEqual(here, want) {
			return
		}
	}
}

// arrived returns the names of the events that a socket has received and that
// were not awaited.
func (tb *tab) arrived(s *siotest.Socket) []string {
	tb.t.Helper()
	s.Barrier()
	names := []string{}
	for s.Waiting() > 0 {
		names = append(names, s.Next().Name)
	}
	return names
}
