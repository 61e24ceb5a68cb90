package cluster_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
)

// An event of each sender reaches its receivers on all servers, once.
func TestEvents(t *testing.T) {
	c := start(t)
	c.connectAll()
	for name, test := range map[string]struct {
		to   address
		want string
	}{
		"everybody":             {address{}, "a1 a2 a3 b1 node1 node2 node3"},
		"a room":                {address{to: []string{"room1"}}, "a1 b1 node1"},
		"two rooms":             {address{to: []string{"room1", "room2"}}, "a1 a2 b1 node1 node2"},
		"an empty room":         {address{to: []string{"nobody"}}, ""},
		"an empty one, too":     {address{to: []string{"nobody", "room2"}}, "a2 b1 node2"},
		"except a room":         {address{except: []string{"room1"}}, "a2 a3 node2 node3"},
		"except two rooms":      {address{except: []string{"room1", "room2"}}, "a3 node3"},
		"a room except another": {address{to: []string{"room1"}, except: []string{"room2"}}, "a1 node1"},
		"volatile":              {address{volatile: true}, "a1 a2 a3 b1 node1 node2 node3"},
		"volatile to a room":    {address{to: []string{"room2"}, volatile: true}, "a2 b1 node2"},
	} {
		c.run(name, func(*testing.T) {
			c.forEachSender(func(t *testing.T, s sender) {
				s.emit(test.to, "event", name)
				require.Equal(t, test.want, c.receivers(s, "event", name))
			})
		})
	}
}

// A local event stays on the server of its sender.
func TestLocalEvents(t *testing.T) {
	c := start(t)
	c.connectAll()
	for name, want := range map[string]string{"Node server": "node1 node2", "mojo": "a1 a2"} {
		s := c.senders(chat)[name]
		s.emit(address{to: []string{"room1", "room2"}, local: true}, "event")
		require.Equal(t, want, c.receivers(s, "event"))
	}
}

// Arguments arrive as they are, in both directions.
func TestArguments(t *testing.T) {
	c := start(t)
	c.connectAll()
	buffer := func(content ...any) any { return map[string]any{"type": "Buffer", "data": content} }
	c.forEachSender(func(t *testing.T, s sender) {
		s.emit(
			address{to: []string{"room1"}}, "event",
			1, -2.5, 1<<40, "ж🎉\n", nil, true, []any{}, map[string]any{"a": []any{nil, map[string]any{}}},
			[]byte{0, 255}, map[string]any{"parts": []any{mojo.Binary{7}, "x", mojo.Binary{}}}, []byte{1},
		)
		require.Equal(t, "a1 b1 node1", c.receivers(
			s, "event",
			1.0, -2.5, float64(1<<40), "ж🎉\n", nil, true, []any{}, map[string]any{"a": []any{nil, map[string]any{}}},
			buffer(0.0, 255.0), map[string]any{"parts": []any{buffer(7.0), "x", map[string]any{"type": "Buffer", "data": []any{}}}}, buffer(1.0),
		))
	})
}

// A namespace gets nothing of another one.
func TestNamespaces(t *testing.T) {
	c := start(t)
	c.connectAll()
	names := []string{"node", "a", "b"}
	for _, namespace := range []string{other, "/"} {
		for _, name := range names {
			c.connect(name+namespace, c.urlOf(name), options{Namespace: namespace, Rooms: []string{"room1"}})
		}
	}
	for _, namespace := range []string{other, "/"} {
		for kind, s := range c.senders(namespace) {
			s.emit(address{to: []string{"room1"}}, "event", kind)
			s.emit(address{}, "end")
			for _, name := range names {
				require.Equal(t, []any{[]any{"event", kind}}, c.node.run(`take(%s, "end")`, name+namespace))
			}
		}
	}
	for kind, s := range c.senders(chat) {
		s.emit(address{}, "end")
		for _, name := range []string{"node1", "a1", "b1"} {
			require.Empty(t, c.node.run(`take(%s, "end")`, name), kind)
		}
	}
}
