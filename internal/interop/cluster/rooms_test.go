package cluster_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each sender puts clients of all servers into rooms, and takes them out.
func TestJoinAndLeave(t *testing.T) {
	c := start(t)
	c.connectAll()
	c.forEachSender(func(t *testing.T, s sender) {
		receivers := func(room string) string {
			s.emit(address{to: []string{room}}, "event", room)
			return c.receivers(s, "event", room)
		}
		s.join(address{to: []string{"room1"}}, "new", "newer")
		require.Equal(t, "a1 b1 node1", receivers("new"))
		require.Equal(t, "a1 b1 node1", receivers("newer"))
		s.leave(address{to: []string{"room1"}, except: []string{"room2"}}, "newer")
		require.Equal(t, "b1", receivers("newer"))
		s.join(address{except: []string{"new"}}, "rest")
		require.Equal(t, "a2 a3 node2 node3", receivers("rest"))
		s.leave(address{}, "rest", "new", "newer")
		for _, room := range []string{"rest", "new", "newer"} {
			require.Empty(t, receivers(room))
		}
		require.Equal(t, "a1 b1 node1", receivers("room1"))
	})
}

// Each sender disconnects clients of all servers from the namespace. Their
// connections serve their other namespaces.
func TestDisconnect(t *testing.T) {
	c := start(t)
	c.connectAll()
	c.forEachSender(func(t *testing.T, s sender) {
		servers := []string{"node", "a", "b"}
		for _, server := range servers {
			c.connect(server+" leaves", c.urlOf(server), options{Rooms: []string{"leaving"}})
			c.connect(server+" other", "", options{Namespace: other, Sharing: server + " leaves"})
		}
		s.disconnect(address{to: []string{"leaving"}})
		for _, server := range servers {
			require.Equal(t, []any{"disconnect", "io server disconnect", false}, c.node.run("next(%s)", server+" leaves"))
		}
		stays := c.senders(other)["Node server"]
		stays.emit(address{}, "stays")
		for _, server := range servers {
			require.Equal(t, []any{"stays"}, c.node.run("next(%s)", server+" other"))
			c.drop(server+" leaves", server+" other")
		}
		require.Empty(t, c.receivers(s))
	})
}

// disconnectSockets(true) ends whole connections, with all their namespaces. The
// clients do not reconnect.
func TestDisconnectAll(t *testing.T) {
	c := start(t)
	for name, disconnect := range map[string]func() error{
		"Node server":      func() error { c.node.run(`io.of(%s).to("leaving").disconnectSockets(true)`, chat); return nil },
		"official emitter": func() error { c.node.run(`emitter.of(%s).to("leaving").disconnectSockets(true)`, chat); return nil },
		"emitter of mojo":  func() error { return c.emitter.Of(chat).To("leaving").DisconnectAll(t.Context()) },
	} {
		c.run(name, func(t *testing.T) {
			servers := []string{"node", "a", "b"}
			for _, server := range servers {
				c.connect(server+" leaves", c.urlOf(server), options{Rooms: []string{"leaving"}})
				c.connect(server+" other", "", options{Namespace: other, Sharing: server + " leaves"})
			}
			require.NoError(t, disconnect())
			for _, server := range servers {
				for _, name := range []string{server + " leaves", server + " other"} {
					require.Equal(t, []any{"disconnect", "io server disconnect", false}, c.node.run("next(%s)", name))
					c.drop(name)
				}
			}
		})
	}
}
