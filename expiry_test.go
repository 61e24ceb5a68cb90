package mojo

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// byTheClock runs a test on each transport in a bubble, where time passes when nothing else happens.
func byTheClock(t *testing.T, test func(t *testing.T, transport string)) {
	t.Helper()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, transport) })
		})
	}
}

// expectExpired requires that the socket is told of its expiry now, or within a second, and closed after that.
func expectExpired(t testing.TB, s *siotest.Socket) {
	t.Helper()
	s.Expect(RevokedEvent, map[string]any{"code": CodeExpired, "reason": ReasonExpired, "reconnect": true})
	require.Contains(t, []string{siotest.ReasonCloseFrame, siotest.ReasonClosePacket}, s.AwaitDisconnected())
	require.Zero(t, s.Waiting())
}

// requireWithin requires that a moment has passed by now, by a second at most.
func requireWithin(t testing.TB, at time.Time) {
	t.Helper()
	late := time.Since(at)
	require.True(t, late >= 0 && late <= time.Second, "%v late", late)
}

// TestExpiry: a connection ends within a second of the earlier expiry of its two cookies, on every app.
func TestExpiry(t *testing.T) {
	const minute = time.Minute
	for name, test := range map[string]struct {
		cookies func() []string
		after   time.Duration
	}{
		"session":        {func() []string { return []string{sessionCookie(cookieTestKey, `"s"`, 50*minute)} }, 10 * minute},
		"session first":  {func() []string { return []string{sessionCookie(cookieTestKey, `"s"`, 50*minute), asUser("u")} }, 10 * minute},
		"login first":    {func() []string { return []string{inSession("s"), loginCookie(cookieTestKey, `"u"`, 59*minute)} }, minute},
		"login alone":    {func() []string { return []string{loginCookie(cookieTestKey, `"u"`, 30*minute)} }, 30 * minute},
		"bound login":    {func() []string { return []string{inSession("s"), loginCookie(cookieTestKey, `["u","s"]`, 7*minute)} }, 53 * minute},
		"a moment later": {func() []string { return []string{sessionCookie(cookieTestKey, `"s"`, cookieTestMaxAge-2*time.Second)} }, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			byTheClock(t, func(t *testing.T, transport string) {
				h := newApp()
				srv, ch := chatServer(t, h)
				register(t, srv, "News", h)
				site := siotest.Serve(t, siotest.Memory, srv)
				due := time.Now().Add(test.after)
				client := dial(t, site, transport, test.cookies()...)
				sockets := []*siotest.Socket{client.Connect(chatNamespace, nil), client.Connect("/NewsSocket", nil)}
				require.True(t, due.Equal(await(t, h.accepted).Identity().Expires))

				time.Sleep(time.Until(due) - time.Second)
				for _, socket := range sockets {
					socket.ExpectNothing()
				}
				for _, socket := range sockets {
					expectExpired(t, socket)
				}
				requireWithin(t, due)
				require.Equal(t, ReasonExpired, await(t, h.ended).reason)
				require.Equal(t, ReasonExpired, await(t, h.ended).reason)
				requireEmpty(t, srv, ch)
			})
		})
	}
}

// TestExpiryOnTime over real sockets and by the real clock.
func TestExpiryOnTime(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			h := newApp()
			srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{MaxAge: 4 * time.Second})})
			register(t, srv, "Chat", h)
			b := newBrowser(t, siotest.Serve(t, siotest.TCP, srv))
			w := cookieJar{}
			require.NoError(t, srv.LogIn(w, cookieRequest(), "ann"))
			b.keep(w.cookies())
			socket := b.dial(transport).Connect(chatNamespace, nil)
			expires := await(t, h.accepted).Identity().Expires

			expectExpired(t, socket)

			require.False(t, time.Now().Before(expires))
			require.Equal(t, ReasonExpired, await(t, h.ended).reason)
			requireEmpty(t, srv)
		})
	}
}

// cookieJar is a response of which only the cookies matter.
type cookieJar http.Header

func (j cookieJar) Header() http.Header         { return http.Header(j) }
func (j cookieJar) Write(p []byte) (int, error) { return len(p), nil }
func (j cookieJar) WriteHeader(int)             {}

func (j cookieJar) cookies() []*http.Cookie {
	return (&http.Response{Header: http.Header(j)}).Cookies()
}

