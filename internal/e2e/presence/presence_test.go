package presence

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// presenceApp is an App that records the calls of OnPresence.
type presenceApp struct {
	*e2e.App
	edges chan mojo.Presence
}

// newPresenceApp returns a presenceApp that accepts everybody.
func newPresenceApp() *presenceApp {
	return &presenceApp{e2e.NewApp(), make(chan mojo.Presence, 100_000)}
}

func (a *presenceApp) OnPresence(_ *mojo.Channel, p mojo.Presence) { a.edges <- p }

// presenceSite serves a site with the apps Chat and News. The map has the edges
// of each by its name, and those of the whole Server by "".
func presenceSite(t testing.TB, n siotest.Network, opts mojo.Options) (*mojo.Server, *siotest.Site, map[string]chan mojo.Presence) {
	t.Helper()
	chat, news, all := newPresenceApp(), newPresenceApp(), make(chan mojo.Presence, 100_000)
	opts.Cookies = e2e.NewCookies(t, mojo.CookieOptions{})
	opts.OnPresence = func(p mojo.Presence) { all <- p }
	srv := e2e.NewServer(t, opts)
	e2e.Register(t, srv, "Chat", chat)
	e2e.Register(t, srv, "News", news)
	return srv, siotest.Serve(t, n, srv), map[string]chan mojo.Presence{"": all, "Chat": chat.edges, "News": news.edges}
}

// user returns the edge of a user.
func user(id string, online bool) mojo.Presence {
	return mojo.Presence{Kind: mojo.UserPresence, ID: id, Online: online}
}

// session returns the edge of a session.
func session(id string, online bool) mojo.Presence {
	return mojo.Presence{Kind: mojo.SessionPresence, ID: id, Online: online}
}

// expectEdges requires that the next edges are these, in any order.
func expectEdges(t testing.TB, edges <-chan mojo.Presence, want ...mojo.Presence) {
	t.Helper()
	got := make([]mojo.Presence, len(want))
	for i := range got {
		got[i] = e2e.Await(t, edges)
	}
	require.ElementsMatch(t, want, got)
}

const tabs = 32

// openAndClose opens the tabs of one user, in four sessions, on one app or on
// both, and closes them in another order at the same time.
func openAndClose(t testing.TB, site *siotest.Site, name string) {
	t.Helper()
	var wg sync.WaitGroup
	var opened [tabs]chan struct{}
	for i := range opened {
		opened[i] = make(chan struct{})
	}
	for i, other := range rand.Perm(tabs) {
		header := e2e.CookieHeader(e2e.SessionCookie(fmt.Sprint(name, "/", i/2%4)), e2e.LoginCookie(name))
		wg.Go(func() {
			defer close(opened[i])
			client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: e2e.Transports[i%3], Header: header})
			if err != nil {
				t.Error(err)
				return
			}
			client.Connect(e2e.ChatNamespace, nil)
			if i%2 == 0 {
				news := client.Connect("/NewsSocket", nil)
				if i%4 == 0 {
					news.Disconnect()
				}
			}
			wg.Go(func() {
				<-opened[other]
				if client.Engine.Transport() == "websocket" && i%5 == 0 {
					client.Engine.Drop()
					return
				}
				client.Close()
			})
		})
	}
	wg.Wait()
}

// requireOnceEach requires that the user and the sessions of each round came
// online once and then went offline once.
func requireOnceEach(t testing.TB, edges chan mojo.Presence, rounds int) {
	t.Helper()
	close(edges)
	told := make(map[string][]bool)
	for p := range edges {
		require.Equal(t, strings.Contains(p.ID, "/"), p.Kind == mojo.SessionPresence)
		told[p.ID] = append(told[p.ID], p.Online)
	}
	require.Len(t, told, rounds*5)
	for id, list := range told {
		require.Equal(t, []bool{true, false}, list, id)
	}
}

