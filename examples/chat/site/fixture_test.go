package site

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/examples/chat/chat"
	"github.com/mojosocket/mojo/examples/chat/client"
	"github.com/mojosocket/mojo/examples/chat/status"
	"github.com/mojosocket/mojo/mojotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs the site until the test ends.
func serve(t *testing.T) *mojotest.Server {
	t.Helper()
	s, err := New(client.CDN("in a test"))
	require.NoError(t, err)
	return mojotest.NewServer(t, s.Sockets, s.Handler())
}

// browser is a browser with the page of the site.
type browser struct {
	*mojotest.Browser
	t    *testing.T
	site *mojotest.Server
}

// newBrowser returns a browser that has loaded the page.
func newBrowser(t *testing.T, site *mojotest.Server) *browser {
	t.Helper()
	b := &browser{Browser: site.NewBrowser(t), t: t, site: site}
	code, _ := b.get("/")
	require.Equal(t, http.StatusOK, code)
	return b
}

func (b *browser) do(r *http.Request) (code int, body string) {
	b.t.Helper()
	r.Header.Set("User-Agent", fmt.Sprintf("browser %p", b)) // different for each browser
	res := b.Do(r)
	return res.Status, res.Body
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

// tab is the page in a tab, with its two sockets.
type tab struct {
	*mojotest.Tab
	t            *testing.T
	status, chat *mojotest.Socket
}

// openTabAndRead opens a tab. It returns the user and the history that the page
// has received.
func (b *browser) openTabAndRead() (*tab, status.You, []chat.Line) {
	b.t.Helper()
	statusSocket := b.Dial("/StatusSocket", &mojotest.DialOptions{Transport: mojotest.WebSocket})
	tb := &tab{Tab: statusSocket.Tab(), t: b.t, status: statusSocket}
	tb.chat = tb.Connect("/ChatSocket", nil)
	you := tb.awaitYou()
	history := mojotest.Await[[]chat.Line](tb.chat, "history")
	tb.status.Emit("ready")
	return tb, you, history
}

// openTab opens a tab of which the first events do not matter.
func (b *browser) openTab() *tab {
	b.t.Helper()
	tb, _, _ := b.openTabAndRead()
	return tb
}

// awaitYou waits until the page has received its user.
func (tb *tab) awaitYou() status.You {
	tb.t.Helper()
	return mojotest.Await[status.You](tb.status, "you")
}

// awaitOnline waits until the page has received this list of users.
func (tb *tab) awaitOnline(want status.Online) {
	tb.t.Helper()
	for !reflect.DeepEqual(mojotest.Await[status.Online](tb.status, "online"), want) {
	}
}

// unread returns the names of the events that a socket has received and the
// test has not read.
func unread(s *mojotest.Socket) []string {
	names := []string{}
	for _, m := range s.Unread() {
		names = append(names, m.Event())
	}
	return names
}
