package identity

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// staticSite serves a site with static pages: only the Server and a login
// handler run Go code.
func staticSite(t testing.TB, n siotest.Network, opts mojo.Options, h mojo.SocketHandler) (*mojo.Server, *siotest.Site) {
	t.Helper()
	opts.Cookies, opts.BeginSessions = e2e.NewCookies(t, mojo.CookieOptions{}), true
	srv := e2e.NewServer(t, opts)
	e2e.Register(t, srv, "Chat", h)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, srv.LogIn(w, r, r.FormValue("user")))
	})
	return srv, siotest.Serve(t, n, mux)
}

// With BeginSessions the handshake gives a session to a browser that has none,
// and a later login finds the connection.
func TestHandshakeBeginsASession(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		srv, site := staticSite(t, n, mojo.Options{}, h)
		b := e2e.NewBrowser(t, site)
		tab := siotest.Dial(t, site, siotest.Options{Transport: transport, Page: b.Header})
		b.KeepHandshake(tab)
		socket := tab.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)

		require.Len(t, tab.Engine.Response["Set-Cookie"], 1)
		require.Contains(t, tab.Engine.Response["Vary"], "Cookie")
		require.Contains(t, tab.Engine.Response["Cache-Control"], `no-cache="Set-Cookie"`)
		require.Contains(t, tab.Engine.Response["Cache-Control"], "no-store")
		id, err := e2e.NewCookies(t, mojo.CookieOptions{}).Identify(&http.Request{Header: b.Header()})
		require.NoError(t, err)
		require.NotEmpty(t, id.SessionID)
		require.Equal(t, id, conn.Identity())
		require.Equal(t, 1, srv.CurrentSessions().Get(id.SessionID).Len())

		b.Visit("/login?user=ann")
		require.NoError(t, srv.LoggedInSessions().Get("ann").Emit("hello")) // the Server holds it until the proof
		socket.Expect("hello")
		require.Equal(t, "ann", conn.UserID())
		require.Equal(t, 1, srv.LoggedInSessions().Get("ann").Len())

		again := b.Dial(transport)
		require.NotContains(t, again.Engine.Response, "Set-Cookie")
	})
}

// A client that stores no cookies can connect, and each of its connections has
// its own session. A client that has sent the cookie once must send it with
// each later request.
func TestClientThatKeepsNoCookies(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		srv, site := staticSite(t, n, mojo.Options{RequireSession: true}, h)
		client, other := e2e.Dial(t, site, transport), e2e.Dial(t, site, transport)
		socket := client.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)
		other.Connect(e2e.ChatNamespace, nil)
		require.NotEqual(t, conn.SessionID(), e2e.Await(t, h.Accepted).SessionID())
		for range 3 {
			require.NoError(t, srv.CurrentSessions().Get(conn.SessionID()).Emit("hello"))
			socket.Expect("hello")
			client.Barrier()
		}
		if transport != "polling" {
			return
		}

		b := e2e.NewBrowser(t, site)
		b.KeepHandshake(client)
		client.Barrier()
		require.NoError(t, srv.CurrentSessions().Emit("with the cookie")) // answers the poll that was sent without the cookie
		socket.Expect("with the cookie")
		client.Barrier()
		unknown := e2e.Do(t, site, http.MethodPost, client.Engine.URL("polling"), nil, "3")
		require.Equal(t, http.StatusBadRequest, unknown.Status)
	})
}

