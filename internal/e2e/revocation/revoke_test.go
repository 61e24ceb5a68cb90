package revocation

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Revoke closes the connections of a session, of a user, of a user except one
// session, or of a user on one app. They receive the event, are in no view when
// Revoke returns, and cannot reconnect with the same cookies. Other connections
// stay open.
func TestRevoke(t *testing.T) {
	for name, test := range map[string]struct {
		revoke func(w *e2e.Visitors, why mojo.Revocation) error
		closed []string // the sockets that are closed
		app    bool     // whether the revocation is for one app
	}{
		"session": {
			func(w *e2e.Visitors, why mojo.Revocation) error {
				return w.Srv.CurrentSessions().Get("s1").Revoke(t.Context(), why)
			},
			[]string{"tab1", "tab1/news", "tab2"},
			false,
		},
		"user": {
			func(w *e2e.Visitors, why mojo.Revocation) error {
				return w.Srv.LoggedInSessions().Get("ann").Revoke(t.Context(), why)
			},
			[]string{"tab1", "tab1/news", "tab2", "phone"},
			false,
		},
		"user except one session": {
			func(w *e2e.Visitors, why mojo.Revocation) error {
				return w.Srv.LoggedInSessions().Get("ann").RevokeExcept(t.Context(), "s1", why)
			},
			[]string{"phone"},
			false,
		},
		"session of an app": {
			func(w *e2e.Visitors, why mojo.Revocation) error {
				return w.News.CurrentSessions().Get("s1").Revoke(t.Context(), why)
			},
			[]string{"tab1/news"},
			true,
		},
		"user of an app": {
			func(w *e2e.Visitors, why mojo.Revocation) error {
				return w.Chat.LoggedInSessions().Get("ann").Revoke(t.Context(), why)
			},
			[]string{"tab1", "tab2", "phone"},
			true,
		},
		"user of an app except one session": {
			func(w *e2e.Visitors, why mojo.Revocation) error {
				return w.Chat.LoggedInSessions().Get("ann").RevokeExcept(t.Context(), "s1", why)
			},
			[]string{"phone"},
			true,
		},
		"no connection": {
			func(w *e2e.Visitors, why mojo.Revocation) error {
				return errorsOf(w.Srv.CurrentSessions().Get("").Revoke(t.Context(), why), mojo.Session{}.Revoke(t.Context(), why),
					w.Srv.CurrentSessions().Get("s1").RevokeExcept(t.Context(), "s1", why), w.Srv.LoggedInSessions().Get("s1").Revoke(t.Context(), why))
			},
			nil, false,
		},
	} {
		for _, why := range []mojo.Revocation{{}, {Code: 5001, Reason: "banned", Reconnect: true}} {
			t.Run(fmt.Sprint(name, why), func(t *testing.T) {
				e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
					w := e2e.NewVisitors(t, n, transport)
					code, reason := why.Code, why.Reason
					if code == 0 {
						code, reason = mojo.CodeRevoked, mojo.ReasonRevoked
					}

					require.NoError(t, test.revoke(w, why))

					require.Equal(t, 8-len(test.closed), w.Chat.Len()+w.News.Len())
					require.NoError(t, w.Srv.CurrentSessions().Emit("still here"))
					revoked := make(map[string]bool)
					for _, name := range test.closed {
						revoked[name] = true
						socket := w.Sockets[name]
						socket.Expect(mojo.RevokedEvent, e2e.RevokedNotice(code, reason, why.Reconnect))
						end := socket.AwaitDisconnected()
						require.Zero(t, socket.Unread())
						require.Equal(t, !why.Reconnect || test.app, end == siotest.ReasonServerDisconnect, end)
						require.Equal(t, reason, e2e.Await(t, w.App.Ended).Reason)
					}
					for name, socket := range w.Sockets {
						if !revoked[name] && name != "anonymous" {
							socket.Expect("still here")
							socket.ExpectNothing()
						}
					}
					require.Empty(t, w.App.Ended)
					w.Drain()
					for name, session := range map[string]string{"tab1": "s1", "tab2": "s1", "phone": "s2"} {
						wantClosed := revoked[name] && !test.app
						if wantClosed {
							w.Clients[name].Engine.AwaitClosed()
						}
						again, err := siotest.TryDial(t.Context(), w.Site, siotest.Options{Transport: transport, Header: e2e.CookieHeader(e2e.SessionCookie(session), e2e.LoginCookie("ann"))})
						if wantClosed && !why.Reconnect {
							require.ErrorContains(t, err, "403")
							require.Equal(t, mojo.Identity{}, w.Srv.Identity(cookietest.Request(e2e.SessionCookie(session), e2e.LoginCookie("ann"))))
							continue
						}
						require.NoError(t, err)
						again.SendConnect(e2e.ChatNamespace, nil)
						back := e2e.Await(t, w.App.Accepted)
						require.Equal(t, session, back.SessionID())
						require.Equal(t, "ann", back.UserID())
					}
				})
			})
		}
	}
}

