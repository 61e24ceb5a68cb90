package mojo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// rounds is how often a test of chance is repeated: n times with MOJO_LONG=1, and fewer otherwise.
func rounds(n int) int {
	if os.Getenv("MOJO_LONG") == "1" {
		return n
	}
	return n / 50
}

// presenceApp is an app that keeps the edges it is told.
type presenceApp struct {
	*app
	edges chan Presence
}

func newPresenceApp() *presenceApp {
	return &presenceApp{newApp(), make(chan Presence, 100_000)}
}

func (a *presenceApp) OnPresence(_ *Channel, p Presence) { a.edges <- p }

// presenceSite is a site with the apps Chat and News that keeps all edges: those of the whole server, of Chat and of
// News.
func presenceSite(t testing.TB, n siotest.Network, opts Options) (*Server, *siotest.Site, map[string]chan Presence) {
	t.Helper()
	chat, news, all := newPresenceApp(), newPresenceApp(), make(chan Presence, 100_000)
	opts.Cookies = newTestCookies(t, CookieOptions{})
	opts.OnPresence = func(p Presence) { all <- p }
	srv := newTestServer(t, opts)
	register(t, srv, "Chat", chat)
	register(t, srv, "News", news)
	return srv, siotest.Serve(t, n, srv), map[string]chan Presence{"": all, "Chat": chat.edges, "News": news.edges}
}

func user(id string, online bool) Presence    { return Presence{UserPresence, id, online} }
func session(id string, online bool) Presence { return Presence{SessionPresence, id, online} }

// expectEdges requires that the next edges are these, in any order.
func expectEdges(t testing.TB, edges <-chan Presence, want ...Presence) {
	t.Helper()
	got := make([]Presence, len(want))
	for i := range got {
		got[i] = await(t, edges)
	}
	require.ElementsMatch(t, want, got)
}

const tabs = 32

// openAndClose opens the tabs of one user, in four sessions, on one app or two, and closes them in another order, all
// at once.
func openAndClose(t testing.TB, site *siotest.Site, name string) {
	t.Helper()
	var wg sync.WaitGroup
	var opened [tabs]chan struct{}
	for i := range opened {
		opened[i] = make(chan struct{})
	}
	for i, other := range rand.Perm(tabs) {
		header := as(inSession(fmt.Sprint(name, "/", i/2%4)), asUser(name))
		wg.Go(func() {
			defer close(opened[i])
			client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transports[i%3], Header: header})
			if err != nil {
				t.Error(err)
				return
			}
			client.Connect(chatNamespace, nil)
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

// requireOnceEach requires that everybody of so many rounds came online once and then went offline once.
func requireOnceEach(t testing.TB, edges chan Presence, rounds int) {
	t.Helper()
	close(edges)
	told := make(map[string][]bool)
	for p := range edges {
		require.Equal(t, strings.Contains(p.ID, "/"), p.Kind == SessionPresence)
		told[p.ID] = append(told[p.ID], p.Online)
	}
	require.Len(t, told, rounds*5)
	for id, list := range told {
		require.Equal(t, []bool{true, false}, list, id)
	}
}

// TestPresenceOfManyTabs over real sockets: however they come and go, there is one edge when the first tab has come, and
// one when the last has gone and the grace is over.
func TestPresenceOfManyTabs(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		srv, site, edges := presenceSite(t, n, Options{Timeouts: Timeouts{PresenceGrace: 24 * time.Hour}})
		total := rounds(1000)
		if n != siotest.TCP {
			total /= 4
		}
		for round := range total {
			openAndClose(t, site, fmt.Sprint("u", round))
		}
		for name, ch := range edges {
			require.Len(t, ch, total*5, "the grace is not over: %s", name)
		}

		shutdown(t, srv) // ends the grace

		for _, ch := range edges {
			requireOnceEach(t, ch, total)
		}
		requireEmpty(t, srv)
	})
}

// TestPresenceOfManyTabsByTheClock is the same where the grace ends by itself, at its time.
func TestPresenceOfManyTabsByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, site, edges := presenceSite(t, siotest.Memory, Options{})
		total := rounds(1000)
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

