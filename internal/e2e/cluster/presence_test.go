package cluster

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// presenceLog has the calls of OnPresence on all nodes for one user.
type presenceLog struct {
	mu     sync.Mutex
	online []bool
}

func (l *presenceLog) note(p mojo.Presence) {
	if p.Kind != mojo.UserPresence || p.ID != "ann" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.online = append(l.online, p.Online)
}

func (l *presenceLog) take() []bool {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.online
	l.online = nil
	return taken
}

// startWatched starts a node whose presence the log has.
func startWatched(t *testing.T, bus cluster.Bus, log *presenceLog) *node {
	t.Helper()
	n := &node{app: e2e.NewWatchingApp()}
	n.Server = e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Cluster: bus, OnPresence: log.note})
	n.chat = e2e.Register(t, n.Server, "Chat", n.app)
	n.site = siotest.Serve(t, siotest.Memory, n.Server)
	return n
}

// grace is longer than the grace time and what the nodes need to know of it.
const grace = 6 * time.Second

// A user comes online with the first connection on any node, and goes offline
// some time after the last one has ended. One node tells it, whichever it is.
func TestPresenceOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &presenceLog{}
		bus := cluster.NewMemory()
		n := []*node{startWatched(t, bus, log), startWatched(t, bus, log), startWatched(t, bus, log)}
		time.Sleep(10 * time.Second)
		cookies := []string{e2e.SessionCookie("s"), e2e.LoginCookie("ann")}
		for range 5 {
			tabs := make([]*siotest.Client, len(n))
			for i := range n {
				tabs[i] = e2e.Dial(t, n[i].site, "websocket", cookies...)
				tabs[i].Connect(e2e.ChatNamespace, nil)
			}
			time.Sleep(time.Second)
			require.Equal(t, []bool{true}, log.take())
			tabs[0].Close()
			tabs[1].Close()
			time.Sleep(grace)
			require.Empty(t, log.take())
			tabs[2].Close()
			reloaded := e2e.Dial(t, n[0].site, "websocket", cookies...)
			reloaded.Connect(e2e.ChatNamespace, nil)
			time.Sleep(grace)
			require.Empty(t, log.take(), "the user was back in time, on another node")
			require.Equal(t, []string{"ann"}, n[1].LoggedInSessions().Online("ann"))
			reloaded.Close()
			time.Sleep(time.Second)
			require.Equal(t, []string{"ann"}, n[1].LoggedInSessions().Online("ann"))
			time.Sleep(grace)
			require.Equal(t, []bool{false}, log.take())
			require.Empty(t, n[1].LoggedInSessions().Online("ann"))
		}
	})
}

// When a node dies, the users who were nowhere else go offline, once, and the
// others stay online.
func TestPresenceAfterADeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &presenceLog{}
		bus := cluster.NewMemory()
		n := []*node{startWatched(t, bus, log), startWatched(t, bus, log), startWatched(t, bus, log)}
		time.Sleep(10 * time.Second)
		cookies := []string{e2e.SessionCookie("s"), e2e.LoginCookie("ann")}
		for i := range 2 {
			e2e.Dial(t, n[i].site, "websocket", cookies...).Connect(e2e.ChatNamespace, nil)
		}
		time.Sleep(10 * time.Second)
		require.Equal(t, []bool{true}, log.take())

		bus.Split([]string{n[0].Nodes()[0].Name}) // the others never hear of it again
		time.Sleep(20 * time.Second)
		require.Empty(t, log.take())
		bus.Split([]string{n[0].Nodes()[0].Name}, []string{n[1].Nodes()[0].Name})
		time.Sleep(30 * time.Second)

		require.Equal(t, []bool{false}, log.take())
	})
}

// A node that shuts down hands over: users who come back on another node in time
// do not go offline.
func TestPresenceOfARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &presenceLog{}
		bus := cluster.NewMemory()
		n := []*node{startWatched(t, bus, log), startWatched(t, bus, log)}
		time.Sleep(10 * time.Second)
		cookies := []string{e2e.SessionCookie("s"), e2e.LoginCookie("ann")}
		e2e.Dial(t, n[0].site, "websocket", cookies...).Connect(e2e.ChatNamespace, nil)
		time.Sleep(time.Second)
		require.Equal(t, []bool{true}, log.take())

		e2e.Shutdown(t, n[0].Server)
		e2e.Dial(t, n[1].site, "websocket", cookies...).Connect(e2e.ChatNamespace, nil)
		time.Sleep(20 * time.Second)

		require.Empty(t, log.take())
		e2e.Shutdown(t, n[1].Server)
		require.Equal(t, []bool{false}, log.take(), "the last node ends all grace")
	})
}
