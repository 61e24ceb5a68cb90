package cluster

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Each way to address connections reaches those of all nodes, once.
func TestBroadcastsReachAllNodes(t *testing.T) {
	startAll(t, func(t *testing.T, _ *cluster.Memory, n []*node, transport string) {
		ann := n[0].connect(t, transport, e2e.SessionCookie("s1"), e2e.LoginCookie("ann"))
		bob := n[1].connect(t, transport, e2e.SessionCookie("s2"), e2e.LoginCookie("bob"))
		guest := n[2].connect(t, transport, e2e.SessionCookie("s3"))
		annConn, bobConn := e2e.Await(t, n[0].app.Accepted), e2e.Await(t, n[1].app.Accepted)
		require.NoError(t, bobConn.Join("room"))
		settle()
		for name, test := range map[string]struct {
			emit            func(event string, args ...any) error
			ann, bob, guest bool
		}{
			"channel":        {n[0].chat.Emit, true, true, true},
			"users":          {n[2].LoggedInSessions().Emit, true, true, false},
			"sessions":       {n[1].CurrentSessions().Emit, true, true, true},
			"user elsewhere": {n[2].LoggedInSessions().Get("bob").Emit, false, true, false},
			"user here":      {n[0].LoggedInSessions().Get("ann").Emit, true, false, false},
			"two users":      {n[2].chat.LoggedInSessions().Of("ann", "bob").Emit, true, true, false},
			"session":        {n[0].CurrentSessions().Get("s3").Emit, false, false, true},
			"room":           {n[0].chat.To("room").Emit, false, true, false},
			"except":         {n[0].chat.Except("room").Emit, true, false, true},
			"without":        {n[0].chat.Without(annConn).Emit, false, true, true},
			"others":         {annConn.Broadcast().Emit, false, true, true},
			"connection":     {n[0].chat.To(bobConn.ID()).Emit, false, true, false},
			"except a conn":  {n[2].chat.Except(bobConn.ID()).Emit, true, false, true},
			"local":          {n[0].chat.Local().Emit, true, false, false},
			"local users":    {n[1].LoggedInSessions().Local().Emit, false, true, false},
			"local session":  {n[0].CurrentSessions().Get("s3").Local().Emit, false, false, false},
		} {
			require.NoError(t, test.emit("event", name), name)
			synctest.Wait()
			for _, receiver := range []struct {
				socket *siotest.Socket
				wanted bool
			}{{ann, test.ann}, {bob, test.bob}, {guest, test.guest}} {
				if receiver.wanted {
					receiver.socket.Expect("event", name)
				}
			}
		}
		require.NoError(t, n[0].chat.Emit("end"))
		ann.Expect("end")
		bob.Expect("end")
		guest.Expect("end")
	})
}

// The views of all nodes show the people of all nodes.
func TestViewsOfAllNodes(t *testing.T) {
	startAll(t, func(t *testing.T, _ *cluster.Memory, n []*node, transport string) {
		n[0].connect(t, transport, e2e.SessionCookie("s1"), e2e.LoginCookie("ann"))
		n[1].connect(t, transport, e2e.SessionCookie("s1"), e2e.LoginCookie("ann"))
		n[1].connect(t, transport, e2e.SessionCookie("s2"))
		settle()
		for i := range n {
			require.ElementsMatch(t, []string{"s1", "s2"}, e2e.SessionIDs(n[i].CurrentSessions()))
			require.Equal(t, 2, n[i].chat.CurrentSessions().Len())
			require.Equal(t, 1, n[i].LoggedInSessions().Len())
			require.True(t, n[i].LoggedInSessions().Has("ann"))
			require.False(t, n[i].LoggedInSessions().Has("bob"))
			require.Equal(t, 2, n[i].LoggedInSessions().Get("ann").Len())
			require.Equal(t, []string{"ann"}, n[i].LoggedInSessions().Online("bob", "ann"))
		}
		require.Equal(t, 1, n[0].LoggedInSessions().Get("ann").Local().Len())
		require.Zero(t, n[2].CurrentSessions().Local().Len())
		require.False(t, n[2].LoggedInSessions().Local().Has("ann"))
	})
}