// TestPresenceGrace: a reload makes no edge, a longer absence makes two, at the time when the grace is over.
func TestPresenceGrace(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const grace = 3 * time.Second
				srv, site, edges := presenceSite(t, siotest.Memory, Options{Timeouts: Timeouts{PresenceGrace: grace}})
				chat, _ := srv.Channel("Chat")
				open := func() *siotest.Client {
					client := dial(t, site, transport, inSession("s"), asUser("ann"))
					client.Connect(chatNamespace, nil)
					return client
				}
				shut := func(client *siotest.Client) {
					client.Close()
					synctest.Wait()
					require.False(t, srv.LoggedInSessions().Has("ann"))
				}
				views := []Sessions{srv.LoggedInSessions(), chat.LoggedInSessions()}
				client := open()
				for _, name := range []string{"", "Chat"} {
					expectEdges(t, edges[name], user("ann", true), session("s", true))
				}

				for range 20 { // longer together than the grace
					shut(client)
					time.Sleep(grace - time.Second) // an upgrade takes a moment, too
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

// TestPresencePerApp: who changes from one app to another stays online on the server, and is each time told to the app.
func TestPresencePerApp(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, edges := presenceSite(t, n, Options{Timeouts: Timeouts{PresenceGrace: time.Millisecond}})
		chat, _ := srv.Channel("Chat")
		news, _ := srv.Channel("News")
		client := dial(t, site, transport, inSession("s"))
		client.Connect("/NewsSocket", nil)
		expectEdges(t, edges["News"], session("s", true))
		for range 3 {
			socket := client.Connect(chatNamespace, nil)
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

// TestPresenceOfRefused connections, and of those that are not accepted yet, is none.
func TestPresenceOfRefused(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newPresenceApp()
		inside, goOn := make(chan struct{}), make(chan error)
		h.connect = func(*Conn) error {
			inside <- struct{}{}
			return <-goOn
		}
		srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), Timeouts: Timeouts{PresenceGrace: time.Millisecond}})
		ch := register(t, srv, "Chat", h)
		client := dial(t, siotest.Serve(t, n, srv), transport, inSession("s"), asUser("ann"))
		for range 3 {
			client.SendConnect(chatNamespace, nil)
			await(t, inside)
			require.Empty(t, srv.LoggedInSessions().Online("ann"))
			goOn <- errTest
			_, refusal := client.AwaitConnect(chatNamespace)
			require.NotNil(t, refusal)
			require.Empty(t, ch.CurrentSessions().Online("s"))
		}
		client.SendConnect(chatNamespace, nil)
		await(t, inside)
		client.Close()
		goOn <- errTest
		shutdown(t, srv)
		require.Empty(t, h.edges)
	})
}

// TestPresenceOfLogIn: a user comes online with LogIn and goes offline after LogOut. A session that gets another id, and
// a user who does, are one who comes and one who goes; the same user under a new session id has never been away.
func TestPresenceOfLogIn(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, edges := presenceSite(t, n, Options{Timeouts: Timeouts{PresenceGrace: time.Millisecond}})
		b := &browser{t: t, site: site, cookies: map[string]string{"session_id": strings.TrimPrefix(inSession("s0"), "session_id=")}}
		first, second := b.dial(transport), b.dial(transport)
		sockets := []*siotest.Socket{first.Connect(chatNamespace, nil), second.Connect(chatNamespace, nil)}
		expectEdges(t, edges[""], session("s0", true))
		expectEdges(t, edges["Chat"], session("s0", true))

		require.NoError(t, srv.Rebind(t.Context(), "s0", Identity{SessionID: "s1", UserID: "ann"}))
		follow(t, site, as(inSession("s1"), asUser("ann")), sockets...)
		for _, name := range []string{"", "Chat"} {
			expectEdges(t, edges[name], session("s1", true), user("ann", true), session("s0", false))
		}
		require.NoError(t, srv.Rebind(t.Context(), "s1", Identity{SessionID: "s2", UserID: "ann"}))
		for _, name := range []string{"", "Chat"} {
			expectEdges(t, edges[name], session("s2", true), session("s1", false))
		}
		first.Engine.SetHeader(as(inSession("s2"), asUser("ann"))) // to read what comes next
		second.Engine.SetHeader(as(inSession("s2"), asUser("ann")))
		require.NoError(t, srv.Rebind(t.Context(), "s2", Identity{SessionID: "s2b", UserID: "bob"}))
		follow(t, site, as(inSession("s2b"), asUser("bob")), sockets...)
		for _, name := range []string{"", "Chat"} {
			expectEdges(t, edges[name], session("s2b", true), session("s2", false), user("bob", true), user("ann", false))
		}
		require.NoError(t, srv.Rebind(t.Context(), "s2b", Identity{SessionID: "s3"}))
		for _, name := range []string{"", "Chat"} {
			expectEdges(t, edges[name], session("s3", true), session("s2b", false), user("bob", false))
		}
		require.Equal(t, []string{"s3"}, srv.CurrentSessions().Online("s0", "s1", "s2", "s3"))
		require.NoError(t, srv.CurrentSessions().Get("s3").Revoke(t.Context(), Revocation{}))
		expectEdges(t, edges[""], session("s3", false))
		require.Empty(t, edges["News"])
	})
}

// TestPresenceAtShutdown: all are offline, and everybody has been told so, before it returns.
func TestPresenceAtShutdown(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, edges := presenceSite(t, n, Options{Timeouts: Timeouts{PresenceGrace: 24 * time.Hour}})
		dial(t, site, transport, inSession("here"), asUser("ann")).Connect(chatNamespace, nil)
		gone := dial(t, site, transport, inSession("gone"))
		gone.Connect(chatNamespace, nil)
		gone.Close()

		shutdown(t, srv)

		require.Empty(t, srv.CurrentSessions().Online("here", "gone"))
		for _, name := range []string{"", "Chat"} {
			close(edges[name])
			require.ElementsMatch(t, []Presence{
				session("here", true), user("ann", true), session("gone", true),
				session("here", false), user("ann", false), session("gone", false),
			}, slices.Collect(func(yield func(Presence) bool) {
				for p := range edges[name] {
					yield(p)
				}
			}))
		}
	})
}

