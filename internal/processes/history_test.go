package processes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e/history"
)

var historyUsers = []string{"ann", "bob", "cid"}

// Browsers connect to three processes, log in and out, are revoked and get
// events, all at the same time. No event for a person or a session arrives at a
// connection that was certainly another one's. When all is calm, each event
// arrives where it has to, once.
func TestHistories(t *testing.T) {
	_, n := startCluster(t)
	rounds := long(1000, 30)
	const roundsOfRun = 100 // they must end within the 30 seconds in which the Servers follow a browser
	for seed := uint64(0); rounds > 0; seed++ {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { runHistory(t, n, seed, min(rounds, roundsOfRun)) }) {
			return
		}
		rounds -= roundsOfRun
	}
}

// chaos is a run of browsers.
type chaos struct {
	*history.Recorder
	t       *testing.T
	nodes   []*node
	random  *rand.Rand
	people  []*browser // that are there now
	clients sync.WaitGroup
	work    sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	emitted  map[int]*history.Emission
	browsers int // the id of the next
	failures []error
}

func runHistory(t *testing.T, n []*node, seed uint64, rounds int) {
	r := &chaos{
		Recorder: history.NewRecorder(true), t: t, nodes: n, random: rand.New(rand.NewPCG(seed, 0)), emitted: make(map[int]*history.Emission),
		browsers: int(seed) * 10_000, // the nodes remember the sessions of the earlier runs
	}
	for range 4 {
		r.people = append(r.people, r.newBrowser())
	}
	defer r.close()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range rounds {
		r.round()
		<-ticker.C
	}
	r.work.Wait()
	r.calm()
	if isolated := r.isolated(); isolated != "" {
		t.Skipf("%s was isolated for a time: the machine is too slow to check anything (%v)", isolated, r.failures)
	}
	require.Empty(t, r.failures)
	require.Less(t, time.Since(r.Began), 29*time.Second)
	r.Check(t, fmt.Sprint("seed ", seed))
	r.requireReached(seed)
	r.Check(t, fmt.Sprint("seed ", seed))
	t.Logf("%d deliveries in %v", len(r.Deliveries()), time.Since(r.Began))
}

// isolated returns the name of a node that did not belong to the cluster all the
// time.
func (r *chaos) isolated() string {
	for _, n := range r.nodes {
		if strings.Contains(n.log.String(), "state=isolated") {
			return n.Name
		}
	}
	return ""
}

// one is true once in n times.
func (r *chaos) one(n int) bool       { return r.random.IntN(n) == 0 }
func (r *chaos) anyNode() int         { return r.random.IntN(len(r.nodes)) }
func (r *chaos) anyUser() string      { return historyUsers[r.random.IntN(len(historyUsers))] }
func (r *chaos) anyBrowser() *browser { return r.people[r.random.IntN(len(r.people))] }

// round begins some calls.
func (r *chaos) round() {
	for i, b := range r.people {
		if b.isGone() {
			b.close()
			r.people[i] = r.newBrowser()
		}
	}
	if b := r.anyBrowser(); r.one(2) && len(b.all()) < 6 {
		v := connecting{node: r.anyNode(), transport: transports[r.random.IntN(3)], pass: b.current(), follows: !r.one(6)}
		if r.one(4) {
			v.pass = b.earlier(1 + r.random.IntN(3))
		}
		if !v.follows {
			v.transport = "websocket"
		}
		r.work.Go(func() { r.connect(b, v) })
	}
	if clients := r.anyBrowser().all(); r.one(12) && len(clients) > 0 {
		r.work.Go(clients[0].drop)
	}
	if b := r.anyBrowser(); r.one(2) {
		q := request{node: r.anyNode(), rebind: r.one(4)}
		if !r.one(3) {
			q.user = r.anyUser()
		}
		if r.one(5) {
			q.patient = time.Duration(1+r.random.IntN(20)) * time.Millisecond
		}
		r.work.Go(func() { b.request(q) })
	}
	if r.one(20) {
		target, node := Target{User: r.anyUser()}, r.anyNode()
		if r.one(3) {
			target.Session = r.anyBrowser().current().session
		}
		r.work.Go(func() { r.revoke(node, target) })
	}
	for range 1 + r.random.IntN(4) {
		e := &history.Emission{Node: r.anyNode()}
		switch r.random.IntN(5) {
		case 0:
			e.Users = []string{r.anyUser(), r.anyUser()}
		case 1:
			e.AnyUser = true
		case 2:
			e.Session = r.anyBrowser().current().session
		default:
			e.Users = []string{r.anyUser()}
		}
		r.work.Go(func() { r.emit(e) })
	}
}