// errorsOf returns the first error that is not nil.
func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A client that was revoked on one app may connect to it again on the same
// connection, if OnConnect allows it.
func TestRevokedClientMayConnectToTheAppAgain(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		w := e2e.NewVisitors(t, n, transport)
		require.NoError(t, w.Chat.LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{}))
		require.Equal(t, siotest.ReasonServerDisconnect, w.Sockets["tab1"].AwaitDisconnected())
		again := w.Clients["tab1"].Connect(e2e.ChatNamespace, nil)
		require.NoError(t, w.Srv.LoggedInSessions().Get("ann").Emit("note"))
		again.Expect("note")
		w.Sockets["tab1/news"].Expect("note")
	})
}

// A client that is not polling receives the event with its next poll.
func TestRevokeReachesTheNextPoll(t *testing.T) {
	for name, session := range map[string]func(*mojo.Server) mojo.Session{
		"session": func(srv *mojo.Server) mojo.Session { return srv.CurrentSessions().Get("s") },
		"user":    func(srv *mojo.Server) mojo.Session { return srv.LoggedInSessions().Get("ann") },
	} {
		t.Run(name, func(t *testing.T) {
			siotest.Each(t, func(t *testing.T, n siotest.Network) {
				h := e2e.NewApp()
				srv, _ := e2e.ChatServer(t, h)
				site := siotest.Serve(t, n, srv)
				client := siotest.Dial(t, site, siotest.Options{ManualPoll: true, Header: e2e.CookieHeader(e2e.SessionCookie("s"), e2e.LoginCookie("ann"))})
				client.SendConnect(e2e.ChatNamespace, nil)
				e2e.Await(t, h.Accepted)
				client.Engine.Poll()

				require.NoError(t, session(srv).Revoke(t.Context(), mojo.Revocation{}))

				status, payload := client.Engine.Poll()
				require.Equal(t, http.StatusOK, status)
				require.Equal(t, `42/ChatSocket,["mojo:revoked",{"code":4001,"reason":"session revoked","reconnect":false}]`+
					"\x1e41/ChatSocket,", payload)
				e2e.Await(t, h.Ended)
			})
		})
	}
}

// A session without connections can be revoked: its id is refused until its
// cookie has expired, and EnsureSession gives the browser another one at once.
func TestRevokeWithoutConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, site := e2e.LoginSite(t, siotest.Memory, e2e.NewApp())
		b := e2e.NewBrowser(t, site)
		old, _ := b.WhoIs("/who")
		stale := b.Header()
		require.NoError(t, srv.CurrentSessions().Get(old).Revoke(t.Context(), mojo.Revocation{}))
		require.Equal(t, mojo.Identity{}, srv.Identity(cookietest.Request(stale.Get("Cookie"))))
		refused := func() bool {
			_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: "websocket", Header: stale})
			return err != nil && strings.Contains(err.Error(), "403")
		}
		require.True(t, refused())

		now, _ := b.WhoIs("/who")

		require.NotEmpty(t, now)
		require.NotEqual(t, old, now)
		b.Dial("websocket").Connect(e2e.ChatNamespace, nil)
		require.True(t, srv.CurrentSessions().Has(now))
		time.Sleep(e2e.MaxAge - time.Second)
		require.True(t, refused())
		time.Sleep(2 * time.Second)
		require.False(t, refused())
	})
}

