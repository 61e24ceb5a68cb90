package revocation

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// expectExpired requires that the socket receives the reason, that this is the
// last event, and that the connection is closed.
func expectExpired(t testing.TB, s *siotest.Socket) {
	t.Helper()
	s.Expect(mojo.RevokedEvent, map[string]any{"code": mojo.CodeExpired, "reason": mojo.ReasonExpired, "reconnect": true})
	require.Contains(t, []string{siotest.ReasonCloseFrame, siotest.ReasonClosePacket}, s.AwaitDisconnected())
	require.Zero(t, s.Unread())
}

// requireWithin requires that the time at passed less than a second ago.
func requireWithin(t testing.TB, at time.Time) {
	t.Helper()
	late := time.Since(at)
	require.True(t, late >= 0 && late <= time.Second, "%v late", late)
}

// A connection ends on every app within a second after the earlier of its two
// cookies has expired.
func TestExpiry(t *testing.T) {
	const minute = time.Minute
	for name, test := range map[string]struct {
		cookies func() []string
		after   time.Duration
	}{
		"session":       {func() []string { return []string{e2e.SignSession(e2e.Key, `"s"`, 50*minute)} }, 10 * minute},
		"session first": {func() []string { return []string{e2e.SignSession(e2e.Key, `"s"`, 50*minute), e2e.LoginCookie("u")} }, 10 * minute},
		"login first":   {func() []string { return []string{e2e.SessionCookie("s"), e2e.SignLogin(e2e.Key, `"u"`, 59*minute)} }, minute},
		"login alone":   {func() []string { return []string{e2e.SignLogin(e2e.Key, `"u"`, 30*minute)} }, 30 * minute},
		"bound login": {func() []string {
			return []string{e2e.SessionCookie("s"), e2e.SignLogin(e2e.Key, `["u","s"]`, 7*minute)}
		}, 53 * minute},
		"session, in 2 seconds": {func() []string { return []string{e2e.SignSession(e2e.Key, `"s"`, e2e.MaxAge-2*time.Second)} }, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			e2e.InVirtualTime(t, func(t *testing.T, transport string) {
				h := e2e.NewApp()
				srv, ch := e2e.ChatServer(t, h)
				e2e.Register(t, srv, "News", h)
				site := siotest.Serve(t, siotest.Memory, srv)
				due := time.Now().Add(test.after)
				client := e2e.Dial(t, site, transport, test.cookies()...)
				sockets := []*siotest.Socket{client.Connect(e2e.ChatNamespace, nil), client.Connect("/NewsSocket", nil)}
				require.True(t, due.Equal(e2e.Await(t, h.Accepted).Identity().Expires))

				time.Sleep(time.Until(due) - time.Second)
				for _, socket := range sockets {
					socket.ExpectNothing()
				}
				for _, socket := range sockets {
					expectExpired(t, socket)
				}
				requireWithin(t, due)
				require.Equal(t, mojo.ReasonExpired, e2e.Await(t, h.Ended).Reason)
				require.Equal(t, mojo.ReasonExpired, e2e.Await(t, h.Ended).Reason)
				e2e.RequireEmptyViews(t, srv, ch)
			})
		})
	}
}

// Connections also expire on time over TCP and in real time.
func TestExpiryOnTime(t *testing.T) {
	for _, transport := range e2e.Transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			h := e2e.NewApp()
			srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{MaxAge: 4 * time.Second})})
			e2e.Register(t, srv, "Chat", h)
			b := e2e.NewBrowser(t, siotest.Serve(t, siotest.TCP, srv))
			w := cookieJar{}
			require.NoError(t, srv.LogIn(w, cookietest.Request(), "ann"))
			b.Keep(w.cookies())
			socket := b.Dial(transport).Connect(e2e.ChatNamespace, nil)
			expires := e2e.Await(t, h.Accepted).Identity().Expires

			expectExpired(t, socket)

			require.False(t, time.Now().Before(expires))
			require.Equal(t, mojo.ReasonExpired, e2e.Await(t, h.Ended).Reason)
			e2e.RequireEmptyViews(t, srv)
		})
	}
}

// cookieJar is a ResponseWriter that stores only the header.
type cookieJar http.Header

func (j cookieJar) Header() http.Header { return http.Header(j) }

func (j cookieJar) Write(p []byte) (int, error) { return len(p), nil }

func (j cookieJar) WriteHeader(int) {}

// cookies returns the cookies that the header sets.
func (j cookieJar) cookies() []*http.Cookie {
	return (&http.Response{Header: http.Header(j)}).Cookies()
}