// TestExpiryOfPending connections: one that is on no app is closed, one whose OnConnect runs is refused with the reason,
// and OnDisconnect gets it.
func TestExpiryOfPending(t *testing.T) {
	byTheClock(t, func(t *testing.T, transport string) {
		goOn := make(chan struct{})
		h := newApp()
		h.connect = func(*Conn) error {
			<-goOn
			return nil
		}
		srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), Timeouts: Timeouts{ConnectTimeout: 24 * time.Hour}})
		ch := register(t, srv, "Chat", h)
		site := siotest.Serve(t, siotest.Memory, srv)
		due := time.Now().Add(10 * time.Second)
		cookie := sessionCookie(cookieTestKey, `"s"`, cookieTestMaxAge-10*time.Second)
		bare, client := dial(t, site, transport, cookie), dial(t, site, transport, cookie)
		client.SendConnect(chatNamespace, nil)
		time.Sleep(5 * time.Second)

		_, refusal := client.AwaitConnect(chatNamespace)

		require.NotNil(t, refusal)
		require.Equal(t, "session expired", refusal.Message)
		require.JSONEq(t, `{"code":4002,"reason":"session expired","reconnect":true}`, string(refusal.Data))
		requireWithin(t, due)
		bare.Engine.AwaitClosed()
		client.Engine.AwaitClosed()
		requireWithin(t, due)
		close(goOn)
		require.Equal(t, ReasonExpired, await(t, h.ended).reason)
		requireEmpty(t, srv, ch)
	})
}

// TestExpiryBetweenTwoPolls: the client is told by its next poll, which its browser has sent without the cookies that
// have expired. Nobody else is.
func TestExpiryBetweenTwoPolls(t *testing.T) {
	for name, test := range map[string]struct {
		cookies func(old []string) []string // made inside the bubble
		told    bool
	}{
		"none":          {func([]string) []string { return nil }, true},
		"the old":       {func(old []string) []string { return old }, true},
		"what is left":  {func([]string) []string { return []string{asUser("u")} }, true},
		"other session": {func([]string) []string { return []string{inSession("s2")} }, false},
		"other user":    {func([]string) []string { return []string{asUser("v")} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newApp()
				srv, _ := chatServer(t, h)
				site := siotest.Serve(t, siotest.Memory, srv)
				old := []string{sessionCookie(cookieTestKey, `"s"`, cookieTestMaxAge-5*time.Second), asUser("u")}
				client := siotest.Dial(t, site, siotest.Options{Header: as(old...), ManualPoll: true})
				client.SendConnect(chatNamespace, nil)
				await(t, h.accepted)
				require.Equal(t, http.StatusOK, ask(t, site, http.MethodGet, client.Engine.URL("polling"), as(old...), "").status)
				require.Equal(t, ReasonExpired, await(t, h.ended).reason)
				synctest.Wait()

				cookies := test.cookies(old)
				post := ask(t, site, http.MethodPost, client.Engine.URL("polling"), as(cookies...), "3")
				poll := ask(t, site, http.MethodGet, client.Engine.URL("polling"), as(cookies...), "")

				require.Equal(t, http.StatusBadRequest, post.status)
				if !test.told {
					require.Equal(t, http.StatusBadRequest, poll.status)
					require.NotContains(t, poll.body, "expired")
					return
				}
				require.Equal(t, http.StatusOK, poll.status, poll.body)
				require.Equal(t, `42/ChatSocket,["mojo:revoked",{"code":4002,"reason":"session expired","reconnect":true}]`, poll.body)
			})
		})
	}
}

// cookieExpiry is when a cookie that is written now expires.
func cookieExpiry() time.Time { return time.Now().Truncate(time.Second).Add(cookieTestMaxAge) }

// TestRenewedCookies extend live connections, also those that poll with the new ones alone; they end when these expire.
func TestRenewedCookies(t *testing.T) {
	for name, renew := range map[string]func(t *testing.T, srv *Server, b *browser, client *siotest.Client){
		"a page":  func(_ *testing.T, _ *Server, b *browser, _ *siotest.Client) { b.visit("/who") },
		"a login": func(_ *testing.T, _ *Server, b *browser, _ *siotest.Client) { b.visit("/login?user=ann") },
		"logout":  func(_ *testing.T, _ *Server, b *browser, _ *siotest.Client) { b.visit("/logout") },
		"Rebind": func(t *testing.T, srv *Server, b *browser, _ *siotest.Client) {
			w := cookieJar{}
			require.NoError(t, newTestCookies(t, CookieOptions{}).SetSession(w, "s"))
			require.NoError(t, srv.Rebind(t.Context(), "s", Identity{SessionID: "s", Expires: cookieExpiry()}))
			b.keep(w.cookies())
		},
		"a request of its own": func(t *testing.T, srv *Server, b *browser, client *siotest.Client) {
			w := cookieJar{}
			require.NoError(t, newTestCookies(t, CookieOptions{}).SetSession(w, "s"))
			b.keep(w.cookies())
			client.Engine.SetHeader(b.header())
			client.Barrier()
		},
	} {
		t.Run(name, func(t *testing.T) {
			byTheClock(t, func(t *testing.T, transport string) {
				if name == "a request of its own" && transport != "polling" {
					return // a WebSocket makes none
				}
				h := newApp()
				srv, site := loginSite(t, siotest.Memory, h)
				b := newBrowser(t, site)
				b.cookies["session_id"] = sessionCookie(cookieTestKey, `"s"`, cookieTestMaxAge-10*time.Minute)[len("session_id="):]
				client := b.dial(transport)
				socket := client.Connect(chatNamespace, nil)
				conn := await(t, h.accepted)

				time.Sleep(9 * time.Minute)
				renew(t, srv, b, client)
				if name == "a login" {
					follow(t, site, b.header(), socket)
				}

				due := cookieExpiry()
				require.True(t, due.Equal(conn.Identity().Expires))
				client.Engine.SetHeader(b.header())
				time.Sleep(time.Until(due) - time.Second)
				socket.ExpectNothing()
				require.Empty(t, h.ended)
				expectExpired(t, socket)
				requireWithin(t, due)
				require.Equal(t, ReasonExpired, await(t, h.ended).reason)
			})
		})
	}
}

