package cluster

import (
	"net/http"
	"net/http/httptest"
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

// node is a Server of a cluster and the site that it serves.
type node struct {
	*mojo.Server
	chat *mojo.Channel
	app  *e2e.WatchingApp
	site *siotest.Site
}

// start starts a node on a bus.
func start(t *testing.T, bus cluster.Bus) *node {
	t.Helper()
	return startWith(t, mojo.Options{Cluster: bus})
}

// startWith starts a node with other options.
func startWith(t *testing.T, opts mojo.Options) *node {
	t.Helper()
	n := &node{app: e2e.NewWatchingApp()}
	opts.Cookies = e2e.NewCookies(t, mojo.CookieOptions{})
	n.Server = e2e.NewServer(t, opts)
	n.chat = e2e.Register(t, n.Server, "Chat", n.app)
	n.site = siotest.Serve(t, siotest.Memory, n.Server)
	return n
}

// startAll runs a test with three nodes in virtual time, with each transport.
func startAll(t *testing.T, test func(t *testing.T, bus *cluster.Memory, n []*node, transport string)) {
	t.Helper()
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		bus := cluster.NewMemory()
		nodes := []*node{start(t, bus), start(t, bus), start(t, bus)}
		time.Sleep(3 * time.Second) // until they have found each other
		test(t, bus, nodes, transport)
	})
}

// connect connects a client to the chat of a node.
func (n *node) connect(t *testing.T, transport string, cookies ...string) *siotest.Socket {
	t.Helper()
	return e2e.Dial(t, n.site, transport, cookies...).Connect(e2e.ChatNamespace, nil)
}

// settle lets the nodes tell each other who is connected.
func settle() {
	time.Sleep(60 * time.Millisecond)
	synctest.Wait()
}

// logIn logs a browser in on a node, and returns the headers that it has then.
func (n *node) logIn(t *testing.T, user string, cookies ...string) http.Header {
	t.Helper()
	w := httptest.NewRecorder()
	require.NoError(t, n.LogIn(w, cookietest.Request(cookies...), user))
	return cookietest.NextRequest(w).Header
}
