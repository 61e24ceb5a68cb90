package mojo

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// staticSite is a site whose pages are files: nothing but the Server and the login
// see what a browser sends.
func staticSite(t testing.TB, n siotest.Network, opts Options, h SocketHandler) (*Server, *siotest.Site) {
	t.Helper()
	opts.Cookies, opts.BeginSessions = newTestCookies(t, CookieOptions{}), true
	srv := newTestServer(t, opts)
	register(t, srv, "Chat", h)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, srv.LogIn(w, r, r.FormValue("user")))
	})
	return srv, siotest.Serve(t, n, mux)
}

// keepsSession has the browser keep the cookies of the answer to a handshake.
func (b *browser) keepsSession(c *siotest.Client) {
	answer := http.Response{Header: c.Engine.Response}
	b.keep(answer.Cookies())
	c.Engine.SetHeader(b.header())
}

// TestHandshakeBeginsASession: a browser that has seen no page of the site's handlers
// has one nevertheless, and a login finds its connection.
func TestHandshakeBeginsASession(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		srv, site := staticSite(t, n, Options{}, h)
		b := newBrowser(t, site)
		tab := siotest.Dial(t, site, siotest.Options{Transport: transport, Page: b.header})
		b.keepsSession(tab)
		socket := tab.Connect(chatNamespace, nil)
		conn := await(t, h.accepted)

		require.Len(t, tab.Engine.Response["Set-Cookie"], 1)
		require.Contains(t, tab.Engine.Response["Vary"], "Cookie")
		require.Contains(t, tab.Engine.Response["Cache-Control"], `no-cache="Set-Cookie"`)
		require.Contains(t, tab.Engine.Response["Cache-Control"], "no-store")
		id, err := newTestCookies(t, CookieOptions{}).Identify(&http.Request{Header: b.header()})
		require.NoError(t, err)
		require.NotEmpty(t, id.SessionID)
		require.Equal(t, id, conn.Identity())
		require.Equal(t, 1, srv.CurrentSessions().Get(id.SessionID).Len())

		b.visit("/login?user=ann")
		require.NoError(t, srv.LoggedInSessions().Get("ann").Emit("hello")) // held until the proof
		socket.Expect("hello")
		require.Equal(t, "ann", conn.UserID())
		require.Equal(t, 1, srv.LoggedInSessions().Get("ann").Len())

		again := b.dial(transport)
		require.NotContains(t, again.Engine.Response, "Set-Cookie")
	})
}

// TestClientThatKeepsNoCookies is served all the same, with a session for each
// connection. Once it has kept one it must come with it.
func TestClientThatKeepsNoCookies(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		srv, site := staticSite(t, n, Options{RequireSession: true}, h)
		client, other := dial(t, site, transport), dial(t, site, transport)
		socket := client.Connect(chatNamespace, nil)
		conn := await(t, h.accepted)
		other.Connect(chatNamespace, nil)
		require.NotEqual(t, conn.SessionID(), await(t, h.accepted).SessionID())
		for range 3 {
			require.NoError(t, srv.CurrentSessions().Get(conn.SessionID()).Emit("hello"))
			socket.Expect("hello")
			client.Barrier()
		}
		if transport != "polling" {
			return
		}

		b := newBrowser(t, site)
		b.keepsSession(client)
		client.Barrier()
		require.NoError(t, srv.CurrentSessions().Emit("with the cookie")) // so that no poll waits without it
		socket.Expect("with the cookie")
		client.Barrier()
		unknown := ask(t, site, http.MethodPost, client.Engine.URL("polling"), nil, "3")
		require.Equal(t, http.StatusBadRequest, unknown.status)
	})
}

