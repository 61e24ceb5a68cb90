package hostile

import (
	"bytes"
	"log"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/race"
	"github.com/mojosocket/mojo/internal/siotest"
)

// raceCost is how many times more memory things take under the race detector.
var raceCost = map[bool]int{false: 1, true: 2}[race.Enabled]

// ground is a site to attack. It has an app on the main namespace and a bystander, who must notice nothing.
type ground struct {
	srv       *mojo.Server
	site      *siotest.Site
	app       *app
	log       *journal // of the Server and of the http.Server
	witness   *witness
	bystander *siotest.Socket
	before    footprint
}

// terrain is how a ground differs from the usual one. The zero value does not.
type terrain struct {
	opts   mojo.Options
	server *http.Server                    // nil: one without settings
	wrap   func(http.Handler) http.Handler // around the Server; nil: nothing
}

// newGround serves a ground until the test ends. Then everything must be gone.
func newGround(t *testing.T, n siotest.Network, where terrain) *ground {
	t.Helper()
	start := takeFootprint()
	t.Cleanup(func() { start.requireReached(t) })
	g := &ground{log: new(journal), app: newApp()}
	where.opts.Logger = slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
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

// eachNetwork runs fn on a ground of its own on each kind of socket: mojo reads and writes plain TCP in another way
// than all else.
func eachNetwork(t *testing.T, fn func(t *testing.T, g *ground)) {
	t.Helper()
	for _, n := range []siotest.Network{siotest.TCP, siotest.TLS} {
		t.Run(n.Name, func(t *testing.T) { fn(t, newGround(t, n, terrain{})) })
	}
}

var transports = []string{"polling", "websocket"}

// eachTransport runs fn as an attack by each transport, on each kind of socket.
func eachTransport(t *testing.T, fn func(t *testing.T, g *ground, transport string)) {
	t.Helper()
	eachNetwork(t, func(t *testing.T, g *ground) {
		for _, transport := range transports {
			g.attack(t, transport, func(t *testing.T) { fn(t, g, transport) })
		}
	})
}

// attack runs a hostile case as a subtest, and requires that nothing is left of it: the process lives and serves, no
// panic was recovered, every request got one answer, each connection that the app accepted was ended for it, and
// goroutines, file descriptors and heap are where they were.
func (g *ground) attack(t *testing.T, name string, fn func(t *testing.T)) {
	t.Helper()
	t.Run(name, fn)
	g.site.Client().CloseIdleConnections()
	if g.site.Network() == siotest.TLS {
		g.site.HTTP2Client().CloseIdleConnections()
	}
	g.requireServed(t)
	g.witness.requireAnswered(t)
	waitUntil(t, "the app is told of the end of each connection", func() bool { return g.app.live() == 1 })
	require.NotContains(t, g.log.String(), "panic")
	require.NotContains(t, g.log.String(), "superfluous")
	g.app.forget()
	g.before.requireReached(t)
}

// requireServed requires that the bystander is served and has missed nothing.
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

func (g *ground) attacker(t *testing.T, transport string) attacker {
	t.Helper()
	client := siotest.Dial(t, g.site, siotest.Options{Transport: transport})
	t.Cleanup(client.Close) // who is cut off between two polls is missed by the heartbeat alone
	a := attacker{client, client.Connect("/", nil)}
	a.settle()
	return a
}

// settle waits until every POST of the client itself is answered: the next one must not overlap it, and what it caused
// may be here before its answer is.
func (a attacker) settle() { a.Engine.Flush() }

// requireEnded requires that the attacker's connection ends, for a reason.
func (g *ground) requireEnded(t *testing.T, a attacker, reason mojo.Reason) {
	t.Helper()
	require.Equal(t, reason, g.app.awaitEnd(t, a.socket.SID()))
	a.Engine.AwaitClosed()
}

// requireLive requires that the attacker's connection goes on.
func (g *ground) requireLive(t *testing.T, a attacker) {
	t.Helper()
	require.Equal(t, `["still there"]`, a.socket.Call("echo", "still there").JSON())
	a.settle()
}

// journal is a log that a test can read.
type journal struct {
	mu   sync.Mutex // guards what follows
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
