package embedding

import (
	"context"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	goleak.VerifyTestMain(
		m,
		goleak.IgnoreAnyFunction(siotest.Lingering),
		// Goroutines of fasthttp sleep for ten seconds, or for ever.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

const (
	timeout      = time.Second // of the http.Server; includes the time to read the headers
	pingInterval = 3 * timeout / 2
)

var transports = []string{"polling", "websocket", "upgrade"}

// newServer returns a Server with an app that sends each client its user id,
// and each message to all clients.
func newServer(t *testing.T, change func(o *mojo.Options)) *mojo.Server {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	require.NoError(t, err)
	opts := mojo.Options{Cookies: cookies, Timeouts: mojo.Timeouts{PingInterval: pingInterval}}
	if change != nil {
		change(&opts)
	}
	srv, err := mojo.New(opts)
	require.NoError(t, err)
	chat := &mojo.Events{Connect: func(c *mojo.Conn) error { return c.Emit("you", c.UserID()) }}
	mojo.On(chat, "say", func(c *mojo.Conn, text string) error { return c.Channel().Emit("said", text) })
	_, err = srv.Register("Chat", chat.Handler())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return srv
}

// serve runs a site whose timeouts are shorter than a poll.
func serve(t *testing.T, h http.Handler) *siotest.Site {
	return siotest.ServeServer(t, siotest.TCP, &http.Server{Handler: h, ReadTimeout: timeout, WriteTimeout: timeout})
}

// requireChat connects and requires that the connection has the user, and that
// events arrive in both directions, also after a ping.
func requireChat(t *testing.T, site *siotest.Site, o siotest.Options, user string) {
	t.Helper()
	client := siotest.Dial(t, site, o)
	chat := client.Connect("/ChatSocket", nil)
	chat.Expect("you", user)
	chat.Emit("say", "hello")
	chat.Expect("said", "hello")
	client.Engine.NextPing() // until nothing was sent for longer than the timeouts
	chat.Emit("say", "still there")
	chat.Expect("said", "still there")
	client.Close()
}

// logIn returns the cookies of a browser that has opened a page and logged in.
func logIn(t *testing.T, site *siotest.Site, dial dialFunc, user string) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if dial != nil {
			return dial(ctx)
		}
		return site.Dial(ctx)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	browser := &http.Client{Jar: jar, Transport: transport}
	page, err := browser.Get(site.URL + "/")
	require.NoError(t, err)
	require.NoError(t, page.Body.Close())
	login, err := browser.PostForm(site.URL+"/login", url.Values{"user": {user}})
	require.NoError(t, err)
	require.NoError(t, login.Body.Close())
	return jar
}

type dialFunc = func(ctx context.Context) (net.Conn, error)