// TestHandshakesThatBeginNoSession: those of a client that has one, or is about to get
// one, and those that are refused.
func TestHandshakesThatBeginNoSession(t *testing.T) {
	opts := Options{Cookies: newTestCookies(t, CookieOptions{}), BeginSessions: true}
	ends := newTestServer(t, opts)
	require.NoError(t, ends.LogOut(httptest.NewRecorder(), cookieRequest(inSession("left"))))
	require.Zero(t, ends.CurrentSessions().Get("revoked").Revoke(t.Context(), Revocation{}))
	opts.Limits.MaxConns = 1
	full := newTestServer(t, opts)
	opts.Limits.MaxConns, opts.Limits.MaxConnsPerUser = 0, 1
	crowded := newTestServer(t, opts)
	opts.BeginSessions = false
	without := newTestServer(t, opts)

	for name, test := range map[string]struct {
		srv    *Server
		header http.Header
		query  url.Values
		status int // of a refusal
	}{
		"it has one":       {srv: ends, header: as(inSession("s"))},
		"it has left one":  {srv: ends, header: as(inSession("left"))},
		"revoked":          {srv: ends, header: as(inSession("revoked")), status: http.StatusForbidden},
		"another origin":   {srv: ends, header: http.Header{"Origin": {"https://other.example"}}, status: http.StatusForbidden},
		"another revision": {srv: ends, query: url.Values{"EIO": {"3"}}, status: http.StatusBadRequest},
		"too many":         {srv: full, status: http.StatusServiceUnavailable},
		"too many of ann":  {srv: crowded, header: as(asUser("ann"))},
		"not asked for":    {srv: without},
	} {
		t.Run(name, func(t *testing.T) {
			site := siotest.Serve(t, siotest.Memory, test.srv)
			switch test.srv {
			case full:
				siotest.Dial(t, site, siotest.Options{})
			case crowded:
				dial(t, site, "polling", asUser("ann"))
			}
			for _, transport := range []string{"polling", "websocket"} {
				client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: test.header, Query: test.query})
				if test.status == 0 {
					require.NoError(t, err)
					require.NotContains(t, client.Engine.Response, "Set-Cookie")
					continue
				}
				var refused *siotest.HTTPError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, test.status, refused.Status)
				require.NotContains(t, refused.Header, "Set-Cookie")
			}
		})
	}
}

// TestHandshakeWithASessionThatIsLongGone begins a new one, which is not logged in.
func TestHandshakeWithASessionThatIsLongGone(t *testing.T) {
	byTheClock(t, func(t *testing.T, transport string) {
		h := newApp()
		srv, site := staticSite(t, siotest.Memory, Options{}, h)
		cookies := []string{inSession("s"), asUser("ann")}
		require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookieRequest(cookies...)))
		time.Sleep(time.Minute)

		client := dial(t, site, transport, cookies...)
		client.Connect(chatNamespace, nil)
		conn := await(t, h.accepted)

		require.NotContains(t, []string{"", "s"}, conn.SessionID())
		require.Empty(t, conn.UserID())
		require.Len(t, client.Engine.Response["Set-Cookie"], 2)
		client.Barrier()
	})
}

// TestHandshakeBelowEnsureSession: one session begins, and no more.
func TestHandshakeBelowEnsureSession(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), BeginSessions: true})
		register(t, srv, "Chat", h)
		site := siotest.Serve(t, n, srv.EnsureSession(srv))

		client := dial(t, site, transport)
		client.Connect(chatNamespace, nil)
		conn := await(t, h.accepted)

		require.Len(t, client.Engine.Response["Set-Cookie"], 1)
		b := newBrowser(t, site)
		b.keepsSession(client)
		id, _ := newTestCookies(t, CookieOptions{}).Identify(&http.Request{Header: b.header()})
		require.Equal(t, id.SessionID, conn.SessionID())
	})
}

// TestHandshakeThatARequestCrosses: the browser keeps the session of the request, whose
// answer comes last, and the connection comes again, once, with that.
func TestHandshakeThatARequestCrosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), BeginSessions: true})
		register(t, srv, "Chat", h)
		connected := make(chan struct{})
		mux := http.NewServeMux()
		mux.Handle("/socket.io/", srv)
		mux.HandleFunc("/me", func(http.ResponseWriter, *http.Request) { <-connected })
		site := siotest.Serve(t, siotest.Memory, srv.EnsureSession(mux))
		header := asBrowser(site)
		b := newBrowser(t, site)
		b.extra = header
		fetched := make(chan struct{})
		go func() {
			defer close(fetched)
			b.visit("/me")
		}()
		synctest.Wait()
		siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: header}).Connect(chatNamespace, nil)
		conn := await(t, h.accepted)
		close(connected)
		<-fetched

		require.Equal(t, ending{conn, ReasonIdentityChanged}, await(t, h.ended))

		b.dial("websocket").Connect(chatNamespace, nil)
		require.NotEqual(t, conn.SessionID(), await(t, h.accepted).SessionID())
		time.Sleep(time.Minute)
		require.Empty(t, h.ended, "it comes again once")
	})
}

