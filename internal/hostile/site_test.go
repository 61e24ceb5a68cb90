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

// raceCost is the factor by which the race detector may increase allocations:
// it makes a sync.Pool lose one in four buffers, and the slower the machine is,
// the more often a buffer is taken out for a few bytes.
var raceCost = map[bool]int{false: 1, true: 8}[race.Enabled]

// testSite is a site to attack. It has an app on the main namespace. It also
// has a client, the bystander, which an attack must not affect.
type testSite struct {
	srv       *mojo.Server
	site      *siotest.Site
	app       *app
	log       *e2e.Log // the log of the Server and of the http.Server
	answers   *answerCounter
	bystander *siotest.Socket
	before    footprint
}

// siteConfig configures a testSite. The zero value is valid.
type siteConfig struct {
	opts   mojo.Options
	server *http.Server                    // if nil, the zero value
	wrap   func(http.Handler) http.Handler // if set, wraps the Server
}

// newTestSite serves a testSite until the test ends. After that the process
// must use no more goroutines, descriptors and heap than before.
func newTestSite(t *testing.T, n siotest.Network, config siteConfig) *testSite {
	t.Helper()
	start := currentFootprint()
	t.Cleanup(func() { start.requireReached(t) })
	s := &testSite{log: new(e2e.Log), app: newApp()}
	config.opts.Logger = s.log.Logger()
	srv, err := mojo.New(config.opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	_, err = srv.Handle("/", s.app)
	require.NoError(t, err)
	s.srv = srv

	var handler http.Handler = srv
	if config.wrap != nil {
		handler = config.wrap(handler)
	}
	s.answers = &answerCounter{next: handler}
	server := config.server
	if server == nil {
		server = new(http.Server)
	}
	server.Handler = s.answers
	server.ErrorLog = log.New(s.log, "", 0)
	s.site = siotest.ServeServer(t, n, server)
	s.bystander = siotest.Dial(t, s.site, siotest.Options{Transport: "websocket"}).Connect("/", nil)
	s.app.exempt(s.bystander.SID())
	s.requireServed(t)
	s.answers.requireAnswered(t)
	s.before = currentFootprint()
	return s
}

// eachNetwork runs fn over TCP and over TLS, for which the server has different
// code. Each run has its own testSite.
func eachNetwork(t *testing.T, fn func(t *testing.T, s *testSite)) {
	t.Helper()
	for _, n := range []siotest.Network{siotest.TCP, siotest.TLS} {
		t.Run(n.Name, func(t *testing.T) { fn(t, newTestSite(t, n, siteConfig{})) })
	}
}

var transports = []string{"polling", "websocket"}

// eachTransport runs fn as an attack with each transport on each network.
func eachTransport(t *testing.T, fn func(t *testing.T, s *testSite, transport string)) {
	t.Helper()
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for _, transport := range transports {
			s.attack(t, transport, func(t *testing.T) { fn(t, s, transport) })
		}
	})
}

// attack runs fn as a subtest. After it attack requires that the server still
// serves, that it has recovered no panic, that every request got one answer,
// that OnDisconnect has run for each connection, and that the process has no
// more goroutines, file descriptors and heap than before.
func (s *testSite) attack(t *testing.T, name string, fn func(t *testing.T)) {
	t.Helper()
	t.Run(name, fn)
	s.site.Client().CloseIdleConnections()
	if s.site.Network() == siotest.TLS {
		s.site.HTTP2Client().CloseIdleConnections()
	}
	s.requireServed(t)
	s.answers.requireAnswered(t)
	e2e.WaitUntil(t, "OnDisconnect has run for each connection", func() bool { return s.app.live() == 1 })
	require.NotContains(t, s.log.String(), "panic")
	require.NotContains(t, s.log.String(), "superfluous")
	s.app.forget()
	s.before.requireReached(t)
}

// requireServed requires that the server answers the bystander and that the
// bystander has received no other event.
func (s *testSite) requireServed(t *testing.T) {
	t.Helper()
	require.Equal(t, `["bystander"]`, s.bystander.Call("echo", "bystander").JSON())
	require.Zero(t, s.bystander.Unread())
}

// attacker is a client on the main namespace.
type attacker struct {
	*siotest.Client
	socket *siotest.Socket
}

// attacker connects an attacker.
func (s *testSite) attacker(t *testing.T, transport string) attacker {
	t.Helper()
	client := siotest.Dial(t, s.site, siotest.Options{Transport: transport})
	t.Cleanup(client.Close) // otherwise only the heartbeat would end the connection of a polling client
	a := attacker{client, client.Connect("/", nil)}
	a.flush()
	return a
}

// flush waits until the server has answered every POST of the client, so that a
// POST of the test does not overlap it.
func (a attacker) flush() { a.Engine.Flush() }

// requireEnded requires that the attacker's connection ends with a reason.
func (s *testSite) requireEnded(t *testing.T, a attacker, reason mojo.Reason) {
	t.Helper()
	require.Equal(t, reason, s.app.awaitEnd(t, a.socket.SID()))
	a.Engine.AwaitClosed()
}

// requireLive requires that the server still answers the attacker.
func (s *testSite) requireLive(t *testing.T, a attacker) {
	t.Helper()
	require.Equal(t, `["still there"]`, a.socket.Call("echo", "still there").JSON())
	a.flush()
}
