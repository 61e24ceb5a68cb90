package mojo

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

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestRevoke, of a session, a user, a user but for one session, and one app of a user: who is meant gets the event and
// then the close, is in no index when the call has returned, and gets in no more with the same cookies. The others
// stay.
func TestRevoke(t *testing.T) {
	for name, test := range map[string]struct {
		revoke func(w *town, why Revocation) error
		closed []string // sockets
		app    bool     // only of an app
	}{
		"session": {
			func(w *town, why Revocation) error { return w.srv.CurrentSessions().Get("s1").Revoke(t.Context(), why) },
			[]string{"tab1", "tab1/news", "tab2"},
			false,
		},
		"user": {
			func(w *town, why Revocation) error {
				return w.srv.LoggedInSessions().Get("ann").Revoke(t.Context(), why)
			},
			[]string{"tab1", "tab1/news", "tab2", "phone"},
			false,
		},
		"user but for a session": {
			func(w *town, why Revocation) error {
				return w.srv.LoggedInSessions().Get("ann").RevokeExcept(t.Context(), "s1", why)
			},
			[]string{"phone"},
			false,
		},
		"session of an app": {
			func(w *town, why Revocation) error {
				return w.news.CurrentSessions().Get("s1").Revoke(t.Context(), why)
			},
			[]string{"tab1/news"},
			true,
		},
		"user of an app": {
			func(w *town, why Revocation) error {
				return w.chat.LoggedInSessions().Get("ann").Revoke(t.Context(), why)
			},
			[]string{"tab1", "tab2", "phone"},
			true,
		},
		"user of an app but for a session": {
			func(w *town, why Revocation) error {
				return w.chat.LoggedInSessions().Get("ann").RevokeExcept(t.Context(), "s1", why)
			},
			[]string{"phone"},
			true,
		},
		"nobody": {
			func(w *town, why Revocation) error {
				return errorsOf(w.srv.CurrentSessions().Get("").Revoke(t.Context(), why), Session{}.Revoke(t.Context(), why),
					w.srv.CurrentSessions().Get("s1").RevokeExcept(t.Context(), "s1", why), w.srv.LoggedInSessions().Get("s1").Revoke(t.Context(), why))
			},
			nil, false,
		},
	} {
		for _, why := range []Revocation{{}, {Code: 5001, Reason: "banned", Reconnect: true}} {
			t.Run(fmt.Sprint(name, why), func(t *testing.T) {
				everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
					w := newTown(t, n, transport)
					code, reason := why.Code, why.Reason
					if code == 0 {
						code, reason = CodeRevoked, ReasonRevoked
					}

					require.NoError(t, test.revoke(w, why))

					require.Equal(t, 8-len(test.closed), w.chat.Len()+w.news.Len())
					require.NoError(t, w.srv.CurrentSessions().Emit("still here"))
					meant := make(map[string]bool)
					for _, name := range test.closed {
						meant[name] = true
						socket := w.sockets[name]
						socket.Expect(RevokedEvent, notice(code, reason, why.Reconnect))
						end := socket.AwaitDisconnected()
						require.Zero(t, socket.Waiting())
						require.Equal(t, !why.Reconnect || test.app, end == siotest.ReasonServerDisconnect, end)
						require.Equal(t, reason, await(t, w.app.ended).reason)
					}
					for name, socket := range w.sockets {
						if !meant[name] && name != "nobody" {
							socket.Expect("still here")
							socket.ExpectNothing()
						}
					}
					require.Empty(t, w.app.ended)
					w.drain()
					for name, session := range map[string]string{"tab1": "s1", "tab2": "s1", "phone": "s2"} {
						gone := meant[name] && !test.app
						if gone {
							w.clients[name].Engine.AwaitClosed()
						}
						again, err := siotest.TryDial(t.Context(), w.site, siotest.Options{Transport: transport, Header: as(inSession(session), asUser("ann"))})
						if gone && !why.Reconnect {
							require.ErrorContains(t, err, "403")
							require.Equal(t, Identity{}, w.srv.Identity(cookieRequest(inSession(session), asUser("ann"))))
							continue
						}
						require.NoError(t, err)
						again.SendConnect(chatNamespace, nil)
						back := await(t, w.app.accepted)
						require.Equal(t, session, back.SessionID())
						require.Equal(t, "ann", back.UserID())
					}
				})
			})
		}
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestRevokedClientOfAnAppMayComeBack as its OnConnect decides, on the same connection.
func TestRevokedClientOfAnAppMayComeBack(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		w := newTown(t, n, transport)
		require.NoError(t, w.chat.LoggedInSessions().Get("ann").Revoke(t.Context(), Revocation{}))
		require.Equal(t, siotest.ReasonServerDisconnect, w.sockets["tab1"].AwaitDisconnected())
		again := w.clients["tab1"].Connect(chatNamespace, nil)
		require.NoError(t, w.srv.LoggedInSessions().Get("ann").Emit("note"))
		again.Expect("note")
		w.sockets["tab1/news"].Expect("note")
	})
}