// With tabs that open and close in any order, there is one edge when the first
// tab has opened, and one when the last has been closed for PresenceGrace.
func TestPresenceOfManyTabs(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		srv, site, edges := presenceSite(t, n, mojo.Options{Timeouts: mojo.Timeouts{PresenceGrace: 24 * time.Hour}})
		total := e2e.Rounds(1000)
		if n != siotest.TCP {
			total /= 4
		}
		for round := range total {
			openAndClose(t, site, fmt.Sprint("u", round))
		}
		for name, ch := range edges {
			require.Len(t, ch, total*5, "the grace is not over: %s", name)
		}

		e2e.Shutdown(t, srv) // ends the grace

		for _, ch := range edges {
			requireOnceEach(t, ch, total)
		}
		e2e.RequireNobody(t, srv)
	})
}

// The grace ends by itself, at its time.
func TestPresenceOfManyTabsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, site, edges := presenceSite(t, siotest.Memory, mojo.Options{})
		total := e2e.Rounds(1000)
		for round := range total {
			name := fmt.Sprint("u", round)
			openAndClose(t, site, name)
			synctest.Wait()
			require.Zero(t, srv.LoggedInSessions().Len())
			require.Equal(t, []string{name}, srv.LoggedInSessions().Online(name))

			time.Sleep(5 * time.Second)
			synctest.Wait()

			require.Empty(t, srv.LoggedInSessions().Online(name))
			for name, ch := range edges {
				require.Len(t, ch, (round+1)*10, name)
			}
		}
		for _, ch := range edges {
			requireOnceEach(t, ch, total)
		}
	})
}

// A reload makes no edge. A longer absence makes two, the first when the grace
// ends.
func TestPresenceGrace(t *testing.T) {
	for _, transport := range e2e.Transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const grace = 3 * time.Second
				srv, site, edges := presenceSite(t, siotest.Memory, mojo.Options{Timeouts: mojo.Timeouts{PresenceGrace: grace}})
				chat, _ := srv.Channel("Chat")
				open := func() *siotest.Client {
					client := e2e.Dial(t, site, transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
					client.Connect(e2e.ChatNamespace, nil)
					return client
				}
				shut := func(client *siotest.Client) {
					client.Close()
					synctest.Wait()
					require.False(t, srv.LoggedInSessions().Has("ann"))
				}
				views := []mojo.Sessions{srv.LoggedInSessions(), chat.LoggedInSessions()}
				client := open()
				for _, name := range []string{"", "Chat"} {
					expectEdges(t, edges[name], user("ann", true), session("s", true))
				}

				for range 20 { // together they last longer than the grace
					shut(client)
					time.Sleep(grace - time.Second) // an upgrade takes time, too
					for _, view := range views {
						require.Equal(t, []string{"ann", "ann"}, view.Online("bob", "ann", "", "ann"))
					}
					client = open()
				}
				require.Empty(t, edges[""])
				shut(client)
				begun := time.Now()
				expectEdges(t, edges[""], user("ann", false), session("s", false))
				require.Equal(t, grace, time.Since(begun))
				expectEdges(t, edges["Chat"], user("ann", false), session("s", false))
				for _, view := range views {
					require.Empty(t, view.Online("ann", "bob"))
				}
				client = open()
				expectEdges(t, edges[""], user("ann", true), session("s", true))
				client.Close()
				require.Empty(t, edges["News"])
			})
		})
	}
}