// revoke revokes a session or a user.
func (r *chaos) revoke(node int, target Target) {
	c := &history.Call{Kind: history.RevokeUser, Browser: -1, Node: node, User: target.User, From: target.Session}
	if target.Session != "" {
		c.Kind = history.RevokeSession
	}
	r.Begin(c)
	var result Outcome
	if err := r.nodes[node].tryCall("Revoke", target, &result); err != nil {
		r.fail(err)
		return
	}
	r.End(r.t, c, result.err())
}

// emit emits an event.
func (r *chaos) emit(e *history.Emission) {
	e.ID = r.NextID()
	r.mu.Lock()
	r.emitted[e.ID] = e
	e.Begin = r.Stamp()
	r.mu.Unlock()
	var result Emitted
	err := r.nodes[e.Node].tryCall("Emit", Emission{Event: "event", Users: e.Users, AnyUser: e.AnyUser, Session: e.Session, First: e.ID}, &result)
	if err = errors.Join(err, result.err()); err != nil {
		r.fail(err)
	}
}

// fail notes an error that must not occur unless a node is isolated.
func (r *chaos) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, err)
}

func (r *chaos) emission(id int) *history.Emission {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.emitted[id]
}

// calm lets each browser log in or out once more, until that is confirmed, so
// that it is known who it is.
func (r *chaos) calm() {
	for _, b := range r.people {
		if b.isGone() {
			continue
		}
		q := request{node: r.anyNode(), user: r.anyUser()}
		if r.one(3) {
			q.user = ""
		}
		if !b.request(q) {
			r.fail(errors.New("the last request of a browser is not confirmed"))
		}
	}
}

// requireReached requires that events for each user, from each node, reach the
// connections of the browsers that are this user, and no others.
func (r *chaos) requireReached(seed uint64) {
	wanted := make(map[*history.Link]string) // the user of each connection
	var open []*client
	for _, b := range r.people {
		for _, c := range b.all() {
			if c.link.Follows && r.becomes(c, b.current()) {
				wanted[c.link] = b.current().user
				open = append(open, c)
			}
		}
	}
	waitUntil(r.t, "all nodes know the same people", func() bool {
		first := r.nodes[0].look()
		for _, n := range r.nodes[1:] {
			if view := n.look(); fmt.Sprint(view.Sessions, view.Conns) != fmt.Sprint(first.Sessions, first.Conns) {
				return false
			}
		}
		return true
	})
	var emitted []*history.Emission
	for i, n := range r.nodes {
		for _, user := range historyUsers {
			e := &history.Emission{Node: i, Users: []string{user}}
			r.emit(e)
			emitted = append(emitted, e)
		}
		require.Zero(r.t, n.emit(Emission{Event: "end"}).Failed)
	}
	for _, c := range open {
		waitUntil(r.t, "the last event arrives", func() bool { return c.ends.Load() == int64(len(r.nodes)) || !c.isOpen() })
		if !c.isOpen() {
			delete(wanted, c.link)
		}
	}
	type receipt struct {
		event int
		*history.Link
	}
	got := make(map[receipt]bool)
	for _, d := range r.Deliveries() {
		got[receipt{d.ID, d.Link}] = true
	}
	for _, e := range emitted {
		for l, user := range wanted {
			if want := user == e.Users[0]; got[receipt{e.ID, l}] != want {
				r.t.Fatalf("seed %d: event %d for %q has reached connection %d: %t, want %t, as the browser is %q\n%s",
					seed, e.ID, e.Users[0], l.ID, !want, want, user, r.story(l))
			}
		}
	}
	r.t.Logf("%d events have reached the right ones of %d connections", len(emitted), len(wanted))
}

// becomes waits until a connection has the identity of its browser. It returns
// false if it has ended: the Servers close a connection that began with a
// session which was given up, so that the client connects again.
func (r *chaos) becomes(c *client, now pass) bool {
	var id mojo.Identity
	defer func() {
		if r.t.Failed() {
			r.t.Logf("connection %d has the identity %+v, its browser has %+v\n%s", c.link.ID, id, now, r.story(c.link))
		}
	}()
	waitUntil(r.t, "the connection belongs to the session of its browser", func() bool {
		r.nodes[c.link.Node].call("IdentityOf", c.SID(), &id)
		return !c.isOpen() || id.SessionID == now.session && id.UserID == now.user
	})
	return c.isOpen()
}

// story has what a connection depends on.
func (r *chaos) story(l *history.Link) string {
	d := history.Delivery{Emission: &history.Emission{}, Link: l}
	return d.String() + "\n" + r.Story(&d) + r.Notes()
}

// close ends all clients.
func (r *chaos) close() {
	for _, b := range r.people {
		b.close()
	}
	r.clients.Wait()
}