// TestRevokeReachesAPollThatComesLater: a client that was not waiting fetches the event with its next poll.
func TestRevokeReachesAPollThatComesLater(t *testing.T) {
	for name, session := range map[string]func(*Server) Session{
		"session": func(srv *Server) Session { return srv.CurrentSessions().Get("s") },
		"user":    func(srv *Server) Session { return srv.LoggedInSessions().Get("ann") },
	} {
		t.Run(name, func(t *testing.T) {
			siotest.Each(t, func(t *testing.T, n siotest.Network) {
				h := newApp()
				srv, _ := chatServer(t, h)
				site := siotest.Serve(t, n, srv)
				client := siotest.Dial(t, site, siotest.Options{ManualPoll: true, Header: as(inSession("s"), asUser("ann"))})
				client.SendConnect(chatNamespace, nil)
				await(t, h.accepted)
				client.Engine.Poll()

				require.NoError(t, session(srv).Revoke(t.Context(), Revocation{}))

				status, payload := client.Engine.Poll()
				require.Equal(t, http.StatusOK, status)
				require.Equal(t, `42/ChatSocket,["mojo:revoked",{"code":4001,"reason":"session revoked","reconnect":false}]`+
					"\x1e41/ChatSocket,", payload)
				await(t, h.ended)
			})
		})
	}
}

// TestRevokeOfWhoIsAway: the id is refused until its cookie has expired, and EnsureSession gives the browser another
// at once.
func TestRevokeOfWhoIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, site := loginSite(t, siotest.Memory, newApp())
		b := newBrowser(t, site)
		old, _ := b.whoIs("/who")
		stale := b.header()
		require.NoError(t, srv.CurrentSessions().Get(old).Revoke(t.Context(), Revocation{}))
		require.Equal(t, Identity{}, srv.Identity(cookieRequest(stale.Get("Cookie"))))
		refused := func() bool {
			_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: "websocket", Header: stale})
			return err != nil && strings.Contains(err.Error(), "403")
		}
		require.True(t, refused())

		now, _ := b.whoIs("/who")

		require.NotEmpty(t, now)
		require.NotEqual(t, old, now)
		b.dial("websocket").Connect(chatNamespace, nil)
		require.True(t, srv.CurrentSessions().Has(now))
		time.Sleep(cookieTestMaxAge - time.Second)
		require.True(t, refused())
		time.Sleep(2 * time.Second)
		require.False(t, refused())
	})
}

// TestRevokedSessionTakesItsLoginAlong, also one that is not bound to it: the browser stays logged out.
func TestRevokedSessionTakesItsLoginAlong(t *testing.T) {
	srv, site := loginSite(t, siotest.Memory, newApp())
	b := newBrowser(t, site)
	old, _ := b.whoIs("/who")
	name, value, _ := strings.Cut(asUser("ann"), "=")
	b.cookies[name] = value
	_, user := b.whoIs("/who")
	require.Equal(t, "ann", user)

	require.NoError(t, srv.CurrentSessions().Get(old).Revoke(t.Context(), Revocation{}))

	for range 2 {
		session, user := b.whoIs("/who")
		require.NotContains(t, []string{"", old}, session)
		require.Empty(t, user)
	}
}

// TestRevokedLogins: those that were written before do not count, in browsers that are not connected either; those of
// later do.
func TestRevokedLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, site := loginSite(t, siotest.Memory, newApp())
		laptop, phone, other := newBrowser(t, site), newBrowser(t, site), newBrowser(t, site)
		laptop.visit("/login?user=ann")
		phone.visit("/login?user=ann")
		other.visit("/login?user=bob")
		lone, kept := asUser("ann"), inSession("kept")
		session, _ := phone.whoIs("/who")

		require.NoError(t, srv.LoggedInSessions().Get("ann").RevokeExcept(t.Context(), "kept", Revocation{}))

		now, user := phone.whoIs("/who")
		require.Equal(t, session+" ", now+" "+user, "its session was not connected, and stays")
		_, user = other.whoIs("/who")
		require.Equal(t, "bob", user)
		require.Empty(t, srv.Identity(cookieRequest(lone)).UserID)
		require.Equal(t, "ann", srv.Identity(cookieRequest(lone, kept)).UserID)
		guest := laptop.dial("polling").Connect(chatNamespace, nil)
		guest.Barrier()
		require.False(t, srv.LoggedInSessions().Has("ann"))
		_, user = phone.whoIs("/login?user=ann") // within the same second
		require.Equal(t, "ann", user)
		_, user = phone.whoIs("/who")
		require.Equal(t, "ann", user)

		require.NoError(t, srv.LoggedInSessions().Get("ann").Revoke(t.Context(), Revocation{}))
		_, user = phone.whoIs("/who")
		require.Empty(t, user)
		time.Sleep(time.Second)
		require.Empty(t, srv.Identity(cookieRequest(lone, kept)).UserID)
		require.Equal(t, "ann", srv.Identity(cookieRequest(asUser("ann"))).UserID, "it is a new one")
		laptop.visit("/login?user=ann")
		laptop.dial("polling").Connect(chatNamespace, nil)
		require.True(t, srv.LoggedInSessions().Has("ann"))
	})
}

