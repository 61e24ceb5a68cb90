package presence

import (
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
	reports chan mojo.Presence
}

// newPresenceApp returns a presenceApp that accepts every client.
func newPresenceApp() *presenceApp {
	return &presenceApp{e2e.NewApp(), make(chan mojo.Presence, 100_000)}
}

func (a *presenceApp) OnPresence(_ *mojo.Channel, p mojo.Presence) { a.reports <- p }

// presenceSite serves a site with the apps Chat and News. The map has the calls
// of OnPresence, called reports here: those of each app under its name, and
// those of Options.OnPresence under "".
func presenceSite(t testing.TB, n siotest.Network, opts mojo.Options) (*mojo.Server, *siotest.Site, map[string]chan mojo.Presence) {
	t.Helper()
	chat, news, all := newPresenceApp(), newPresenceApp(), make(chan mojo.Presence, 100_000)
	opts.Cookies = e2e.NewCookies(t, mojo.CookieOptions{})
	opts.OnPresence = func(p mojo.Presence) { all <- p }
	srv := e2e.NewServer(t, opts)
	e2e.Register(t, srv, "Chat", chat)
	e2e.Register(t, srv, "News", news)
	return srv, siotest.Serve(t, n, srv), map[string]chan mojo.Presence{"": all, "Chat": chat.reports, "News": news.reports}
}

// user returns the report of a user.
func user(id string, online bool) mojo.Presence {
	return mojo.Presence{Kind: mojo.UserPresence, ID: id, Online: online}
}

// session returns the report of a session.
func session(id string, online bool) mojo.Presence {
	return mojo.Presence{Kind: mojo.SessionPresence, ID: id, Online: online}
}

// expectReports requires that the next reports are these, in any order.
func expectReports(t testing.TB, reports <-chan mojo.Presence, want ...mojo.Presence) {
	t.Helper()
	got := make([]mojo.Presence, len(want))
	for i := range got {
		got[i] = e2e.Await(t, reports)
	}
	require.ElementsMatch(t, want, got)
}

const tabs = 32

// openAndClose opens the tabs of one user, in four sessions and on one or both
// apps. At the same time it closes them, in another order.
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

// requireOnceEach requires that each user and session of the rounds came online
// once and then went offline once.
func requireOnceEach(t testing.TB, reports chan mojo.Presence, rounds int) {
	t.Helper()
	close(reports)
	byID := make(map[string][]bool)
	for p := range reports {
		require.Equal(t, strings.Contains(p.ID, "/"), p.Kind == mojo.SessionPresence)
		byID[p.ID] = append(byID[p.ID], p.Online)
	}
	require.Len(t, byID, rounds*5)
	for id, list := range byID {
		require.Equal(t, []bool{true, false}, list, id)
	}
}

// If tabs open and close in any order, there is one report when the first tab
// has opened, and one when all have been closed for PresenceGrace.
func TestPresenceOfManyTabs(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		srv, site, reports := presenceSite(t, n, mojo.Options{Timeouts: mojo.Timeouts{PresenceGrace: 24 * time.Hour}})
		total := e2e.Rounds(1000)
		if n != siotest.TCP {
			total /= 4
		}
		for round := range total {
			openAndClose(t, site, fmt.Sprint("u", round))
		}
		for name, ch := range reports {
			require.Len(t, ch, total*5, "PresenceGrace of %q has ended", name)
		}

		e2e.Shutdown(t, srv) // ends the PresenceGrace

		for _, ch := range reports {
			requireOnceEach(t, ch, total)
		}
		e2e.RequireEmptyViews(t, srv)
	})
}

// PresenceGrace ends at its time without a Shutdown.
func TestPresenceOfManyTabsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, site, reports := presenceSite(t, siotest.Memory, mojo.Options{})
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
			for name, ch := range reports {
				require.Len(t, ch, (round+1)*10, name)
			}
		}
		for _, ch := range reports {
			requireOnceEach(t, ch, total)
		}
	})
}

// A reload causes no report. A longer absence causes two, the first at the end
// of PresenceGrace.
func TestPresenceGrace(t *testing.T) {
	for _, transport := range e2e.Transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const grace = 3 * time.Second
				srv, site, reports := presenceSite(t, siotest.Memory, mojo.Options{Timeouts: mojo.Timeouts{PresenceGrace: grace}})
				chat, _ := srv.Channel("Chat")
				open := func() *siotest.Client {
					client := e2e.Dial(t, site, transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
					client.Connect(e2e.ChatNamespace, nil)
					return client
				}
				closeTab := func(client *siotest.Client) {
					client.Close()
					synctest.Wait()
					require.False(t, srv.LoggedInSessions().Has("ann"))
				}
				views := []mojo.Sessions{srv.LoggedInSessions(), chat.LoggedInSessions()}
				client := open()
				for _, name := range []string{"", "Chat"} {
					expectReports(t, reports[name], user("ann", true), session("s", true))
				}

				for range 20 { // all rounds together last longer than the grace
					closeTab(client)
					time.Sleep(grace - time.Second) // an upgrade takes time, too
					for _, view := range views {
						require.Equal(t, []string{"ann", "ann"}, view.Online("bob", "ann", "", "ann"))
					}
					client = open()
				}
				require.Empty(t, reports[""])
				closeTab(client)
				begun := time.Now()
				expectReports(t, reports[""], user("ann", false), session("s", false))
				require.Equal(t, grace, time.Since(begun))
				expectReports(t, reports["Chat"], user("ann", false), session("s", false))
				for _, view := range views {
					require.Empty(t, view.Online("ann", "bob"))
				}
				client = open()
				expectReports(t, reports[""], user("ann", true), session("s", true))
				client.Close()
				require.Empty(t, reports["News"])
			})
		})
	}
}

