package hostile

import (
	"log"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/race"
	"github.com/mojosocket/mojo/internal/siotest"
)

// raceCost is how many times more memory is used under the race detector.
var raceCost = map[bool]int{false: 1, true: 2}[race.Enabled]

// ground is a site to attack. It has an app on the main namespace, and a
// bystander who must not be affected.
type ground struct {
	srv       *mojo.Server
	site      *siotest.Site
	app       *app
	log       *e2e.Log // of the Server and of the http.Server
	witness   *witness
	bystander *siotest.Socket
	before    footprint
}

// terrain is how a ground differs from the usual one. The zero value does not.
type terrain struct {
	opts   mojo.Options
	server *http.Server                    // nil: a zero one
	wrap   func(http.Handler) http.Handler // around the Server; nil: nothing
}

// newGround serves a ground until the test ends. Nothing may be left of it
// then.
func newGround(t *testing.T, n siotest.Network, where terrain) *ground {
	t.Helper()
	start := takeFootprint()
	t.Cleanup(func() { start.requireReached(t) })
	g := &ground{log: new(e2e.Log), app: newApp()}
	where.opts.Logger = g.log.Logger()
	srv, err := mojo.New(where.opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	_, err = srv.Handle("/", g.app)
	require.NoError(t, err)
	g.srv = srv

	var handler http.Handler = srv
	if where.wrap != nil {
		handler = where.wrap(handler)
	}
	g.witness = &witness{next: handler}
	server := where.server
	if server == nil {
		server = new(http.Server)
	}
	server.Handler = g.witness
	server.ErrorLog = log.New(g.log, "", 0)
	g.site = siotest.ServeServer(t, n, server)
	g.bystander = siotest.Dial(t, g.site, siotest.Options{Transport: "websocket"}).Connect("/", nil)
	g.app.spare(g.bystander.SID())
	g.requireServed(t)
	g.witness.requireAnswered(t)
	g.before = takeFootprint()
	return g
}

// eachNetwork runs fn over TCP and over TLS, each on a ground of its own. The
// server has different code for the two.
func eachNetwork(t *testing.T, fn func(t *testing.T, g *ground)) {
	t.Helper()
	for _, n := range []siotest.Network{siotest.TCP, siotest.TLS} {
		t.Run(n.Name, func(t *testing.T) { fn(t, newGround(t, n, terrain{})) })
	}
}

var transports = []string{"polling", "websocket"}

// eachTransport runs fn as an attack with each transport on each network.
func eachTransport(t *testing.T, fn func(t *testing.T, g *ground, transport string)) {
	t.Helper()
	eachNetwork(t, func(t *testing.T, g *ground) {
		for _, transport := range transports {
			g.attack(t, transport, func(t *testing.T) { fn(t, g, transport) })
		}
	})
}

// attack runs a hostile case as a subtest, and requires that nothing is left of
// it: the process serves, no panic was recovered, every request got one answer,
// each connection that the app accepted has ended for it, and goroutines, file
// descriptors and heap are as before.
func (g *ground) attack(t *testing.T, name string, fn func(t *testing.T)) {
	t.Helper()
	t.Run(name, fn)
	g.site.Client().CloseIdleConnections()
	if g.site.Network() == siotest.TLS {
		g.site.HTTP2Client().CloseIdleConnections()
	}
	g.requireServed(t)
	g.witness.requireAnswered(t)
	e2e.WaitUntil(t, "the app is told of the end of each connection", func() bool { return g.app.live() == 1 })
	require.NotContains(t, g.log.String(), "panic")
	require.NotContains(t, g.log.String(), "superfluous")
	g.app.forget()
	g.before.requireReached(t)
}

// requireServed requires that the bystander is served and has received nothing.
func (g *ground) requireServed(t *testing.T) {
	t.Helper()
	require.Equal(t, `["bystander"]`, g.bystander.Call("echo", "bystander").JSON())
	require.Zero(t, g.bystander.Waiting())
}

// attacker is a client on the main namespace.
type attacker struct {
	*siotest.Client
	socket *siotest.Socket
}

// attacker connects an attacker.
func (g *ground) attacker(t *testing.T, transport string) attacker {
	t.Helper()
	client := siotest.Dial(t, g.site, siotest.Options{Transport: transport})
	t.Cleanup(client.Close) // otherwise only the heartbeat ends a polling client
	a := attacker{client, client.Connect("/", nil)}
	a.settle()
	return a
}

// settle waits until every POST of the client is answered: a POST of the test
// must not overlap it.
func (a attacker) settle() { a.Engine.Flush() }

// requireEnded requires that the attacker's connection ends with a reason.
func (g *ground) requireEnded(t *testing.T, a attacker, reason mojo.Reason) {
	t.Helper()
	require.Equal(t, reason, g.app.awaitEnd(t, a.socket.SID()))
	a.Engine.AwaitClosed()
}

// requireLive requires that the attacker is still served.
func (g *ground) requireLive(t *testing.T, a attacker) {
	t.Helper()
	require.Equal(t, `["still there"]`, a.socket.Call("echo", "still there").JSON())
	a.settle()
}
