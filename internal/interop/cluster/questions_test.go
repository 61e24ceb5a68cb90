package cluster_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// socket is a RemoteSocket of the Node server.
type socket struct {
	ID        string
	Rooms     []string
	Data      map[string]any
	Handshake struct {
		Headers map[string]string
		Time    string
		Issued  int64
		Address string
		URL     string
		Query   map[string]string
		Auth    map[string]any
	}
}

// fetch calls fetchSockets of the Node server.
func (c *cluster) fetch(to address) []socket {
	c.t.Helper()
	target := javaScript{c.node, "io", chat}.target(to)
	result := c.node.run(`%s.fetchSockets().then((all) => all.map((s) => ({id: s.id, rooms: [...s.rooms], data: s.data, handshake: s.handshake})))`, target)
	text, err := json.Marshal(result)
	require.NoError(c.t, err)
	var sockets []socket
	require.NoError(c.t, json.Unmarshal(text, &sockets))
	return sockets
}

// namesOf returns the names of clients, in one string.
func (c *cluster) namesOf(ids []string) string {
	var names []string
	for name, id := range c.ids {
		if slices.Contains(ids, id) {
			names = append(names, name)
		}
	}
	require.Len(c.t, names, len(ids))
	slices.Sort(names)
	return strings.Join(names, " ")
}

// A Node server fetches the connections of all servers.
func TestFetchSockets(t *testing.T) {
	c := start(t)
	c.connectAll()
	c.connect("ann", c.b.url, options{Session: "s1", User: "ann", Rooms: []string{"room3", "tea"}, Data: map[string]any{"name": "Ann", "age": 7, "list": []int{1}}})
	for name, test := range map[string]struct {
		to   address
		want string
	}{
		"all":              {address{}, "a1 a2 a3 ann b1 node1 node2 node3"},
		"a room":           {address{to: []string{"room1"}}, "a1 b1 node1"},
		"two rooms":        {address{to: []string{"room1", "tea"}}, "a1 ann b1 node1"},
		"except":           {address{except: []string{"room1", "tea"}}, "a2 a3 node2 node3"},
		"an id":            {address{to: []string{c.ids["a3"]}}, "a3"},
		"except ids":       {address{to: []string{"room1"}, except: []string{c.ids["a1"], c.ids["node1"]}}, "b1"},
		"a user":           {address{to: []string{"~u:ann"}}, "ann"},
		"a session":        {address{to: []string{"~s:s1", "room2"}}, "a2 ann b1 node2"},
		"local":            {address{local: true}, "node1 node2 node3"},
		"nobody":           {address{to: []string{"nowhere"}}, ""},
		"everybody but me": {address{except: []string{"~u:ann", c.ids["b1"]}}, "a1 a2 a3 node1 node2 node3"},
	} {
		var ids []string
		for _, s := range c.fetch(test.to) {
			ids = append(ids, s.ID)
		}
		require.Equal(t, test.want, c.namesOf(ids), name)
	}

	ann := c.fetch(address{to: []string{"tea"}})[0]
	require.Equal(t, []string{c.ids["ann"], "room3", "tea", "~s:s1", "~u:ann"}, ann.Rooms)
	require.Equal(t, map[string]any{"name": "Ann", "age": 7.0}, ann.Data)
	node := c.fetch(address{to: []string{c.ids["node1"]}})[0]
	require.Equal(t, node.Handshake.Headers["host"] == "", ann.Handshake.Headers["host"] == "")
	require.Equal(t, "ann", ann.Handshake.Headers["x-test"])
	require.NotContains(t, ann.Handshake.Headers, "cookie")
	require.Empty(t, ann.Handshake.Auth)
	require.Equal(t, "127.0.0.1", ann.Handshake.Address)
	require.Equal(t, "4", ann.Handshake.Query["EIO"])
	require.True(t, strings.HasPrefix(ann.Handshake.URL, "/socket.io/?EIO=4"), ann.Handshake.URL)
	require.WithinDuration(t, time.Now(), time.UnixMilli(ann.Handshake.Issued), limit)
	require.Regexp(t, `^\w{3} \w{3} \d\d \d{4} \d\d:\d\d:\d\d GMT\+0000 \(Coordinated Universal Time\)$`, ann.Handshake.Time)
}

// A Node server acts on the connections that it has fetched.
func TestRemoteSockets(t *testing.T) {
	c := start(t)
	c.connectAll()
	s := c.senders(chat)["Node server"]
	remote := func(name, do string) {
		t.Helper()
		c.node.run(`io.of(%s).in(%s).fetchSockets().then(([s]) => { `+do+`; })`, chat, c.ids[name])
	}
	for _, name := range []string{"a1", "b1", "node1"} {
		remote(name, `s.emit("event", 1)`)
		require.Equal(t, name, c.receivers(s, "event", 1.0))
		remote(name, `s.join("tea")`)
		s.emit(address{to: []string{"tea"}}, "event")
		require.Equal(t, name, c.receivers(s, "event"))
		remote(name, `s.leave("tea")`)
		s.emit(address{to: []string{"tea"}}, "event")
		require.Empty(t, c.receivers(s, "event"))
		remote(name, `s.disconnect(true)`)
		require.Equal(t, []any{"disconnect", "io server disconnect", false}, c.node.run("next(%s)", name))
		c.drop(name)
	}
}

// A Node server sees the rooms of all servers.
func TestAllRooms(t *testing.T) {
	c := start(t)
	c.connectAll()
	c.connect("ann", c.b.url, options{Session: "s1", User: "ann", Rooms: []string{"tea"}})
	rooms := c.node.run(`io.of(%s).adapter.allRooms().then((all) => [...all])`, chat).([]any)
	want := []any{"room1", "room2", "tea", "~s:s1", "~u:ann"}
	for _, id := range c.ids {
		want = append(want, id)
	}
	require.ElementsMatch(t, want, rooms)
}

// A server of mojo without connections answers as well, so a Node server does not
// wait for it in vain; and it is not waited for in a namespace that it does not
// have.
func TestServersWithoutConnections(t *testing.T) {
	c := start(t)
	c.connect("node1", c.node.url, options{})
	fetched := func(namespace string) any {
		t.Helper()
		return c.node.run(`io.of(%s).fetchSockets().then((all) => all.length)`, namespace)
	}
	require.EqualValues(t, 1, fetched(chat))
	c.startServer()
	c.node.run("servers(%s, 4)", chat)
	require.EqualValues(t, 1, fetched(chat))

	c.node.run(`serve("/new"); servers("/new", 1)`)
	require.EqualValues(t, 0, fetched("/new"))
	_, err := c.a.Handle("/new", newApp().Handler())
	require.NoError(t, err)
	c.node.run(`servers("/new", 2)`)
	c.connect("a1", c.a.url, options{Namespace: "/new"})
	require.EqualValues(t, 1, fetched("/new"))

	// A server that has ended is not waited for.
	require.NoError(t, c.a.Close())
	c.node.run("servers(%s, 3)", chat)
	require.EqualValues(t, 1, fetched(chat))
}