// The server closes a connection on no app when it expires. If OnConnect runs
// at that time, the client is refused with the reason, which OnDisconnect gets,
// too.
func TestExpiryOfPending(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		goOn := make(chan struct{})
		h := e2e.NewApp()
		h.Connect = func(*mojo.Conn) error {
			<-goOn
			return nil
		}
		srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Timeouts: mojo.Timeouts{ConnectTimeout: 24 * time.Hour}})
		ch := e2e.Register(t, srv, "Chat", h)
		site := siotest.Serve(t, siotest.Memory, srv)
		due := time.Now().Add(10 * time.Second)
		cookie := e2e.SignSession(e2e.Key, `"s"`, e2e.MaxAge-10*time.Second)
		bare, client := e2e.Dial(t, site, transport, cookie), e2e.Dial(t, site, transport, cookie)
		client.SendConnect(e2e.ChatNamespace, nil)
		time.Sleep(5 * time.Second)

		_, refusal := client.AwaitConnect(e2e.ChatNamespace)

		require.NotNil(t, refusal)
		require.Equal(t, "session expired", refusal.Message)
		require.JSONEq(t, `{"code":4002,"reason":"session expired","reconnect":true}`, string(refusal.Data))
		requireWithin(t, due)
		bare.Engine.AwaitClosed()
		client.Engine.AwaitClosed()
		requireWithin(t, due)
		close(goOn)
		require.Equal(t, mojo.ReasonExpired, e2e.Await(t, h.Ended).Reason)
		e2e.RequireEmptyViews(t, srv, ch)
	})
}

// A client that is not polling when it expires receives the reason with its
// next poll, which has the old cookies or lacks the expired ones. A poll with
// another identity does not receive it.
func TestExpiryBetweenTwoPolls(t *testing.T) {
	for name, test := range map[string]struct {
		cookies    func(old []string) []string // called in the bubble, because it reads the clock
		wantReason bool
	}{
		"none":          {func([]string) []string { return nil }, true},
		"old cookies":   {func(old []string) []string { return old }, true},
		"login alone":   {func([]string) []string { return []string{e2e.LoginCookie("u")} }, true},
		"other session": {func([]string) []string { return []string{e2e.SessionCookie("s2")} }, false},
		"other user":    {func([]string) []string { return []string{e2e.LoginCookie("v")} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := e2e.NewApp()
				srv, _ := e2e.ChatServer(t, h)
				site := siotest.Serve(t, siotest.Memory, srv)
				old := []string{e2e.SignSession(e2e.Key, `"s"`, e2e.MaxAge-5*time.Second), e2e.LoginCookie("u")}
				client := siotest.Dial(t, site, siotest.Options{Header: e2e.CookieHeader(old...), ManualPoll: true})
				client.SendConnect(e2e.ChatNamespace, nil)
				e2e.Await(t, h.Accepted)
				require.Equal(t, http.StatusOK, e2e.Do(t, site, http.MethodGet, client.Engine.URL("polling"), e2e.CookieHeader(old...), "").Status)
				require.Equal(t, mojo.ReasonExpired, e2e.Await(t, h.Ended).Reason)
				synctest.Wait()

				cookies := test.cookies(old)
				post := e2e.Do(t, site, http.MethodPost, client.Engine.URL("polling"), e2e.CookieHeader(cookies...), "3")
				poll := e2e.Do(t, site, http.MethodGet, client.Engine.URL("polling"), e2e.CookieHeader(cookies...), "")

				require.Equal(t, http.StatusBadRequest, post.Status)
				if !test.wantReason {
					require.Equal(t, http.StatusBadRequest, poll.Status)
					require.NotContains(t, poll.Body, "expired")
					return
				}
				require.Equal(t, http.StatusOK, poll.Status, poll.Body)
				require.Equal(t, `42/ChatSocket,["mojo:revoked",{"code":4002,"reason":"session expired","reconnect":true}]`, poll.Body)
			})
		})
	}
}

// cookieExpiry returns when a cookie that is signed now expires.
func cookieExpiry() time.Time { return time.Now().Truncate(time.Second).Add(e2e.MaxAge) }