// A login on one node moves the connections of the browser on all nodes: from the
// moment when LogIn returns they have no user, and with a proof, also one that
// comes to their node later, they have the new one.
func TestLogInOnAnotherNode(t *testing.T) {
	startAll(t, func(t *testing.T, _ *cluster.Memory, n []*node, transport string) {
		client := e2e.Dial(t, n[1].site, transport, e2e.SessionCookie("s"))
		socket := client.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, n[1].app.Accepted)
		settle()

		header := n[0].logIn(t, "ann", e2e.SessionCookie("s"))

		require.NotEqual(t, "s", conn.SessionID())
		require.Empty(t, conn.UserID())
		settle()
		require.NoError(t, n[2].LoggedInSessions().Get("ann").Emit("held", 1))
		client.Engine.SetHeader(header)
		e2e.FollowLogin(t, n[1].site, header, socket)
		socket.Expect("held", 1)
		require.Equal(t, "ann", conn.UserID())
		settle()
		require.NoError(t, n[2].LoggedInSessions().Get("ann").Emit("note", 2))
		socket.Expect("note", 2)
	})
}

// After LogOut has returned, what is sent to the user on any node does not reach
// the browser's connections on any node.
func TestLogOutOnAnotherNode(t *testing.T) {
	startAll(t, func(t *testing.T, _ *cluster.Memory, n []*node, transport string) {
		cookies := []string{e2e.SessionCookie("s"), e2e.LoginCookie("ann")}
		client := e2e.Dial(t, n[1].site, transport, cookies...)
		socket := client.Connect(e2e.ChatNamespace, nil)
		settle()
		w := httptest.NewRecorder()

		require.NoError(t, n[0].LogOut(w, cookietest.Request(cookies...)))

		for _, other := range n {
			require.NoError(t, other.LoggedInSessions().Get("ann").Emit("secret"))
			require.NoError(t, other.LoggedInSessions().Emit("secret"))
		}
		client.Engine.SetHeader(cookietest.NextRequest(w).Header)
		settle()
		require.NoError(t, n[2].chat.Emit("public"))
		socket.Expect("public")
		require.False(t, n[2].LoggedInSessions().Has("ann"))
	})
}

// Revoke ends the connections on all nodes, and no node admits the cookies.
func TestRevokeOnAnotherNode(t *testing.T) {
	startAll(t, func(t *testing.T, _ *cluster.Memory, n []*node, transport string) {
		cookies := []string{e2e.SessionCookie("s"), e2e.LoginCookie("ann")}
		socket := n[1].connect(t, transport, cookies...)
		settle()

		require.NoError(t, n[0].LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{Message: "bye"}))

		for _, other := range n {
			require.False(t, other.LoggedInSessions().Local().Has("ann"))
			answer := e2e.Do(t, other.site, http.MethodGet, other.site.URL+handshake, e2e.CookieHeader(cookies...), "")
			require.Equal(t, http.StatusForbidden, answer.Status)
		}
		require.Equal(t, mojo.RevokedEvent, socket.Next().Name)
		require.Equal(t, mojo.ReasonRevoked, e2e.Await(t, n[1].app.Ended).Reason)
	})
}