// A handshake begins no session if the client has one or is about to receive
// one, or if the handshake is refused.
func TestHandshakesThatBeginNoSession(t *testing.T) {
	opts := mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), BeginSessions: true}
	srv := e2e.NewServer(t, opts)
	require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookietest.Request(e2e.SessionCookie("given up"))))
	require.Zero(t, srv.CurrentSessions().Get("revoked").Revoke(t.Context(), mojo.Revocation{}))
	opts.Limits.MaxConns = 1
	full := e2e.NewServer(t, opts)
	opts.Limits.MaxConns, opts.Limits.MaxConnsPerUser = 0, 1
	fullForUser := e2e.NewServer(t, opts)
	opts.BeginSessions = false
	without := e2e.NewServer(t, opts)

	for name, test := range map[string]struct {
		srv    *mojo.Server
		header http.Header
		query  url.Values
		status int // the status of a refusal
	}{
		"a session":         {srv: srv, header: e2e.CookieHeader(e2e.SessionCookie("s"))},
		"given up":          {srv: srv, header: e2e.CookieHeader(e2e.SessionCookie("given up"))},
		"revoked":           {srv: srv, header: e2e.CookieHeader(e2e.SessionCookie("revoked")), status: http.StatusForbidden},
		"another origin":    {srv: srv, header: http.Header{"Origin": {"https://other.example"}}, status: http.StatusForbidden},
		"another revision":  {srv: srv, query: url.Values{"EIO": {"3"}}, status: http.StatusBadRequest},
		"server is full":    {srv: full, status: http.StatusServiceUnavailable},
		"user has too many": {srv: fullForUser, header: e2e.CookieHeader(e2e.LoginCookie("ann"))},
		"not enabled":       {srv: without},
	} {
		t.Run(name, func(t *testing.T) {
			site := siotest.Serve(t, siotest.Memory, test.srv)
			switch test.srv {
			case full:
				siotest.Dial(t, site, siotest.Options{})
			case fullForUser:
				e2e.Dial(t, site, "polling", e2e.LoginCookie("ann"))
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

// A handshake begins a new session, without a login, if its session was given
// up more than 30 seconds ago.
func TestHandshakeWithAGivenUpSession(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		h := e2e.NewApp()
		srv, site := staticSite(t, siotest.Memory, mojo.Options{}, h)
		cookies := []string{e2e.SessionCookie("s"), e2e.LoginCookie("ann")}
		require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookietest.Request(cookies...)))
		time.Sleep(time.Minute)

		client := e2e.Dial(t, site, transport, cookies...)
		client.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)

		require.NotContains(t, []string{"", "s"}, conn.SessionID())
		require.Empty(t, conn.UserID())
		require.Len(t, client.Engine.Response["Set-Cookie"], 2)
		client.Barrier()
	})
}

// Below EnsureSession a handshake begins exactly one session.
func TestHandshakeBelowEnsureSession(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), BeginSessions: true})
		e2e.Register(t, srv, "Chat", h)
		site := siotest.Serve(t, n, srv.EnsureSession(srv))

		client := e2e.Dial(t, site, transport)
		client.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)

		require.Len(t, client.Engine.Response["Set-Cookie"], 1)
		b := e2e.NewBrowser(t, site)
		b.KeepHandshake(client)
		id, _ := e2e.NewCookies(t, mojo.CookieOptions{}).Identify(&http.Request{Header: b.Header()})
		require.Equal(t, id.SessionID, conn.SessionID())
	})
}

// When a handshake and a page request of one browser each begin a session, the
// browser keeps the session of the later answer. The server closes the
// connection with the other session once, and the client reconnects with the
// kept session.
func TestHandshakeBesideAPageRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), BeginSessions: true})
		e2e.Register(t, srv, "Chat", h)
		connected := make(chan struct{})
		mux := http.NewServeMux()
		mux.Handle("/socket.io/", srv)
		mux.HandleFunc("/me", func(http.ResponseWriter, *http.Request) { <-connected })
		site := siotest.Serve(t, siotest.Memory, srv.EnsureSession(mux))
		header := browserHeader(site)
		b := e2e.NewBrowser(t, site)
		b.Extra = header
		fetched := make(chan struct{})
		go func() {
			defer close(fetched)
			b.Visit("/me")
		}()
		synctest.Wait()
		siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: header}).Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)
		close(connected)
		<-fetched

		require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonIdentityChanged}, e2e.Await(t, h.Ended))

		b.Dial("websocket").Connect(e2e.ChatNamespace, nil)
		require.NotEqual(t, conn.SessionID(), e2e.Await(t, h.Accepted).SessionID())
		time.Sleep(time.Minute)
		require.Empty(t, h.Ended, "the server closes it only once")
	})
}