// Renewed cookies extend the life of the connections, even if only a poll sends
// them. The connections end when the renewed cookies expire.
func TestRenewedCookies(t *testing.T) {
	for name, renew := range map[string]func(t *testing.T, srv *mojo.Server, b *e2e.Browser, client *siotest.Client){
		"page load": func(_ *testing.T, _ *mojo.Server, b *e2e.Browser, _ *siotest.Client) { b.Visit("/who") },
		"login":     func(_ *testing.T, _ *mojo.Server, b *e2e.Browser, _ *siotest.Client) { b.Visit("/login?user=ann") },
		"logout":    func(_ *testing.T, _ *mojo.Server, b *e2e.Browser, _ *siotest.Client) { b.Visit("/logout") },
		"Rebind": func(t *testing.T, srv *mojo.Server, b *e2e.Browser, _ *siotest.Client) {
			w := cookieJar{}
			require.NoError(t, e2e.NewCookies(t, mojo.CookieOptions{}).SetSession(w, "s"))
			require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "s", Expires: cookieExpiry()}))
			b.Keep(w.cookies())
		},
		"request of the client": func(t *testing.T, srv *mojo.Server, b *e2e.Browser, client *siotest.Client) {
			w := cookieJar{}
			require.NoError(t, e2e.NewCookies(t, mojo.CookieOptions{}).SetSession(w, "s"))
			b.Keep(w.cookies())
			client.Engine.SetHeader(b.Header())
			client.Barrier()
		},
	} {
		t.Run(name, func(t *testing.T) {
			e2e.InVirtualTime(t, func(t *testing.T, transport string) {
				if name == "request of the client" && transport != "polling" {
					return // a client on a WebSocket sends no requests
				}
				h := e2e.NewApp()
				srv, site := e2e.LoginSite(t, siotest.Memory, h)
				b := e2e.NewBrowser(t, site, e2e.SignSession(e2e.Key, `"s"`, e2e.MaxAge-10*time.Minute))
				client := b.Dial(transport)
				socket := client.Connect(e2e.ChatNamespace, nil)
				conn := e2e.Await(t, h.Accepted)

				time.Sleep(9 * time.Minute)
				renew(t, srv, b, client)
				if name == "login" {
					e2e.FollowLogin(t, site, b.Header(), socket)
				}

				due := cookieExpiry()
				require.True(t, due.Equal(conn.Identity().Expires))
				client.Engine.SetHeader(b.Header())
				time.Sleep(time.Until(due) - time.Second)
				socket.ExpectNothing()
				require.Empty(t, h.Ended)
				expectExpired(t, socket)
				requireWithin(t, due)
				require.Equal(t, mojo.ReasonExpired, e2e.Await(t, h.Ended).Reason)
			})
		})
	}
}

// A connection ends at the Identity.Expires that Options.Identify returned. It
// never ends at a zero or very late time.
func TestExpiryByIdentify(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		h := e2e.NewApp()
		srv := e2e.NewServer(t, mojo.Options{Identify: func(r *http.Request) (mojo.Identity, error) {
			expires, _ := http.ParseTime(r.Header.Get("X-Expires")) // the zero time without the header
			return mojo.Identity{SessionID: r.Header.Get("X-Session"), Expires: expires}, nil
		}, Timeouts: mojo.Timeouts{PingInterval: 23 * time.Second}}) // no pong must arrive at the times below
		e2e.Register(t, srv, "Chat", h)
		site := siotest.Serve(t, siotest.Memory, srv)
		header := func(session, expires string) http.Header {
			return http.Header{"X-Session": {session}, "X-Expires": {expires}}
		}
		begin := func(session, expires string) (*siotest.Client, *siotest.Socket) {
			client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: header(session, expires)})
			return client, client.Connect(e2e.ChatNamespace, nil)
		}
		at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		due := time.Now().Add(time.Hour)
		_, ends := begin("ends", at(time.Hour))
		_, never := begin("never", "")
		_, farFuture := begin("far off", "Fri, 31 Dec 9999 23:59:59 GMT")
		pollClient, extendedByPoll := begin("slides", at(time.Hour))
		rebindClient, extendedByRebind := begin("moves", at(time.Hour))
		endlessClient, endless := begin("stays", at(time.Hour))
		soonClient, endedSoon := begin("sooner", at(time.Hour))
		lateClient, endedLater := begin("after all", "")

		time.Sleep(30 * time.Minute)
		pollClient.Engine.SetHeader(header("slides", at(2*time.Hour)))
		pollClient.Barrier()
		require.NoError(t, srv.Rebind(t.Context(), "moves", mojo.Identity{SessionID: "moves", Expires: time.Now().Add(2 * time.Hour)}))
		rebindClient.Engine.SetHeader(header("moves", ""))
		require.NoError(t, srv.Rebind(t.Context(), "stays", mojo.Identity{SessionID: "stays"}))
		endlessClient.Engine.SetHeader(header("stays", ""))
		require.NoError(t, srv.Rebind(t.Context(), "nobody", mojo.Identity{SessionID: "nobody", Expires: time.Now()}))
		for session, tab := range map[string]struct {
			client *siotest.Client
			socket *siotest.Socket
		}{"sooner": {soonClient, endedSoon}, "after all": {lateClient, endedLater}} {
			soon := time.Now().Add(time.Second)
			tab.client.Engine.SetHeader(header(session, at(time.Second))) // otherwise a later request would extend it again
			require.NoError(t, srv.Rebind(t.Context(), session, mojo.Identity{SessionID: session, Expires: soon}))
			expectExpired(t, tab.socket)
			requireWithin(t, soon)
		}

		time.Sleep(time.Until(due) - time.Second)
		expectExpired(t, ends)
		requireWithin(t, due)
		if transport != "polling" { // no request had the later expiry
			expectExpired(t, extendedByPoll)
		} else {
			time.Sleep(90*time.Minute - time.Second)
			expectExpired(t, extendedByPoll)
		}
		time.Sleep(time.Until(due.Add(90*time.Minute)) - time.Second)
		expectExpired(t, extendedByRebind)
		requireWithin(t, due.Add(90*time.Minute))
		time.Sleep(time.Hour)
		for _, socket := range []*siotest.Socket{never, farFuture, endless} {
			socket.ExpectNothing()
		}
	})
}
