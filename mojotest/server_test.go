package mojotest_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojotest"
)

func TestServers(t *testing.T) {
	for name, serve := range map[string]func(testing.TB, *mojo.Server, http.Handler) *mojotest.Server{
		"memory":   mojotest.NewServer,
		"loopback": mojotest.NewLoopbackServer,
		"tls":      mojotest.NewTLSServer,
	} {
		for _, transport := range transports {
			t.Run(name+"/"+transport.String(), func(t *testing.T) {
				site := serve(t, newChat(t, mojo.Options{}), nil)
				ann := site.NewBrowser(t)
				require.Equal(t, http.StatusOK, ann.Get("/").Status)
				chat := ann.Dial("/ChatSocket", &mojotest.DialOptions{Transport: transport})
				chat.Emit("say", "hello")
				chat.Expect("said", "hello")
				ann.LogIn("ann")
				require.Equal(t, "ann", mojotest.Call[string](chat, "who"))
			})
		}
	}
}

func TestLoopbackServerIsReachedByAnyClient(t *testing.T) {
	site := mojotest.NewLoopbackServer(t, newChat(t, mojo.Options{}), nil)
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	res, err := client.Get(site.URL)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

// In a bubble an hour takes no real time. The hour includes pings, the expiry
// of a session and the end of PresenceGrace.
func TestVirtualTime(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, MaxAge: time.Hour})
				require.NoError(t, err)
				offline := make(chan time.Duration, 1)
				srv := newChat(t, mojo.Options{Cookies: cookies, OnPresence: func(p mojo.Presence) {
					if p.Kind == mojo.UserPresence && !p.Online {
						offline <- time.Since(start)
					}
				}})
				site := mojotest.NewServer(t, srv, nil)
				ann := site.NewBrowser(t)
				ann.LogIn("ann")
				chat := ann.Dial("/ChatSocket", &mojotest.DialOptions{Transport: transport})
				time.Sleep(59 * time.Minute)
				require.Equal(t, "ann", mojotest.Call[string](chat, "who"))

				time.Sleep(2 * time.Minute)
				revoked := mojotest.Expect[struct{ Code int }](chat, mojo.RevokedEvent)
				require.Equal(t, mojo.CodeExpired, revoked.Code)
				require.InDelta(t, time.Hour+5*time.Second, <-offline, float64(time.Minute))
				require.Empty(t, ann.Identity().UserID)
			})
		})
	}
}

// A mojo.Server from outside the bubble handles messages, although it never
// reaches its timeouts.
func TestServerFromOutsideTheBubble(t *testing.T) {
	srv := newChat(t, mojo.Options{})
	synctest.Test(t, func(t *testing.T) {
		ann := mojotest.NewServer(t, srv, nil).NewBrowser(t)
		ann.LogIn("ann")

		chat := ann.Dial("/ChatSocket", nil)

		require.Equal(t, "ann", mojotest.Call[string](chat, "who"))
	})
}

func TestEndOfTheTestClosesTheServer(t *testing.T) {
	srv := newChat(t, mojo.Options{})
	t.Run("site", func(t *testing.T) {
		mojotest.NewServer(t, srv, nil).Dial(t, "/ChatSocket", nil)
		require.Equal(t, 1, srv.Stats().Connections)
	})
	require.Zero(t, srv.Stats().Connections)
	_, err := srv.Register("Late", chat().Handler())
	require.ErrorIs(t, err, mojo.ErrServerClosed)
}

func TestSiteShutsDown(t *testing.T) {
	srv := newChat(t, mojo.Options{})
	site := mojotest.NewServer(t, srv, nil)
	chat := site.Dial(t, "/ChatSocket", nil)
	require.NoError(t, srv.Shutdown(context.Background()))
	require.Equal(t, mojotest.ReasonTransportClose, chat.AwaitDisconnect())
	site.Close()
	site.Close()
}

func TestHandlerThatDoesNotReturnFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		srv := newChat(t, mojo.Options{})
		var slow mojo.Events
		mojo.On(&slow, "wait", func(*mojo.Conn, any) error { <-release; return nil })
		_, err := srv.Register("Slow", slow.Handler())
		require.NoError(t, err)
		text := failure(t, func(t testing.TB) {
			site := mojotest.NewServer(t, srv, nil)
			site.Timeout = time.Minute
			site.Dial(t, "/SlowSocket", nil).Emit("wait")
			synctest.Wait()
			start := time.Now()
			site.Close()
			require.Equal(t, time.Minute, time.Since(start))
		})
		require.Contains(t, text, `OnMessage "wait" on /SlowSocket`)
		close(release)
	})
}

func TestPanicFailsTheTest(t *testing.T) {
	for allowed, want := range map[bool]string{
		false: "mojotest: callbacks of the site panicked, 1 in all: see its log, or set Server.AllowPanics",
		true:  "",
	} {
		text := failure(t, func(t testing.TB) {
			site := mojotest.NewServer(t, newChat(t, mojo.Options{}), nil)
			site.AllowPanics = allowed
			chat := site.Dial(t, "/ChatSocket", nil)
			chat.Emit("panic")
			require.Equal(t, mojotest.ReasonTransportClose, chat.AwaitDisconnect())
			site.Close()
		})
		require.Equal(t, want, text)
	}
}

// Without a test a failure panics, and Close ends the site and its browsers.
func TestWithoutATest(t *testing.T) {
	site := mojotest.NewServer(nil, newChat(t, mojo.Options{}), nil)
	chat := site.Dial(nil, "/ChatSocket", nil)
	chat.Emit("say", "hello")
	require.PanicsWithValue(t, "another event was expected on /ChatSocket:\ngot  \"said\" [\"hello\"]\nwant \"said\" [\"bye\"]",
		func() { chat.Expect("said", "bye") })
	site.Close()
	require.Equal(t, mojotest.ReasonForcedClose, chat.AwaitDisconnect())
}

func TestServerNeedsASite(t *testing.T) {
	text := failure(t, func(t testing.TB) { mojotest.NewServer(t, nil, nil) })
	require.Equal(t, "mojotest: a Server needs a *mojo.Server or a handler", text)
}

func TestServerWithoutItsMojoServer(t *testing.T) {
	srv := newChat(t, mojo.Options{})
	defer srv.Close()
	site := mojotest.NewServer(t, nil, loginForm(srv))
	ann := site.NewBrowser(t)
	require.Equal(t, `user "ann"`, ann.Post("/login", map[string][]string{"user": {"ann"}}).Body)
	require.Equal(t, "ann", mojotest.Call[string](ann.Dial("/ChatSocket", nil), "who"))
	text := failure(t, func(t testing.TB) { site.NewBrowser(t).LogIn("bob") })
	require.Equal(t, "mojotest: log in: NewServer was not given the site's *mojo.Server", text)
}