// A visitor who changes from one app to another stays online on the Server, and
// each app gets its own reports.
func TestPresencePerApp(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, reports := presenceSite(t, n, mojo.Options{Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}})
		chat, _ := srv.Channel("Chat")
		news, _ := srv.Channel("News")
		client := e2e.Dial(t, site, transport, e2e.SessionCookie("s"))
		client.Connect("/NewsSocket", nil)
		expectReports(t, reports["News"], session("s", true))
		for range 3 {
			socket := client.Connect(e2e.ChatNamespace, nil)
			expectReports(t, reports["Chat"], session("s", true))
			require.Equal(t, []string{"s"}, chat.CurrentSessions().Online("s"))
			socket.Disconnect()
			expectReports(t, reports["Chat"], session("s", false))
			require.Empty(t, chat.CurrentSessions().Online("s"))
		}
		require.Equal(t, []string{"s"}, news.CurrentSessions().Online("s"))
		client.Close()
		expectReports(t, reports["News"], session("s", false))
		expectReports(t, reports[""], session("s", true), session("s", false))
		require.Empty(t, reports["Chat"])
	})
}

// Connections that are refused, or not accepted yet, cause no report.
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
		require.Empty(t, h.reports)
	})
}

// A user comes online with LogIn and goes offline after LogOut. If a connection
// gets another session id, the old id goes offline and the new one comes
// online, and the same with a user id. A new session id alone causes no report
// of the user.
func TestPresenceOfLogIn(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, reports := presenceSite(t, n, mojo.Options{Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}})
		b := e2e.NewBrowser(t, site, e2e.SessionCookie("s0"))
		first, second := b.Dial(transport), b.Dial(transport)
		sockets := []*siotest.Socket{first.Connect(e2e.ChatNamespace, nil), second.Connect(e2e.ChatNamespace, nil)}
		expectReports(t, reports[""], session("s0", true))
		expectReports(t, reports["Chat"], session("s0", true))

		require.NoError(t, srv.Rebind(t.Context(), "s0", mojo.Identity{SessionID: "s1", UserID: "ann"}))
		e2e.FollowLogin(t, site, e2e.CookieHeader(e2e.SessionCookie("s1"), e2e.LoginCookie("ann")), sockets...)
		for _, name := range []string{"", "Chat"} {
			expectReports(t, reports[name], session("s1", true), user("ann", true), session("s0", false))
		}
		require.NoError(t, srv.Rebind(t.Context(), "s1", mojo.Identity{SessionID: "s2", UserID: "ann"}))
		for _, name := range []string{"", "Chat"} {
			expectReports(t, reports[name], session("s2", true), session("s1", false))
		}
		first.Engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie("s2"), e2e.LoginCookie("ann"))) // to receive the next events
		second.Engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie("s2"), e2e.LoginCookie("ann")))
		require.NoError(t, srv.Rebind(t.Context(), "s2", mojo.Identity{SessionID: "s2b", UserID: "bob"}))
		e2e.FollowLogin(t, site, e2e.CookieHeader(e2e.SessionCookie("s2b"), e2e.LoginCookie("bob")), sockets...)
		for _, name := range []string{"", "Chat"} {
			expectReports(t, reports[name], session("s2b", true), session("s2", false), user("bob", true), user("ann", false))
		}
		require.NoError(t, srv.Rebind(t.Context(), "s2b", mojo.Identity{SessionID: "s3"}))
		for _, name := range []string{"", "Chat"} {
			expectReports(t, reports[name], session("s3", true), session("s2b", false), user("bob", false))
		}
		require.Equal(t, []string{"s3"}, srv.CurrentSessions().Online("s0", "s1", "s2", "s3"))
		require.NoError(t, srv.CurrentSessions().Get("s3").Revoke(t.Context(), mojo.Revocation{}))
		expectReports(t, reports[""], session("s3", false))
		require.Empty(t, reports["News"])
	})
}

// When Shutdown returns, all users and sessions are offline, and each
// OnPresence has returned.
func TestPresenceAtShutdown(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, reports := presenceSite(t, n, mojo.Options{Timeouts: mojo.Timeouts{PresenceGrace: 24 * time.Hour}})
		e2e.Dial(t, site, transport, e2e.SessionCookie("here"), e2e.LoginCookie("ann")).Connect(e2e.ChatNamespace, nil)
		closed := e2e.Dial(t, site, transport, e2e.SessionCookie("gone"))
		closed.Connect(e2e.ChatNamespace, nil)
		closed.Close()

		e2e.Shutdown(t, srv)

		require.Empty(t, srv.CurrentSessions().Online("here", "gone"))
		for _, name := range []string{"", "Chat"} {
			close(reports[name])
			require.ElementsMatch(t, []mojo.Presence{
				session("here", true), user("ann", true), session("gone", true),
				session("here", false), user("ann", false), session("gone", false),
			}, slices.Collect(func(yield func(mojo.Presence) bool) {
				for p := range reports[name] {
					yield(p)
				}
			}))
		}
	})
}
