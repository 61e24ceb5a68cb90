package presence

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// An OnPresence that panics or calls runtime.Goexit does not affect later
// calls, and the panic is logged.
func TestOnPresenceMayFail(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		log, reports := new(e2e.Log), make(chan mojo.Presence, 100)
		srv := e2e.NewServer(t, mojo.Options{
			Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}, Logger: log.Logger(),
			OnPresence: func(p mojo.Presence) {
				reports <- p
				if p.Kind == mojo.SessionPresence {
					panic("of " + p.ID)
				}
				new(testing.T).SkipNow() // runtime.Goexit
			},
		})
		h := e2e.NewApp()
		e2e.Register(t, srv, "Chat", h)
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
		for range 3 {
			socket := client.Connect(e2e.ChatNamespace, nil)
			expectReports(t, reports, session("s", true), user("ann", true))
			socket.Disconnect()
			expectReports(t, reports, session("s", false), user("ann", false))
		}
		client.Connect(e2e.ChatNamespace, nil).ExpectNothing()
		e2e.Shutdown(t, srv)
		expectReports(t, reports, session("s", true), user("ann", true), session("s", false), user("ann", false))
		require.Contains(t, log.String(), `msg="mojo: a handler panicked" callback=OnPresence panic="of s"`)
	})
}

// An OnPresence that blocks delays only later reports, and Shutdown until its
// context ends.
func TestOnPresenceMayBlock(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		goOn, reports := make(chan struct{}), make(chan mojo.Presence, 100)
		srv := e2e.NewServer(t, mojo.Options{
			Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond},
			OnPresence: func(p mojo.Presence) {
				<-goOn
				reports <- p
			},
		})
		e2e.Register(t, srv, "Chat", e2e.NewApp())
		site := siotest.Serve(t, n, srv)
		for i := range 5 {
			client := e2e.Dial(t, site, transport, e2e.SessionCookie(fmt.Sprint(i)))
			client.Connect(e2e.ChatNamespace, nil).ExpectNothing()
			client.Close()
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, srv.Shutdown(ctx), ctx.Err())
		require.Empty(t, reports)
		close(goOn)
		e2e.Shutdown(t, srv)
		require.Len(t, reports, 10)
		for i := range 5 { // in their order
			require.Equal(t, session(fmt.Sprint(i), true), nextOnline(t, reports))
		}
	})
}

// nextOnline returns the next report of a user or session that came online.
func nextOnline(t testing.TB, reports <-chan mojo.Presence) mojo.Presence {
	for {
		if p := e2e.Await(t, reports); p.Online {
			return p
		}
	}
}

// OnPresence may call any method of the Server.
func TestOnPresenceMayCallTheServer(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var srv *mojo.Server
		online := make(chan []string, 100)
		done, connected := make(chan mojo.Presence, 100), make(chan struct{})
		act := func(p mojo.Presence) {
			<-connected
			online <- srv.CurrentSessions().Online("s", "s2")
			switch {
			case p == session("s", true):
				_ = srv.CurrentSessions().Emit("hello")
				_ = srv.CurrentSessions().Get("s").Emit("who", "you")
				_ = srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "s2", UserID: "ann"})
			case p == user("ann", true):
				_ = srv.LoggedInSessions().Emit("hello", "ann")
				_ = srv.Rebind(t.Context(), "s2", mojo.Identity{SessionID: "s3"})
			case p == session("s3", true):
				_ = srv.CurrentSessions().Get("s3").Revoke(t.Context(), mojo.Revocation{})
			}
			done <- p
		}
		srv = e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}, OnPresence: act})
		e2e.Register(t, srv, "Chat", e2e.NewApp())
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
		socket := client.Connect(e2e.ChatNamespace, nil)
		close(connected)

		expectReports(t, done, session("s", true), session("s", false), session("s2", true), session("s2", false),
			user("ann", true), user("ann", false), session("s3", true), session("s3", false))
		client.Engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie("s3")))

		require.NotEmpty(t, online)
		require.Equal(t, "hello", socket.Next().Name)
		require.Equal(t, "who", socket.Next().Name)
		require.Equal(t, mojo.RevokedEvent, e2e.LastEvent(socket).Name)
	})
}
