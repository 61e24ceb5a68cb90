package cluster

import (
	"encoding/json"
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

// foreign is a bus with a server of another kind, which asks the nodes that were
// opened.
type foreign struct {
	*cluster.Memory
	asked []lister
	link  cluster.Link
}

// lister is the part of cluster.Responder that is about connections.
type lister interface {
	Rooms(namespace string) []string
	Sockets(a *cluster.Address) []cluster.Socket
}

func newForeign(t *testing.T) *foreign {
	t.Helper()
	b := &foreign{Memory: cluster.NewMemory()}
	link, err := b.Memory.Open("foreign", deafNode{})
	require.NoError(t, err)
	b.link = link
	t.Cleanup(func() { _ = link.Close() })
	return b
}

func (b *foreign) Open(name string, n cluster.Node) (cluster.Link, error) {
	b.asked = append(b.asked, n.(lister))
	return b.Memory.Open(name, n)
}

func (b *foreign) publish(t *testing.T, m cluster.Message) {
	t.Helper()
	require.NoError(t, b.link.Publish(t.Context(), []cluster.Message{m}))
	synctest.Wait()
}

// deafNode ignores what it gets.
type deafNode struct{}

func (deafNode) Event(*cluster.Event)         {}
func (deafNode) Command(*cluster.Command)     {}
func (deafNode) Control([]byte)               {}
func (deafNode) Link(cluster.LinkState)       {}
func (deafNode) Occupied(string, string) bool { return false }

// Another server sees the connections of a node, with what the official servers
// know of theirs, and without secrets.
func TestConnectionsForOtherServers(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		bus := newForeign(t)
		n := start(t, bus)
		time.Sleep(3 * time.Second)
		dial := func(user string) *siotest.Socket {
			return n.connect(t, transport, e2e.SessionCookie("s-"+user), e2e.LoginCookie(user), "theme=dark")
		}
		dial("ann")
		ann := e2e.Await(t, n.app.Accepted)
		dial("bob")
		bob := e2e.Await(t, n.app.Accepted)
		require.NoError(t, ann.Join("tea", "cake"))
		require.NoError(t, bob.Join("tea"))
		type key string
		ann.Set("name", "Ann")
		ann.Set("age", 7)
		ann.Set("list", []int{1})
		ann.Set(key("secret"), "x")
		ids := func(a cluster.Address) (ids []string) {
			a.Namespace, a.IDs = e2e.ChatNamespace, true
			for _, s := range bus.asked[0].Sockets(&a) {
				ids = append(ids, s.ID)
			}
			return ids
		}

		require.ElementsMatch(t, []string{"tea", "cake", ann.ID(), bob.ID(), "~u:ann", "~u:bob", "~s:s-ann", "~s:s-bob"}, bus.asked[0].Rooms(e2e.ChatNamespace))
		require.Empty(t, bus.asked[0].Rooms("/"))
		require.ElementsMatch(t, []string{ann.ID(), bob.ID()}, ids(cluster.Address{}))
		require.Equal(t, []string{ann.ID()}, ids(cluster.Address{Rooms: []string{"cake", ann.ID()}}))
		require.Equal(t, []string{bob.ID()}, ids(cluster.Address{Rooms: []string{bob.ID()}}))
		require.Equal(t, []string{bob.ID()}, ids(cluster.Address{Rooms: []string{"tea"}, Except: []string{ann.ID()}}))
		require.Equal(t, []string{bob.ID()}, ids(cluster.Address{Except: []string{"~u:ann"}}))
		require.Equal(t, []string{ann.ID()}, ids(cluster.Address{Rooms: []string{"~s:s-ann", "~u:nobody"}}))
		require.Empty(t, ids(cluster.Address{Rooms: []string{"nowhere"}}))

		sockets := bus.asked[0].Sockets(&cluster.Address{Namespace: e2e.ChatNamespace, Rooms: []string{"cake"}})
		require.Len(t, sockets, 1)
		require.Equal(t, []string{ann.ID(), "cake", "tea", "~s:s-ann", "~u:ann"}, sockets[0].Rooms)
		require.JSONEq(t, `{"name":"Ann","age":7}`, string(sockets[0].Data))
		var handshake struct {
			Headers map[string]string
			Time    string
			Issued  int64
			Address string
			URL     string
			Query   map[string]string
			Auth    map[string]any
		}
		require.NoError(t, json.Unmarshal(sockets[0].Handshake, &handshake))
		require.Equal(t, ann.Handshake().Time.UnixMilli(), handshake.Issued)
		require.Equal(t, "Sat Jan 01 2000 00:00:03 GMT+0000 (Coordinated Universal Time)", handshake.Time)
		require.Equal(t, "4", handshake.Query["EIO"])
		require.Contains(t, handshake.URL, "/socket.io/?EIO=4")
		require.Equal(t, ann.Handshake().Header().Get("Host"), handshake.Headers["host"])
		require.Equal(t, "theme=dark", handshake.Headers["cookie"])
		require.NotNil(t, handshake.Auth)
	})
}