// TestReboundLoginsCount, in the second of a Revoke, too.
func TestReboundLoginsCount(t *testing.T) {
	srv, _ := chatServer(t, newApp())
	require.NoError(t, srv.LoggedInSessions().Get("ann").Revoke(t.Context(), Revocation{}))
	require.NoError(t, srv.Rebind(t.Context(), "s", Identity{SessionID: "t", UserID: "ann"}))
	require.Equal(t, "ann", srv.Identity(cookieRequest(inSession("t"), asUser("ann"))).UserID)
}

// TestRevokeInHandlers, of whom they run for.
func TestRevokeInHandlers(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		var srv *Server
		var browser atomic.Pointer[siotest.Client]
		logIn := func(c *Conn) http.Header {
			w := httptest.NewRecorder()
			if err := srv.LogIn(w, cookieRequest(inSession(c.SessionID())), "ann"); err != nil {
				t.Error(err)
			}
			return returned(w).Header
		}
		h.connect = func(c *Conn) error {
			browser.Load().Engine.SetHeader(logIn(c))
			return nil
		}
		h.message = func(c *Conn, m *Message) {
			browser.Load().Engine.SetHeader(logIn(c))
			if err := srv.LoggedInSessions().Get(c.UserID()).Revoke(t.Context(), Revocation{}); err != nil {
				t.Error(err)
			}
			_ = m.Ack("too late")
		}
		h.disconnect = func(c *Conn, _ Reason) {
			if err := srv.CurrentSessions().Get(c.SessionID()).Revoke(t.Context(), Revocation{}); err != nil {
				t.Error(err)
			}
			logIn(c)
		}
		srv, ch := chatServer(t, h)
		register(t, srv, "News", h)
		client := dial(t, siotest.Serve(t, n, srv), transport, inSession("s"), asUser("ann"))
		browser.Store(client)
		socket, other := client.Connect(chatNamespace, nil), client.Connect("/NewsSocket", nil)

		socket.Ask("revoke")
		socket.Ask("not handled any more")

		for _, s := range []*siotest.Socket{socket, other} {
			s.Expect(RevokedEvent, notice(CodeRevoked, ReasonRevoked, false))
			require.Equal(t, siotest.ReasonServerDisconnect, s.AwaitDisconnected())
			require.Equal(t, ReasonRevoked, await(t, h.ended).reason)
		}
		requireEmpty(t, srv, ch)
		shutdown(t, srv)
	})
}

// TestRevokeAfterShutdown is an error.
func TestRevokeAfterShutdown(t *testing.T) {
	srv, ch := chatServer(t, newApp())
	shutdown(t, srv)
	for _, view := range []Sessions{srv.CurrentSessions(), srv.LoggedInSessions(), ch.CurrentSessions()} {
		require.ErrorIs(t, view.Get("s").Revoke(t.Context(), Revocation{}), ErrServerClosed)
	}
}

// TestRevokeOfASlowClient, which does not read: it is in no index at once, and is cut when a write has made no
// progress.
func TestRevokeOfASlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		srv, ch := chatServer(t, h)
		var conns []net.Conn // the server's ends
		site := siotest.ServeServer(t, siotest.Memory, &http.Server{Handler: srv, ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			conns = append(conns, c)
			return ctx
		}})
		client := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: as(inSession("s")), ReadBuffer: 1 << 10})
		client.Connect(chatNamespace, nil)
		client.Engine.Pause()
		for range 10 {
			require.NoError(t, ch.Emit("event", strings.Repeat("x", 10<<10)))
		}
		synctest.Wait()
		began := time.Now()

		require.NoError(t, srv.CurrentSessions().Get("s").Revoke(t.Context(), Revocation{}))

		require.Zero(t, time.Since(began))
		require.Equal(t, ReasonRevoked, await(t, h.ended).reason)
		requireEmpty(t, srv, ch)
		time.Sleep(20 * time.Second) // the PingTimeout
		require.Len(t, conns, 1)
		_, err := conns[0].Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
