package cluster_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The id of a client is a room: for all verbs of all senders, and on all servers.
func TestIDsAreRooms(t *testing.T) {
	c := start(t)
	c.connectAll()
	c.forEachSender(func(t *testing.T, s sender) {
		for name, id := range c.ids {
			s.emit(address{to: []string{id}}, "event", name)
			require.Equal(t, name, c.receivers(s, "event", name))
		}
		a, b, node := c.ids["a1"], c.ids["b1"], c.ids["node1"]
		s.emit(address{to: []string{a, b, node, "room1"}}, "event")
		require.Equal(t, "a1 b1 node1", c.receivers(s, "event"))
		s.emit(address{to: []string{"room1", "room2"}, except: []string{a, b, node}}, "event")
		require.Equal(t, "a2 node2", c.receivers(s, "event"))
		s.join(address{to: []string{a, node}}, "pair")
		s.emit(address{to: []string{"pair"}}, "event")
		require.Equal(t, "a1 node1", c.receivers(s, "event"))
		s.leave(address{to: []string{a, node}}, "pair")
		s.emit(address{to: []string{"pair"}}, "event")
		require.Empty(t, c.receivers(s, "event"))
		for _, server := range []string{"a", "b", "node"} {
			c.connect(server+" leaves", c.urlOf(server), options{})
			s.disconnect(address{to: []string{c.ids[server+" leaves"]}})
			require.Equal(t, []any{"disconnect", "io server disconnect", false}, c.node.run("next(%s)", server+" leaves"))
			c.drop(server + " leaves")
		}
	})
}

// Users and sessions of mojo are rooms for Node servers and emitters.
func TestPeople(t *testing.T) {
	c := start(t)
	c.connect("a1", c.a.url, options{Session: "s1", User: "ann", Rooms: []string{"room1"}})
	c.connect("b1", c.b.url, options{Session: "s1", User: "ann"})
	c.connect("b2", c.b.url, options{Session: "s2", User: "bob"})
	c.connect("a2", c.a.url, options{Session: "s3"})
	c.connect("node1", c.node.url, options{Rooms: []string{"room1"}})
	c.forEachSender(func(t *testing.T, s sender) {
		if _, isMojo := s.(goServer); isMojo {
			t.Skip("mojo has LoggedInSessions and CurrentSessions for that")
		}
		for name, test := range map[string]struct {
			to   address
			want string
		}{
			"a user":               {address{to: []string{"~u:ann"}}, "a1 b1"},
			"two users":            {address{to: []string{"~u:ann", "~u:bob"}}, "a1 b1 b2"},
			"a session":            {address{to: []string{"~s:s3"}}, "a2"},
			"a user and a room":    {address{to: []string{"~u:bob", "room1"}}, "a1 b2 node1"},
			"a session and an id":  {address{to: []string{"~s:s2", c.ids["node1"], c.ids["b2"]}}, "b2 node1"},
			"a room, not a user":   {address{to: []string{"room1"}, except: []string{"~u:ann"}}, "node1"},
			"all but a user":       {address{except: []string{"~u:ann"}}, "a2 b2 node1"},
			"all but a session":    {address{except: []string{"~s:s1"}}, "a2 b2 node1"},
			"a user, not in room1": {address{to: []string{"~u:ann"}, except: []string{"room1"}}, "b1"},
			"a user who is away":   {address{to: []string{"~u:eve"}}, ""},
		} {
			s.emit(test.to, "event", name)
			require.Equal(t, test.want, c.receivers(s, "event", name), name)
		}
		s.join(address{to: []string{"~u:ann"}}, "tea")
		s.emit(address{to: []string{"tea"}}, "event")
		require.Equal(t, "a1 b1", c.receivers(s, "event"))
		s.leave(address{to: []string{"~s:s1"}}, "tea")
		s.emit(address{to: []string{"tea"}}, "event")
		require.Empty(t, c.receivers(s, "event"))
		c.connect("leaves", c.a.url, options{Session: "s4", User: "dan"})
		s.disconnect(address{to: []string{"~u:dan"}})
		require.Equal(t, []any{"disconnect", "io server disconnect", false}, c.node.run(`next("leaves")`))
		c.drop("leaves")
	})
}

// A Node server and the official emitter cannot make a client of mojo another
// user's.
func TestReservedRooms(t *testing.T) {
	c := start(t)
	c.connect("a1", c.a.url, options{Session: "s1", User: "ann"})
	for _, kind := range []string{"Node server", "official emitter"} {
		s := c.senders(chat)[kind]
		s.join(address{}, "~u:bob", "tea", "~s:s2")
		s.leave(address{}, "~u:ann")
		s.emit(address{to: []string{"~u:bob", "~s:s2"}}, "event")
		require.Empty(t, c.receivers(s, "event"))
		s.emit(address{to: []string{"~u:ann"}}, "event")
		require.Equal(t, "a1", c.receivers(s, "event"))
		s.emit(address{to: []string{"tea"}}, "event")
		require.Equal(t, "a1", c.receivers(s, "event"))
		s.leave(address{}, "tea")
	}
	require.Contains(t, c.log.String(), `the name of the room \"~u:bob\" begins with \"~\"`)
}