// Revoke of a session also ends the login of the same browser, even if it is
// not bound to the session.
func TestRevokedSessionEndsItsLogin(t *testing.T) {
	srv, site := e2e.LoginSite(t, siotest.Memory, e2e.NewApp())
	b := e2e.NewBrowser(t, site)
	old, _ := b.WhoIs("/who")
	b.SetCookie(e2e.LoginCookie("ann"))
	_, user := b.WhoIs("/who")
	require.Equal(t, "ann", user)

	require.NoError(t, srv.CurrentSessions().Get(old).Revoke(t.Context(), mojo.Revocation{}))

	for range 2 {
		session, user := b.WhoIs("/who")
		require.NotContains(t, []string{"", old}, session)
		require.Empty(t, user)
	}
}

// Revoke of a user ends all earlier logins, even in browsers without a
// connection. Later logins are valid.
func TestRevokedLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, site := e2e.LoginSite(t, siotest.Memory, e2e.NewApp())
		laptop, phone, other := e2e.NewBrowser(t, site), e2e.NewBrowser(t, site), e2e.NewBrowser(t, site)
		laptop.Visit("/login?user=ann")
		phone.Visit("/login?user=ann")
		other.Visit("/login?user=bob")
		lone, kept := e2e.LoginCookie("ann"), e2e.SessionCookie("kept")
		session, _ := phone.WhoIs("/who")

		require.NoError(t, srv.LoggedInSessions().Get("ann").RevokeExcept(t.Context(), "kept", mojo.Revocation{}))

		now, user := phone.WhoIs("/who")
		require.Equal(t, session+" ", now+" "+user, "its session was not connected, and stays")
		_, user = other.WhoIs("/who")
		require.Equal(t, "bob", user)
		require.Empty(t, srv.Identity(cookietest.Request(lone)).UserID)
		require.Equal(t, "ann", srv.Identity(cookietest.Request(lone, kept)).UserID)
		guest := laptop.Dial("polling").Connect(e2e.ChatNamespace, nil)
		guest.Barrier()
		require.False(t, srv.LoggedInSessions().Has("ann"))
		_, user = phone.WhoIs("/login?user=ann") // within the same second as the Revoke
		require.Equal(t, "ann", user)
		_, user = phone.WhoIs("/who")
		require.Equal(t, "ann", user)

		require.NoError(t, srv.LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{}))
		_, user = phone.WhoIs("/who")
		require.Empty(t, user)
		time.Sleep(time.Second)
		require.Empty(t, srv.Identity(cookietest.Request(lone, kept)).UserID)
		require.Equal(t, "ann", srv.Identity(cookietest.Request(e2e.LoginCookie("ann"))).UserID, "this login is new")
		laptop.Visit("/login?user=ann")
		laptop.Dial("polling").Connect(e2e.ChatNamespace, nil)
		require.True(t, srv.LoggedInSessions().Has("ann"))
	})
}

// A login by Rebind is valid, even within the same second as a Revoke.
func TestReboundLoginsCount(t *testing.T) {
	srv, _ := e2e.ChatServer(t, e2e.NewApp())
	require.NoError(t, srv.LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{}))
	require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "t", UserID: "ann"}))
	require.Equal(t, "ann", srv.Identity(cookietest.Request(e2e.SessionCookie("t"), e2e.LoginCookie("ann"))).UserID)
}