// TestExpiryByIdentify: Options.Identify says until when, too; without a time, or with one far off, it is never.
func TestExpiryByIdentify(t *testing.T) {
	byTheClock(t, func(t *testing.T, transport string) {
		h := newApp()
		srv := newTestServer(t, Options{Identify: func(r *http.Request) (Identity, error) {
			expires, _ := http.ParseTime(r.Header.Get("X-Expires")) // zero if there is none
			return Identity{SessionID: r.Header.Get("X-Session"), Expires: expires}, nil
		}, Timeouts: Timeouts{PingInterval: 23 * time.Second}}) // so that no pong is under way when something else happens
		register(t, srv, "Chat", h)
		site := siotest.Serve(t, siotest.Memory, srv)
		header := func(session, expires string) http.Header {
			return http.Header{"X-Session": {session}, "X-Expires": {expires}}
		}
		begin := func(session, expires string) (*siotest.Client, *siotest.Socket) {
			client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: header(session, expires)})
			return client, client.Connect(chatNamespace, nil)
		}
		at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		due := time.Now().Add(time.Hour)
		_, ends := begin("ends", at(time.Hour))
		_, never := begin("never", "")
		_, farOff := begin("far off", "Fri, 31 Dec 9999 23:59:59 GMT")
		slides, sliding := begin("slides", at(time.Hour))
		moves, moved := begin("moves", at(time.Hour))
		stays, stayed := begin("stays", at(time.Hour))
		sooner, ended := begin("sooner", at(time.Hour))
		after, endedAfterAll := begin("after all", "")

		time.Sleep(30 * time.Minute)
		slides.Engine.SetHeader(header("slides", at(2*time.Hour)))
		slides.Barrier()
		require.NoError(t, srv.Rebind(t.Context(), "moves", Identity{SessionID: "moves", Expires: time.Now().Add(2 * time.Hour)}))
		moves.Engine.SetHeader(header("moves", ""))
		require.NoError(t, srv.Rebind(t.Context(), "stays", Identity{SessionID: "stays"}))
		stays.Engine.SetHeader(header("stays", ""))
		require.NoError(t, srv.Rebind(t.Context(), "nobody", Identity{SessionID: "nobody", Expires: time.Now()}))
		for session, tab := range map[string]struct {
			client *siotest.Client
			socket *siotest.Socket
		}{"sooner": {sooner, ended}, "after all": {after, endedAfterAll}} {
			soon := time.Now().Add(time.Second)
			tab.client.Engine.SetHeader(header(session, at(time.Second))) // or a request would extend it again
			require.NoError(t, srv.Rebind(t.Context(), session, Identity{SessionID: session, Expires: soon}))
			expectExpired(t, tab.socket)
			requireWithin(t, soon)
		}

		time.Sleep(time.Until(due) - time.Second)
		expectExpired(t, ends)
		requireWithin(t, due)
		if transport != "polling" { // no request has told of the later time
			expectExpired(t, sliding)
		} else {
			time.Sleep(90*time.Minute - time.Second)
			expectExpired(t, sliding)
		}
		time.Sleep(time.Until(due.Add(90*time.Minute)) - time.Second)
		expectExpired(t, moved)
		requireWithin(t, due.Add(90*time.Minute))
		time.Sleep(time.Hour)
		for _, socket := range []*siotest.Socket{never, farOff, stayed} {
			socket.ExpectNothing()
		}
	})
}