// Join, Leave and Disconnect change the connections of all nodes.
func TestRoomsOnAllNodes(t *testing.T) {
	startAll(t, func(t *testing.T, _ *cluster.Memory, n []*node, transport string) {
		sockets := []*siotest.Socket{
			n[0].connect(t, transport, e2e.SessionCookie("s0"), e2e.LoginCookie("ann")),
			n[1].connect(t, transport, e2e.SessionCookie("s1"), e2e.LoginCookie("bob")),
		}
		settle()
		require.NoError(t, n[2].chat.Local().Join("nowhere"))
		require.NoError(t, n[2].chat.To().Without().Join("nowhere"))
		require.NoError(t, n[2].LoggedInSessions().Of("bob").Join("bobs"))
		require.NoError(t, n[2].chat.Except("nowhere").Join("all"))
		settle()
		require.NoError(t, n[1].chat.To("all").Emit("all"))
		require.NoError(t, n[0].chat.To("bobs", "nowhere").Emit("bobs"))
		sockets[0].Expect("all")
		sockets[1].Expect("all")
		sockets[1].Expect("bobs")

		require.NoError(t, n[2].chat.To("bobs").Leave("all"))
		settle()
		require.NoError(t, n[1].chat.To("all").Emit("again"))
		sockets[0].Expect("again")
		require.NoError(t, n[2].chat.To("bobs").Disconnect())
		sockets[1].AwaitDisconnected()
		require.NoError(t, n[2].chat.Emit("end"))
		sockets[0].Expect("end")
	})
}

// A node that starts later refuses what was revoked before.
func TestLateNodeRefusesRevokedSessions(t *testing.T) {
	startAll(t, func(t *testing.T, bus *cluster.Memory, n []*node, transport string) {
		require.NoError(t, n[0].CurrentSessions().Get("s").Revoke(t.Context(), mojo.Revocation{}))
		header := n[1].logIn(t, "ann", e2e.SessionCookie("old"))
		late := start(t, bus)
		began := time.Now()

		answer := e2e.Do(t, late.site, http.MethodGet, late.site.URL+handshake, e2e.CookieHeader(e2e.SessionCookie("s")), "")

		require.Equal(t, http.StatusForbidden, answer.Status)
		require.LessOrEqual(t, time.Since(began), 2*time.Second)
		e2e.Dial(t, late.site, transport, e2e.SessionCookie("old")).Connect(e2e.ChatNamespace, nil)
		require.Equal(t, mojo.Identity{}, e2e.Await(t, late.app.Accepted).Identity())
		siotest.Dial(t, late.site, siotest.Options{Transport: transport, Header: header}).Connect(e2e.ChatNamespace, nil)
		require.Equal(t, "ann", e2e.Await(t, late.app.Accepted).UserID())
	})
}

const handshake = "/socket.io/?EIO=4&transport=polling"

// A node that hears nothing makes calls return an error that names it, after two
// seconds. The change holds on the others and, later, on that node.
func TestUnconfirmed(t *testing.T) {
	startAll(t, func(t *testing.T, bus *cluster.Memory, n []*node, transport string) {
		socket := n[2].connect(t, transport, e2e.SessionCookie("s"))
		settle()
		bus.Starve(n[2].Nodes()[0].Name)
		began := time.Now()

		err := n[0].CurrentSessions().Get("s").Revoke(t.Context(), mojo.Revocation{})

		var unconfirmed *mojo.UnconfirmedError
		require.ErrorAs(t, err, &unconfirmed)
		require.Equal(t, []string{n[2].Nodes()[0].Name}, unconfirmed.Nodes)
		require.Contains(t, err.Error(), n[2].Nodes()[0].Name)
		require.Equal(t, 2*time.Second, time.Since(began))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, n[0].Rebind(ctx, "x", mojo.Identity{SessionID: "y"}), context.Canceled)
		require.Len(t, n[0].Nodes(), 3)
		bus.Heal()
		require.Equal(t, mojo.RevokedEvent, socket.Next().Name)
	})
}