// A handler may revoke the session or user of its own connection.
func TestRevokeInHandlers(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		var srv *mojo.Server
		var browser atomic.Pointer[siotest.Client]
		logIn := func(c *mojo.Conn) http.Header {
			w := httptest.NewRecorder()
			if err := srv.LogIn(w, cookietest.Request(e2e.SessionCookie(c.SessionID())), "ann"); err != nil {
				t.Error(err)
			}
			return cookietest.NextRequest(w).Header
		}
		h.Connect = func(c *mojo.Conn) error {
			browser.Load().Engine.SetHeader(logIn(c))
			return nil
		}
		h.Message = func(c *mojo.Conn, m *mojo.Message) {
			old := c.SessionID()
			browser.Load().Engine.SetHeader(logIn(c))
			if transport == "polling" { // a poll proves the login; one that came after Revoke would be refused
				e2e.WaitUntil(t, "the login is proven", func() bool { return c.SessionID() != old })
			}
			if err := srv.LoggedInSessions().Get(c.UserID()).Revoke(t.Context(), mojo.Revocation{}); err != nil {
				t.Error(err)
			}
			_ = m.Ack("too late")
		}
		h.Disconnect = func(c *mojo.Conn, _ mojo.Reason) {
			if err := srv.CurrentSessions().Get(c.SessionID()).Revoke(t.Context(), mojo.Revocation{}); err != nil {
				t.Error(err)
			}
			logIn(c)
		}
		srv, ch := e2e.ChatServer(t, h)
		e2e.Register(t, srv, "News", h)
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
		browser.Store(client)
		socket, other := client.Connect(e2e.ChatNamespace, nil), client.Connect("/NewsSocket", nil)

		socket.Ask("revoke")
		socket.Ask("not handled any more")

		for _, s := range []*siotest.Socket{socket, other} {
			s.Expect(mojo.RevokedEvent, e2e.RevokedNotice(mojo.CodeRevoked, mojo.ReasonRevoked, false))
			require.Equal(t, siotest.ReasonServerDisconnect, s.AwaitDisconnected())
			require.Equal(t, mojo.ReasonRevoked, e2e.Await(t, h.Ended).Reason)
		}
		e2e.RequireEmptyViews(t, srv, ch)
		e2e.Shutdown(t, srv)
	})
}

// After Shutdown, Revoke returns ErrServerClosed.
func TestRevokeAfterShutdown(t *testing.T) {
	srv, ch := e2e.ChatServer(t, e2e.NewApp())
	e2e.Shutdown(t, srv)
	for _, view := range []mojo.Sessions{srv.CurrentSessions(), srv.LoggedInSessions(), ch.CurrentSessions()} {
		require.ErrorIs(t, view.Get("s").Revoke(t.Context(), mojo.Revocation{}), mojo.ErrServerClosed)
	}
}

// Revoke removes a client that does not read from the views at once. The server
// closes its connection when a write has made no progress for PingTimeout.
func TestRevokeOfASlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		srv, ch := e2e.ChatServer(t, h)
		var conns []net.Conn // the server's ends of the connections
		site := siotest.ServeServer(t, siotest.Memory, &http.Server{Handler: srv, ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			conns = append(conns, c)
			return ctx
		}})
		client := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: e2e.CookieHeader(e2e.SessionCookie("s")), ReadBuffer: 1 << 10})
		client.Connect(e2e.ChatNamespace, nil)
		client.Engine.Pause()
		for range 10 {
			require.NoError(t, ch.Emit("event", strings.Repeat("x", 10<<10)))
		}
		synctest.Wait()
		began := time.Now()

		require.NoError(t, srv.CurrentSessions().Get("s").Revoke(t.Context(), mojo.Revocation{}))

		require.Zero(t, time.Since(began))
		require.Equal(t, mojo.ReasonRevoked, e2e.Await(t, h.Ended).Reason)
		e2e.RequireEmptyViews(t, srv, ch)
		time.Sleep(20 * time.Second) // the PingTimeout
		require.Len(t, conns, 1)
		_, err := conns[0].Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