// A visitor who moves from one app to another stays online on the Server, and
// each app gets its edges.
func TestPresencePerApp(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, edges := presenceSite(t, n, mojo.Options{Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}})
		chat, _ := srv.Channel("Chat")
		news, _ := srv.Channel("News")
		client := e2e.Dial(t, site, transport, e2e.SessionCookie("s"))
		client.Connect("/NewsSocket", nil)
		expectEdges(t, edges["News"], session("s", true))
		for range 3 {
			socket := client.Connect(e2e.ChatNamespace, nil)
			expectEdges(t, edges["Chat"], session("s", true))
			require.Equal(t, []string{"s"}, chat.CurrentSessions().Online("s"))
			socket.Disconnect()
			expectEdges(t, edges["Chat"], session("s", false))
			require.Empty(t, chat.CurrentSessions().Online("s"))
		}
		require.Equal(t, []string{"s"}, news.CurrentSessions().Online("s"))
		client.Close()
		expectEdges(t, edges["News"], session("s", false))
		expectEdges(t, edges[""], session("s", true), session("s", false))
		require.Empty(t, edges["Chat"])
	})
}

// Connections that are refused, or not accepted yet, make no edge.
func TestPresenceOfRefused(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newPresenceApp()
		inside, goOn := make(chan struct{}), make(chan error)
		h.Connect = func(*mojo.Conn) error {
			inside <- struct{}{}
			return <-goOn
		}
		srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}})
		ch := e2e.Register(t, srv, "Chat", h)
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
		for range 3 {
			client.SendConnect(e2e.ChatNamespace, nil)
			e2e.Await(t, inside)
			require.Empty(t, srv.LoggedInSessions().Online("ann"))
			goOn <- e2e.ErrSecret
			_, refusal := client.AwaitConnect(e2e.ChatNamespace)
			require.NotNil(t, refusal)
			require.Empty(t, ch.CurrentSessions().Online("s"))
		}
		client.SendConnect(e2e.ChatNamespace, nil)
		e2e.Await(t, inside)
		client.Close()
		goOn <- e2e.ErrSecret
		e2e.Shutdown(t, srv)
		require.Empty(t, h.edges)
	})
}

// A user comes online with LogIn and goes offline after LogOut. A session that
// gets another id is one that goes and one that comes; so is a user. A user who
// gets another session id makes no edge.
func TestPresenceOfLogIn(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, edges := presenceSite(t, n, mojo.Options{Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}})
		b := e2e.NewBrowser(t, site, e2e.SessionCookie("s0"))
		first, second := b.Dial(transport), b.Dial(transport)
		sockets := []*siotest.Socket{first.Connect(e2e.ChatNamespace, nil), second.Connect(e2e.ChatNamespace, nil)}
		expectEdges(t, edges[""], session("s0", true))
		expectEdges(t, edges["Chat"], session("s0", true))

		require.NoError(t, srv.Rebind(t.Context(), "s0", mojo.Identity{SessionID: "s1", UserID: "ann"}))
		e2e.FollowLogin(t, site, e2e.CookieHeader(e2e.SessionCookie("s1"), e2e.LoginCookie("ann")), sockets...)
		for _, name := range []string{"", "Chat"} {
			expectEdges(t, edges[name], session("s1", true), user("ann", true), session("s0", false))
		}
		require.NoError(t, srv.Rebind(t.Context(), "s1", mojo.Identity{SessionID: "s2", UserID: "ann"}))
		for _, name := range []string{"", "Chat"} {
			expectEdges(t, edges[name], session("s2", true), session("s1", false))
		}
		first.Engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie("s2"), e2e.LoginCookie("ann"))) // to receive the next events
		second.Engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie("s2"), e2e.LoginCookie("ann")))
		require.NoError(t, srv.Rebind(t.Context(), "s2", mojo.Identity{SessionID: "s2b", UserID: "bob"}))
		e2e.FollowLogin(t, site, e2e.CookieHeader(e2e.SessionCookie("s2b"), e2e.LoginCookie("bob")), sockets...)
		for _, name := range []string{"", "Chat"} {
			expectEdges(t, edges[name], session("s2b", true), session("s2", false), user("bob", true), user("ann", false))
		}
		require.NoError(t, srv.Rebind(t.Context(), "s2b", mojo.Identity{SessionID: "s3"}))
		for _, name := range []string{"", "Chat"} {
			expectEdges(t, edges[name], session("s3", true), session("s2b", false), user("bob", false))
		}
		require.Equal(t, []string{"s3"}, srv.CurrentSessions().Online("s0", "s1", "s2", "s3"))
		require.NoError(t, srv.CurrentSessions().Get("s3").Revoke(t.Context(), mojo.Revocation{}))
		expectEdges(t, edges[""], session("s3", false))
		require.Empty(t, edges["News"])
	})
}