// The ids of connections, users and sessions are rooms for other servers.
func TestMessagesOfOtherServers(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		bus := newForeign(t)
		nodes := []*node{start(t, bus), start(t, bus)}
		time.Sleep(3 * time.Second)
		ann := nodes[0].connect(t, transport, e2e.SessionCookie("s1"), e2e.LoginCookie("ann"))
		annConn := e2e.Await(t, nodes[0].app.Accepted)
		bob := nodes[1].connect(t, transport, e2e.SessionCookie("s2"), e2e.LoginCookie("bob"))
		bobConn := e2e.Await(t, nodes[1].app.Accepted)
		require.NoError(t, annConn.Join("tea"))
		for name, test := range map[string]struct {
			rooms, except []string
			ann, bob      bool
		}{
			"all":                 {nil, nil, true, true},
			"room":                {[]string{"tea"}, nil, true, false},
			"id":                  {[]string{bobConn.ID()}, nil, false, true},
			"room and id":         {[]string{"tea", annConn.ID(), bobConn.ID()}, nil, true, true},
			"room and user":       {[]string{"tea", "~u:ann", "~u:bob"}, nil, true, true},
			"id and session":      {[]string{bobConn.ID(), "~s:s2"}, nil, false, true},
			"all except an id":    {nil, []string{bobConn.ID()}, true, false},
			"all except a user":   {nil, []string{"~u:bob"}, true, false},
			"user except a room":  {[]string{"~u:ann", "~u:bob"}, []string{"tea"}, false, true},
			"users except an id":  {[]string{"~u:ann", "~u:bob"}, []string{annConn.ID()}, false, true},
			"session":             {[]string{"~s:s1"}, nil, true, false},
			"nobody":              {[]string{"~u:eve", "x"}, nil, false, false},
			"a reserved name":     {[]string{"~x"}, nil, false, false},
			"the id as a session": {[]string{"~s:" + annConn.ID()}, nil, false, false},
		} {
			a := cluster.Address{Namespace: e2e.ChatNamespace, Rooms: test.rooms, Except: test.except, IDs: true}
			bus.publish(t, cluster.Message{Event: &cluster.Event{Address: a, Data: []byte(`["event","` + name + `"]`)}})
			if test.ann {
				ann.Expect("event", name)
			}
			if test.bob {
				bob.Expect("event", name)
			}
		}
		require.NoError(t, nodes[0].chat.Emit("end"))
		ann.Expect("end")
		bob.Expect("end")
	})
}

// Nobody is put into the rooms that stand for users and sessions: neither by a
// handler nor by another server.
func TestReservedRooms(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		var log e2e.Log
		bus := newForeign(t)
		n := &node{app: e2e.NewWatchingApp()}
		n.Server = e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Cluster: bus, Logger: log.Logger()})
		n.chat = e2e.Register(t, n.Server, "Chat", n.app)
		n.site = siotest.Serve(t, siotest.Memory, n.Server)
		time.Sleep(3 * time.Second)
		n.connect(t, transport, e2e.SessionCookie("s"), e2e.LoginCookie("bob"))
		bob := e2e.Await(t, n.app.Accepted)
		const want = `mojo: the name of the room "~u:ann" begins with "~", which is reserved for users and sessions`
		for name, err := range map[string]error{
			"Conn.Join":            bob.Join("a", "~u:ann"),
			"Broadcast.Join":       n.chat.Local().Join("a", "~u:ann"),
			"Broadcast.Leave":      n.chat.Local().Leave("a", "~u:ann"),
			"Emit to a room":       n.chat.To("a", "~u:ann").Emit("event"),
			"Join of a room":       n.chat.To("~u:ann").Join("a"),
			"Leave of a room":      n.chat.To("~u:ann").Leave("a"),
			"Disconnect of a room": n.chat.To("~u:ann").Disconnect(),
			"Emit except a room":   n.chat.Except("~u:ann").Emit("event"),
		} {
			require.EqualError(t, err, want, name)
			require.ErrorIs(t, err, mojo.ErrRoomName, name)
		}
		require.Empty(t, bob.Rooms())

		command := func(verb cluster.Verb, names ...string) {
			bus.publish(t, cluster.Message{Command: &cluster.Command{
				Address: cluster.Address{Namespace: e2e.ChatNamespace, IDs: true}, Verb: verb, Names: names,
			}})
		}
		command(cluster.Join, "~u:ann", "tea", "~s:1", "cake")
		command(cluster.Join, "~u:ann")
		command(cluster.Leave, "~u:bob", "tea")
		require.Equal(t, []string{"cake"}, bob.Rooms())
		require.Equal(t, "bob", bob.UserID())
		require.Len(t, log.Warnings(), 1)
		require.Contains(t, log.String(), "ignored the name of a room")
	})
}

// A message to a user and to a room does not reach a connection that has lost the
// user meanwhile and is not in the room.
func TestMixedAddressAfterLogOut(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		bus := newForeign(t)
		srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Cluster: bus})
		chat := e2e.Register(t, srv, "Chat", (&mojo.Events{Emit: func(*mojo.Conn, string, []any) {
			require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "s2"}))
		}}).Handler())
		site := siotest.Serve(t, siotest.Memory, srv)
		time.Sleep(3 * time.Second)
		client := e2e.Dial(t, site, transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
		ann := client.Connect(e2e.ChatNamespace, nil)

		bus.publish(t, cluster.Message{Event: &cluster.Event{
			Address: cluster.Address{Namespace: e2e.ChatNamespace, Rooms: []string{"tea", "~u:ann"}, IDs: true}, Data: []byte(`["secret"]`),
		}})

		client.Engine.SetHeader(cookietest.Request(e2e.SessionCookie("s2")).Header)
		require.Zero(t, chat.LoggedInSessions().Len())
		ann.ExpectNothing()
	})
}