// browserHeader returns the headers that identify a request as a browser's.
func browserHeader(site *siotest.Site) http.Header {
	return http.Header{"Origin": {site.URL}, "Accept-Language": {"en"}}
}

// When two handshakes of one browser each begin a session, the browser keeps
// the later one. The server closes the connections with the other session once.
// They reconnect with the kept session, and a login finds them.
func TestConcurrentHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		srv, site := staticSite(t, siotest.Memory, mojo.Options{}, h)
		b := e2e.NewBrowser(t, site)
		b.Extra = browserHeader(site)
		one, two := b.Dial("websocket"), b.Dial("websocket")
		one.Connect(e2e.ChatNamespace, nil)
		two.Connect(e2e.ChatNamespace, nil)
		b.KeepHandshake(one)
		b.KeepHandshake(two)
		e2e.Await(t, h.Accepted)
		e2e.Await(t, h.Accepted)

		for range 2 {
			require.Equal(t, mojo.ReasonIdentityChanged, e2e.Await(t, h.Ended).Reason)
			b.Dial("websocket").Connect(e2e.ChatNamespace, nil)
			e2e.Await(t, h.Accepted)
		}
		time.Sleep(time.Minute)
		require.Empty(t, h.Ended, "the server closes them only once")
		require.Equal(t, 1, srv.CurrentSessions().Len())
	})
}

// A login request that the browser sends before the handshake's answer arrives
// has no session. The server closes the connection, and the client reconnects
// with the login.
func TestLoginBesideAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		srv, site := staticSite(t, siotest.Memory, mojo.Options{}, h)
		b := e2e.NewBrowser(t, site)
		b.Extra = browserHeader(site)
		b.Dial("websocket").Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)
		b.Visit("/login?user=ann")

		require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonIdentityChanged}, e2e.Await(t, h.Ended))
		b.Dial("websocket").Connect(e2e.ChatNamespace, nil)
		e2e.Await(t, h.Accepted)
		time.Sleep(time.Minute)
		require.Empty(t, h.Ended, "the server closes it only once")
		require.Equal(t, 1, srv.LoggedInSessions().Get("ann").Len())
	})
}

// The server closes the connection of a browser that stores no cookies at most
// once, no matter what its pages load. Below EnsureSession it never closes a
// browser's only connection.
func TestBrowserThatKeepsNoCookies(t *testing.T) {
	for name, maxCloses := range map[string]int{"below EnsureSession": 0, "during a slow request": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := e2e.NewApp()
				srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), BeginSessions: true})
				e2e.Register(t, srv, "Chat", h)
				mux := http.NewServeMux()
				mux.Handle("/socket.io/", srv)
				mux.Handle("/news", srv.EnsureSession(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(4 * time.Second) })))
				site := siotest.Serve(t, siotest.Memory, mux)
				if maxCloses == 0 {
					site = siotest.Serve(t, siotest.Memory, srv.EnsureSession(mux))
				}
				var requests sync.WaitGroup
				for range 10 {
					if maxCloses > 0 {
						requests.Go(func() {
							b := e2e.NewBrowser(t, site)
							b.Extra = browserHeader(site)
							b.Visit("/news")
						})
						time.Sleep(time.Second)
					}
					siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: browserHeader(site)}).Connect(e2e.ChatNamespace, nil)
					e2e.Await(t, h.Accepted)
					time.Sleep(3 * time.Second)
				}
				requests.Wait()
				require.LessOrEqual(t, len(h.Ended), maxCloses)
			})
		})
	}
}

// Clients that share an address stay connected if they store no cookies and are
// not browsers.
func TestHandshakesOfManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		_, site := staticSite(t, siotest.Memory, mojo.Options{}, h)
		for range 10 {
			e2e.Dial(t, site, "websocket").Connect(e2e.ChatNamespace, nil)
			e2e.Await(t, h.Accepted)
		}
		time.Sleep(time.Minute)
		require.Empty(t, h.Ended)
	})
}