// When Shutdown returns, everybody is offline and each OnPresence has returned.
func TestPresenceAtShutdown(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, edges := presenceSite(t, n, mojo.Options{Timeouts: mojo.Timeouts{PresenceGrace: 24 * time.Hour}})
		e2e.Dial(t, site, transport, e2e.SessionCookie("here"), e2e.LoginCookie("ann")).Connect(e2e.ChatNamespace, nil)
		gone := e2e.Dial(t, site, transport, e2e.SessionCookie("gone"))
		gone.Connect(e2e.ChatNamespace, nil)
		gone.Close()

		e2e.Shutdown(t, srv)

		require.Empty(t, srv.CurrentSessions().Online("here", "gone"))
		for _, name := range []string{"", "Chat"} {
			close(edges[name])
			require.ElementsMatch(t, []mojo.Presence{
				session("here", true), user("ann", true), session("gone", true),
				session("here", false), user("ann", false), session("gone", false),
			}, slices.Collect(func(yield func(mojo.Presence) bool) {
				for p := range edges[name] {
					yield(p)
				}
			}))
		}
	})
}

// An OnPresence that panics or calls runtime.Goexit does not affect later
// calls, and the panic is logged.
func TestOnPresenceMayFail(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		log, told := new(e2e.Log), make(chan mojo.Presence, 100)
		srv := e2e.NewServer(t, mojo.Options{
			Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}, Logger: log.Logger(),
			OnPresence: func(p mojo.Presence) {
				told <- p
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
			expectEdges(t, told, session("s", true), user("ann", true))
			socket.Disconnect()
			expectEdges(t, told, session("s", false), user("ann", false))
		}
		client.Connect(e2e.ChatNamespace, nil).ExpectNothing()
		e2e.Shutdown(t, srv)
		expectEdges(t, told, session("s", true), user("ann", true), session("s", false), user("ann", false))
		require.Contains(t, log.String(), `msg="mojo: a handler panicked" callback=OnPresence panic="of s"`)
	})
}

// An OnPresence that blocks delays nothing but later edges, and Shutdown as
// long as its context allows.
func TestOnPresenceMayBlock(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		goOn, told := make(chan struct{}), make(chan mojo.Presence, 100)
		srv := e2e.NewServer(t, mojo.Options{
			Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond},
			OnPresence: func(p mojo.Presence) {
				<-goOn
				told <- p
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
		require.Empty(t, told)
		close(goOn)
		e2e.Shutdown(t, srv)
		require.Len(t, told, 10)
		for i := range 5 { // in their order
			require.Equal(t, session(fmt.Sprint(i), true), nextOnline(t, told))
		}
	})
}

// nextOnline returns the next edge, which must be of a user or session that
// came online.
func nextOnline(t testing.TB, edges <-chan mojo.Presence) mojo.Presence {
	for {
		if p := e2e.Await(t, edges); p.Online {
			return p
		}
	}
}

// OnPresence may call any method of the Server.
func TestOnPresenceCallsBack(t *testing.T) {
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

		expectEdges(t, done, session("s", true), session("s", false), session("s2", true), session("s2", false),
			user("ann", true), user("ann", false), session("s3", true), session("s3", false))
		client.Engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie("s3")))

		require.NotEmpty(t, online)
		require.Equal(t, "hello", socket.Next().Name)
		require.Equal(t, "who", socket.Next().Name)
		require.Equal(t, mojo.RevokedEvent, e2e.LastEvent(socket).Name)
	})
}
