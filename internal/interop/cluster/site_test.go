package cluster_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/nodetest"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/mojoredis"
)

// The namespaces of the servers. chat is that of most tests.
const (
	chat  = "/ChatSocket"
	other = "/OtherSocket"
)

// cluster is a Node server and two of mojo over one Redis, with clients.
type cluster struct {
	t       *testing.T
	key     string
	redis   *redis.Client
	node    *nodeProcess
	a, b    *server
	emitter *mojoredis.Emitter
	log     log

	ids     map[string]string // of clients, by name
	markers int
}

// server is a server of mojo.
type server struct {
	*mojo.Server
	chat *mojo.Channel
	url  string
}

// start starts a cluster without clients.
func start(t *testing.T) *cluster {
	t.Helper()
	redistest.Require(t)
	nodetest.Install(t, ".")
	addr := redistest.New(t).Addr
	client := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = client.Close() })
	c := &cluster{t: t, key: "interop", redis: client, ids: make(map[string]string)}
	c.emitter = mojoredis.NewEmitter(client, mojoredis.EmitterOptions{Key: c.key})
	c.a, c.b = c.startServer(), c.startServer()
	c.node = startNode(t, addr, c.key)
	for _, namespace := range []string{"/", chat, other} {
		c.node.run("servers(%s, 3)", namespace)
	}
	require.Eventually(t, func() bool { return len(c.a.Nodes()) == 2 && len(c.b.Nodes()) == 2 }, limit, 10*time.Millisecond)
	return c
}

// run runs a part of a test as a subtest.
func (c *cluster) run(name string, test func(t *testing.T)) {
	whole := c.t
	whole.Run(name, func(t *testing.T) {
		defer func() { c.t, c.node.t = whole, whole }()
		c.t, c.node.t = t, t
		test(t)
	})
}

// startServer starts a server of mojo, with the same apps as node.mjs.
func (c *cluster) startServer() *server {
	c.t.Helper()
	srv, err := mojo.New(mojo.Options{
		Identify:   identify,
		Logger:     slog.New(slog.NewTextHandler(&c.log, nil)),
		Cluster:    mojoredis.New(c.redis, mojoredis.Options{Key: c.key}),
		ClusterKey: []byte(strings.Repeat("k", 32)),
	})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = srv.Close() })
	s := &server{Server: srv}
	s.chat, err = srv.Register("Chat", newApp().Handler())
	require.NoError(c.t, err)
	_, err = srv.Register("Other", newApp().Handler())
	require.NoError(c.t, err)
	_, err = srv.Handle("/", newApp().Handler())
	require.NoError(c.t, err)
	site := httptest.NewUnstartedServer(srv)
	site.Listener = shortBuffers{site.Listener}
	site.Start()
	c.t.Cleanup(site.Close)
	s.url = site.URL
	return s
}

// identify trusts the headers of the clients of the tests.
func identify(r *http.Request) (mojo.Identity, error) {
	return mojo.Identity{SessionID: r.Header.Get("X-Session"), UserID: r.Header.Get("X-User")}, nil
}

// newApp is an app that puts clients into the rooms that they ask for.
func newApp() *mojo.Events {
	return &mojo.Events{Connect: func(conn *mojo.Conn) error {
		var auth struct {
			Rooms []string
			Data  map[string]any
		}
		if err := json.Unmarshal(conn.Handshake().Auth, &auth); err != nil {
			return err
		}
		for key, value := range auth.Data {
			conn.Set(key, value)
		}
		return conn.Join(auth.Rooms...)
	}}
}

// options are those of a client. All are optional.
type options struct {
	Namespace     string // chat if it is empty
	Rooms         []string
	User, Session string
	Data          map[string]any
	Sharing       string // the name of the client whose connection it uses
}

// connect connects a client to a server.
func (c *cluster) connect(name, url string, o options) {
	c.t.Helper()
	if o.Namespace == "" {
		o.Namespace = chat
	}
	c.ids[name] = c.node.run("connect(%s, %s, %s, %s, %s)", name, url, o.Namespace, map[string]any{
		"auth":         map[string]any{"rooms": o.Rooms, "data": o.Data},
		"extraHeaders": map[string]string{"x-user": o.User, "x-session": o.Session, "cookie": "secret=1", "x-test": name},
	}, o.Sharing).(string)
}

// connectAll connects clients to all servers:
//
//	Node server:  node1 in room1,  node2 in room2,  node3
//	mojo a:       a1 in room1,     a2 in room2,     a3
//	mojo b:       b1 in room1 and room2
func (c *cluster) connectAll() {
	c.t.Helper()
	for name, rooms := range map[string][]string{
		"node1": {"room1"}, "node2": {"room2"}, "node3": {}, "a1": {"room1"}, "a2": {"room2"}, "a3": {}, "b1": {"room1", "room2"},
	} {
		c.connect(name, c.urlOf(name), options{Rooms: rooms})
	}
}

// urlOf returns the URL of the server that a client belongs to, by its name.
func (c *cluster) urlOf(client string) string {
	switch {
	case strings.HasPrefix(client, "a"):
		return c.a.url
	case strings.HasPrefix(client, "b"):
		return c.b.url
	}
	return c.node.url
}

// names returns the names of all clients.
func (c *cluster) names() (names []string) {
	for name := range c.ids {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// drop ends a client.
func (c *cluster) drop(names ...string) {
	c.t.Helper()
	for _, name := range names {
		c.node.run("close(%s)", name)
		delete(c.ids, name)
	}
}

// got returns what each client in the namespace chat has got, when all that a
// sender has sent until now has arrived.
func (c *cluster) got(s sender) map[string][][]any {
	c.t.Helper()
	c.markers++
	marker := fmt.Sprint("marker ", c.markers)
	s.emit(address{}, marker)
	got := make(map[string][][]any)
	for name, events := range c.node.run("takeAll(%s, %s)", c.names(), marker).(map[string]any) {
		got[name] = nil
		for _, event := range events.([]any) {
			got[name] = append(got[name], event.([]any))
		}
	}
	return got
}

// receivers returns the names of the clients that have got an event, in one
// string. Each must have got it once, and nothing else.
func (c *cluster) receivers(s sender, event ...any) string {
	c.t.Helper()
	var names []string
	for name, events := range c.got(s) {
		if len(events) > 0 {
			require.Equal(c.t, [][]any{event}, events, "%s", name)
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