// A node does not confirm that a user was revoked. All the same the sessions of
// the user are revoked on all nodes, as soon as they can be reached.
func TestUnconfirmedRevokeOfAUser(t *testing.T) {
	startAll(t, func(t *testing.T, bus *cluster.Memory, n []*node, transport string) {
		n[0].connect(t, transport, e2e.SessionCookie("s0"), e2e.LoginCookie("ann"))
		n[2].connect(t, transport, e2e.SessionCookie("s2"), e2e.LoginCookie("ann"))
		settle()
		bus.Starve(n[2].Nodes()[0].Name)

		require.Error(t, n[0].LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{}))

		bus.Heal()
		time.Sleep(3 * time.Second)
		for _, other := range n {
			for _, session := range []string{"s0", "s2"} {
				answer := e2e.Do(t, other.site, http.MethodGet, other.site.URL+handshake, e2e.CookieHeader(e2e.SessionCookie(session)), "")
				require.Equal(t, http.StatusForbidden, answer.Status, session)
			}
		}
	})
}

// A node that is cut off serves its clients, and says that the others are not
// reached. Afterwards it has what the others have revoked.
func TestIsolatedNode(t *testing.T) {
	startAll(t, func(t *testing.T, bus *cluster.Memory, n []*node, transport string) {
		socket := n[2].connect(t, transport, e2e.SessionCookie("s"))
		revoked := n[2].connect(t, transport, e2e.SessionCookie("revoked"))
		settle()
		bus.Cut(n[2].Nodes()[0].Name)
		synctest.Wait()

		require.ErrorIs(t, n[2].chat.Emit("here"), mojo.ErrClusterDown)
		socket.Expect("here")
		revoked.Expect("here")
		require.NoError(t, n[2].chat.Local().Emit("here"))
		time.Sleep(6 * time.Second)
		require.NoError(t, n[0].CurrentSessions().Get("revoked").Revoke(t.Context(), mojo.Revocation{}))
		require.ErrorIs(t, n[2].CurrentSessions().Get("by 2").Revoke(t.Context(), mojo.Revocation{}), mojo.ErrClusterDown)
		require.Len(t, n[2].Nodes(), 1)
		require.Len(t, n[0].Nodes(), 2)
		require.False(t, n[0].CurrentSessions().Has("s"))
		n[2].connect(t, transport, e2e.SessionCookie("new"))

		bus.Heal()
		time.Sleep(4 * time.Second)

		require.Len(t, n[0].Nodes(), 3)
		require.True(t, n[0].CurrentSessions().Has("s"))
		require.True(t, n[0].CurrentSessions().Has("new"))
		require.False(t, n[0].CurrentSessions().Has("revoked"))
		require.NoError(t, n[2].chat.Emit("everybody"))
		answer := e2e.Do(t, n[0].site, http.MethodGet, n[0].site.URL+handshake, e2e.CookieHeader(e2e.SessionCookie("by 2")), "")
		require.Equal(t, http.StatusForbidden, answer.Status)
	})
}

// A node that hears nothing of its cluster says so.
func TestDeafNode(t *testing.T) {
	startAll(t, func(t *testing.T, bus *cluster.Memory, n []*node, _ string) {
		health := func() string {
			w := httptest.NewRecorder()
			n[0].Health().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health", nil))
			return strconv.Itoa(w.Code) + " " + w.Body.String()
		}
		require.Contains(t, health(), `200 {"status":"ok"`)
		require.Equal(t, "ready", n[0].Stats().Cluster.State)
		require.Equal(t, 3, n[0].Stats().Cluster.Nodes)
		require.LessOrEqual(t, n[0].Stats().Cluster.Deaf, 2*time.Second)

		bus.Starve(n[0].Nodes()[0].Name)
		time.Sleep(10 * time.Second)

		require.Contains(t, health(), `503 {"status":"isolated"`)
		require.Equal(t, "isolated", n[0].Stats().Cluster.State)
		require.GreaterOrEqual(t, n[0].Stats().Cluster.Deaf, 10*time.Second)
		bus.Heal()
		time.Sleep(3 * time.Second)
		require.Contains(t, health(), `200 {"status":"ok"`)
		require.Equal(t, "ready", n[0].Stats().Cluster.State)
	})
}