// asBrowser is what a browser's requests say.
func asBrowser(site *siotest.Site) http.Header {
	return http.Header{"Origin": {site.URL}, "Accept-Language": {"en"}}
}

// TestHandshakesThatCross: a browser sends two at once and keeps the later session. Its
// connections come again, once, and so a login finds them.
func TestHandshakesThatCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		srv, site := staticSite(t, siotest.Memory, Options{}, h)
		b := newBrowser(t, site)
		b.extra = asBrowser(site)
		one, two := b.dial("websocket"), b.dial("websocket")
		one.Connect(chatNamespace, nil)
		two.Connect(chatNamespace, nil)
		b.keepsSession(one)
		b.keepsSession(two)
		await(t, h.accepted)
		await(t, h.accepted)

		for range 2 {
			require.Equal(t, ReasonIdentityChanged, await(t, h.ended).reason)
			b.dial("websocket").Connect(chatNamespace, nil)
			await(t, h.accepted)
		}
		time.Sleep(time.Minute)
		require.Empty(t, h.ended, "they come again once")
		require.Equal(t, 1, srv.CurrentSessions().Len())
	})
}

// TestLoginThatCrossesAHandshake: the login comes without the session that has begun.
func TestLoginThatCrossesAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		srv, site := staticSite(t, siotest.Memory, Options{}, h)
		b := newBrowser(t, site)
		b.extra = asBrowser(site)
		b.dial("websocket").Connect(chatNamespace, nil)
		conn := await(t, h.accepted)
		b.visit("/login?user=ann")

		require.Equal(t, ending{conn, ReasonIdentityChanged}, await(t, h.ended))
		b.dial("websocket").Connect(chatNamespace, nil)
		await(t, h.accepted)
		time.Sleep(time.Minute)
		require.Empty(t, h.ended, "it comes again once")
		require.Equal(t, 1, srv.LoggedInSessions().Get("ann").Len())
	})
}

// TestBrowserThatKeepsNoCookies is closed once at most, whatever its pages load, and a
// browser with one connection below EnsureSession never.
func TestBrowserThatKeepsNoCookies(t *testing.T) {
	for name, most := range map[string]int{"below EnsureSession": 0, "beside a slow request": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newApp()
				srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), BeginSessions: true})
				register(t, srv, "Chat", h)
				mux := http.NewServeMux()
				mux.Handle("/socket.io/", srv)
				mux.Handle("/news", srv.EnsureSession(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(4 * time.Second) })))
				site := siotest.Serve(t, siotest.Memory, mux)
				if most == 0 {
					site = siotest.Serve(t, siotest.Memory, srv.EnsureSession(mux))
				}
				var requests sync.WaitGroup
				for range 10 {
					if most > 0 {
						requests.Go(func() {
							b := newBrowser(t, site)
							b.extra = asBrowser(site)
							b.visit("/news")
						})
						time.Sleep(time.Second)
					}
					siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: asBrowser(site)}).Connect(chatNamespace, nil)
					await(t, h.accepted)
					time.Sleep(3 * time.Second)
				}
				requests.Wait()
				require.LessOrEqual(t, len(h.ended), most)
			})
		})
	}
}

// TestHandshakesOfManyClients: clients of one address that keep no cookies, and are no
// browsers, stay.
func TestHandshakesOfManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		_, site := staticSite(t, siotest.Memory, Options{}, h)
		for range 10 {
			dial(t, site, "websocket").Connect(chatNamespace, nil)
			await(t, h.accepted)
		}
		time.Sleep(time.Minute)
		require.Empty(t, h.ended)
	})
}
