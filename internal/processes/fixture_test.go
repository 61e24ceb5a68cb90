package processes

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// grace is Timeouts.PresenceGrace of the nodes.
const grace = 300 * time.Millisecond

// startNodes starts nodes on one broker, and waits until they know each other.
func startNodes(t testing.TB, broker string, count int) []*node {
	t.Helper()
	var nodes []*node
	for range count {
		nodes = append(nodes, start(t, Config{Redis: broker, Grace: grace}))
	}
	awaitWhole(t, nodes...)
	return nodes
}

// startCluster starts a broker and three nodes.
func startCluster(t testing.TB) (*redistest.Server, []*node) {
	t.Helper()
	broker := redistest.New(t)
	return broker, startNodes(t, broker.Addr, 3)
}

// awaitWhole waits until each node is ready and knows all others, and none
// besides. It returns how long it took.
func awaitWhole(t testing.TB, nodes ...*node) time.Duration {
	t.Helper()
	return waitUntil(t, "the nodes know each other", func() bool {
		for _, n := range nodes {
			if view := n.look(); len(view.Nodes) != len(nodes) || view.Stats.Cluster.State != "ready" || view.Health != http.StatusOK {
				return false
			}
		}
		return true
	})
}

// person is a browser that is connected.
type person struct {
	session, user string
	cookie        string
	*siotest.Client
	*siotest.Socket
}

// cookiesOf returns the cookies of a browser, as in the header.
func cookiesOf(session, user string) string {
	cookies := []string{e2e.SessionCookie(session)}
	if user != "" {
		cookies = append(cookies, e2e.LoginCookie(user))
	}
	return e2e.CookieHeader(cookies...).Get("Cookie")
}

// visit connects a browser to a node.
func (n *node) visit(transport, session, user string) *person {
	n.t.Helper()
	return visit(n.t, n.site, transport, session, user)
}

func visit(t testing.TB, site *siotest.Site, transport, session, user string) *person {
	t.Helper()
	p := &person{session: session, user: user, cookie: cookiesOf(session, user)}
	p.Client = siotest.Dial(t, site, siotest.Options{Transport: transport, Header: http.Header{"Cookie": {p.cookie}}})
	p.Socket = p.Connect(e2e.ChatNamespace, nil)
	return p
}

// transports alternate.
var transports = []string{"websocket", "polling", "upgrade"}

func transportOf(i int) string { return transports[i%len(transports)] }

// requireRefused requires that a node admits nobody with these cookies.
func (n *node) requireRefused(cookie string) {
	n.t.Helper()
	answer := e2e.Do(n.t, n.site, http.MethodGet, n.site.URL+"/socket.io/?EIO=4&transport=polling", http.Header{"Cookie": {cookie}}, "")
	require.Equal(n.t, http.StatusForbidden, answer.Status, answer.Body)
}

// expectNumbers requires that the next events of a person count up.
func expectNumbers(p *person, event string, first, count int) {
	for i := range count {
		p.Expect(event, first+i)
	}
}

// long returns the first of two values if the tests run with full counts, and
// the second otherwise.
func long[T any](full, short T) T {
	if e2e.Long() {
		return full
	}
	return short
}

// measured logs a figure and the bar for it. With full counts it must not be
// longer.
func measured(t testing.TB, what string, took, bar time.Duration) {
	t.Helper()
	t.Logf("%s: %v, bar %v", what, took.Round(100*time.Microsecond), bar)
	if e2e.Long() {
		require.LessOrEqual(t, took, bar, what)
	}
}

func name(prefix string, i int) string { return prefix + strconv.Itoa(i) }

// settled is longer than the time after which a change of the members or of
// presence is told again if a node dies.
const settled = 16 * time.Second

// serveFor lets some nodes emit to everybody for some time. It requires that
// each event reaches some people.
func serveFor(t testing.TB, duration time.Duration, nodes []*node, receivers ...*person) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for i, began := 0, time.Now(); time.Since(began) < duration; i++ {
		for _, n := range nodes {
			require.Zero(t, n.emit(Emission{Event: "tick", First: i}).Failed)
			for _, r := range receivers {
				r.Expect("tick", i)
			}
		}
		<-ticker.C
	}
}