// TestOnPresenceMayFail: one call that panics or ends its goroutine costs nobody else's, and the panic is logged.
func TestOnPresenceMayFail(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		log, told := new(journal), make(chan Presence, 100)
		srv := newTestServer(t, Options{
			Cookies: newTestCookies(t, CookieOptions{}), Timeouts: Timeouts{PresenceGrace: time.Millisecond}, Logger: log.logger(),
			OnPresence: func(p Presence) {
				told <- p
				if p.Kind == SessionPresence {
					panic("of " + p.ID)
				}
				new(testing.T).SkipNow() // runtime.Goexit
			},
		})
		h := newApp()
		register(t, srv, "Chat", h)
		client := dial(t, siotest.Serve(t, n, srv), transport, inSession("s"), asUser("ann"))
		for range 3 {
			socket := client.Connect(chatNamespace, nil)
			expectEdges(t, told, session("s", true), user("ann", true))
			socket.Disconnect()
			expectEdges(t, told, session("s", false), user("ann", false))
		}
		client.Connect(chatNamespace, nil).ExpectNothing()
		shutdown(t, srv)
		expectEdges(t, told, session("s", true), user("ann", true), session("s", false), user("ann", false))
		require.Contains(t, log.String(), `msg="mojo: a handler panicked" callback=OnPresence panic="of s"`)
	})
}

// TestOnPresenceMayBlock: nobody waits for it but those who want to be told as well, and Shutdown, as long as its
// context allows.
func TestOnPresenceMayBlock(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		goOn, told := make(chan struct{}), make(chan Presence, 100)
		srv := newTestServer(t, Options{
			Cookies: newTestCookies(t, CookieOptions{}), Timeouts: Timeouts{PresenceGrace: time.Millisecond},
			OnPresence: func(p Presence) {
				<-goOn
				told <- p
			},
		})
		register(t, srv, "Chat", newApp())
		site := siotest.Serve(t, n, srv)
		for i := range 5 {
			client := dial(t, site, transport, inSession(fmt.Sprint(i)))
			client.Connect(chatNamespace, nil).ExpectNothing()
			client.Close()
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, srv.Shutdown(ctx), ctx.Err())
		require.Empty(t, told)
		close(goOn)
		shutdown(t, srv)
		require.Len(t, told, 10)
		for i := range 5 { // in the order in which they came
			require.Equal(t, session(fmt.Sprint(i), true), nextOnline(t, told))
		}
	})
}

func nextOnline(t testing.TB, edges <-chan Presence) Presence {
	for {
		if p := await(t, edges); p.Online {
			return p
		}
	}
}

// TestOnPresenceCallsBack into the Server, with all that a site might do there.
func TestOnPresenceCallsBack(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var srv *Server
		online := make(chan []string, 100)
		done, connected := make(chan Presence, 100), make(chan struct{})
		act := func(p Presence) {
			<-connected
			online <- srv.CurrentSessions().Online("s", "s2")
			switch {
			case p == session("s", true):
				_ = srv.CurrentSessions().Emit("hello")
				_ = srv.CurrentSessions().Get("s").Emit("who", "you")
				_ = srv.Rebind(t.Context(), "s", Identity{SessionID: "s2", UserID: "ann"})
			case p == user("ann", true):
				_ = srv.LoggedInSessions().Emit("hello", "ann")
				_ = srv.Rebind(t.Context(), "s2", Identity{SessionID: "s3"})
			case p == session("s3", true):
				_ = srv.CurrentSessions().Get("s3").Revoke(t.Context(), Revocation{})
			}
			done <- p
		}
		srv = newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), Timeouts: Timeouts{PresenceGrace: time.Millisecond}, OnPresence: act})
		register(t, srv, "Chat", newApp())
		client := dial(t, siotest.Serve(t, n, srv), transport, inSession("s"), asUser("ann"))
		socket := client.Connect(chatNamespace, nil)
		close(connected)

		expectEdges(t, done, session("s", true), session("s", false), session("s2", true), session("s2", false),
			user("ann", true), user("ann", false), session("s3", true), session("s3", false))
		client.Engine.SetHeader(as(inSession("s3")))

		require.NotEmpty(t, online)
		require.Equal(t, "hello", socket.Next().Name)
		require.Equal(t, "who", socket.Next().Name)
		require.Equal(t, RevokedEvent, lastEvent(socket).Name)
	})
}

// lastEvent reads until the socket has ended, and returns the last event there was.
func lastEvent(s *siotest.Socket) (last siotest.Event) {
	s.AwaitDisconnected()
	for s.Waiting() > 0 {
		last = s.Next()
	}
	return last
}
