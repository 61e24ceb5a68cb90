package cluster

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/history"
)

var (
	historyUsers      = []string{"ann", "bob", "cid"}
	historyTransports = []string{"websocket", "websocket", "polling", "upgrade"}
)

// roundsOfRun is how many rounds a cluster is used for. They must end within the
// 30 seconds in which the Servers follow the changes of a browser.
const roundsOfRun = 200

// Browsers connect to three nodes, log in and out, are revoked and get events,
// all at the same time, while the bus delays, doubles and loses messages and
// cuts nodes off. No event for a person or a session arrives at a connection
// that was certainly another one's. When all is calm, each event arrives where
// it has to, once.
func TestHistories(t *testing.T) {
	for _, variant := range []struct {
		name      string
		withStore bool
		seed      uint64
	}{{"cookies", false, 1 << 32}, {"session store", true, 2 << 32}} {
		t.Run(variant.name, func(t *testing.T) {
			for i := range max(e2e.Rounds(100_000)/2/roundsOfRun, 1) {
				seed := variant.seed + uint64(i)
				if !t.Run(fmt.Sprint(seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { runHistory(t, variant.withStore, seed) })
				}) {
					return
				}
			}
		})
	}
}

// chaos is a run while it is disturbed. All that is random comes from its one
// goroutine.
type chaos struct {
	*historyRun
	random *rand.Rand
	people []*historyBrowser // that are there now
	work   sync.WaitGroup
	// keepsUsers: with a session store, no user is revoked.
	keepsUsers bool
	late       int // the round in which the third node starts; 0: at the beginning
	faultEnd   time.Time
}

func runHistory(t *testing.T, withStore bool, seed uint64) {
	r := &chaos{historyRun: newHistoryRun(t, withStore), random: rand.New(rand.NewPCG(seed, 0))}
	defer r.close()
	r.keepsUsers = r.one(2)
	if r.one(3) {
		r.late = 20 + r.random.IntN(roundsOfRun/2)
	}
	r.startNode()
	r.startNode()
	if r.late == 0 {
		r.startNode()
	}
	time.Sleep(3 * time.Second)
	r.bus.SetFaults(cluster.Faults{
		Seed: seed, MaxDelay: []time.Duration{0, 5, 30, 30}[r.random.IntN(4)] * time.Millisecond,
		Duplicate: 0.05, Drop: 0.01, Silent: true,
	})
	for i := range 4 {
		r.people = append(r.people, r.newBrowser(i == 0))
	}
	began := time.Now()
	for round := range roundsOfRun {
		r.round(round)
	}
	r.bus.Heal()
	r.bus.SetFaults(cluster.Faults{})
	r.work.Wait()
	r.Check(t, fmt.Sprint("seed ", seed))
	time.Sleep(6 * time.Second)
	r.calm()
	require.Less(t, time.Since(began), 29*time.Second)
	time.Sleep(time.Minute)
	r.requireReached(seed)
	r.Check(t, fmt.Sprint("seed ", seed))
}

// one is true once in n times.
func (r *chaos) one(n int) bool { return r.random.IntN(n) == 0 }

func (r *chaos) anyNode() int            { return r.random.IntN(len(r.nodes)) }
func (r *chaos) anyUser() string         { return historyUsers[r.random.IntN(len(historyUsers))] }
func (r *chaos) anyone() *historyBrowser { return r.people[r.random.IntN(len(r.people))] }
func (r *chaos) upTo(ms int) time.Duration {
	return time.Duration(r.random.IntN(ms+1)) * time.Millisecond
}

// anyPass returns the pass of a browser, or one that it had a moment ago.
func (r *chaos) anyPass(b *historyBrowser) pass {
	if r.one(4) {
		return b.earlier(1 + r.random.IntN(3))
	}
	return b.current()
}

// round begins some calls, and waits a moment.
func (r *chaos) round(round int) {
	r.disturb(round)
	if r.late != 0 && round == r.late {
		r.startNode()
		r.Note("node %d starts", len(r.nodes)-1)
		for _, b := range r.people {
			r.beginConnect(b, len(r.nodes)-1, b.earlier(1+r.random.IntN(3)))
		}
	}
	for i, b := range r.people {
		b.mu.Lock()
		gone := b.gone
		b.mu.Unlock()
		if gone {
			for _, c := range b.all() {
				r.disconnect(c)
			}
			r.people[i] = r.newBrowser(b.careless)
		}
	}
	if r.one(2) {
		b := r.anyone()
		r.beginConnect(b, r.anyNode(), r.anyPass(b))
	}
	if r.one(12) {
		if clients := r.anyone().all(); len(clients) > 0 {
			c := clients[r.random.IntN(len(clients))]
			r.work.Go(func() { r.disconnect(c) })
		}
	}
	if r.one(2) {
		r.beginRequest(r.anyone())
	}
	if r.one(20) {
		r.beginRevoke()
	}
	for range 1 + r.random.IntN(4) {
		r.beginEmit()
	}
	time.Sleep(r.upTo(140))
}

// disturb cuts a node off, or lets it hear nothing, and ends that.
func (r *chaos) disturb(round int) {
	now := time.Now()
	if !r.faultEnd.IsZero() {
		if now.After(r.faultEnd) {
			r.faultEnd = time.Time{}
			r.bus.Heal()
		}
		return
	}
	if r.late != 0 && round > r.late-40 && round < r.late+40 || !r.one(60) {
		return
	}
	r.faultEnd = now.Add(200*time.Millisecond + r.upTo(3000))
	if r.one(2) {
		r.faultEnd = now.Add(5*time.Second + r.upTo(2000))
	}
	number := r.anyNode()
	disturb, how := r.bus.Cut, "cut"
	if r.one(2) {
		disturb, how = r.bus.Starve, "starved"
	}
	disturb(r.nodes[number].Nodes()[0].Name)
	r.Note("node %d is %s until %v", number, how, r.faultEnd.Sub(r.Began))
}

func (r *chaos) beginConnect(b *historyBrowser, node int, p pass) {
	if len(b.all()) > 6 {
		return
	}
	v := visit{
		node: node, pass: p, transport: historyTransports[r.random.IntN(len(historyTransports))],
		slow: r.one(5), follows: !r.one(6), proofDelay: []time.Duration{0, r.upTo(50), r.upTo(2000)}[r.random.IntN(3)],
	}
	if !v.follows {
		v.transport = "websocket"
	}
	r.work.Go(func() { r.connect(b, v) })
}

// anyRequest returns a request of a browser.
func (r *chaos) anyRequest(b *historyBrowser) request {
	q := request{node: r.anyNode(), pass: r.anyPass(b), rebind: r.store != nil || r.one(4)}
	if !r.one(3) {
		q.user = r.anyUser()
	}
	q.inPlace = r.store != nil && !b.careless && !r.one(3)
	if r.one(5) {
		q.patient = 1 + r.upTo(40)
	}
	if clients := b.all(); len(clients) > 0 && r.one(4) {
		if c := clients[r.random.IntN(len(clients))]; c.link.Follows && c.link.Node == q.node {
			q.names = c.socket.SID()
		}
	}
	return q
}

// beginRequest begins a request of a browser. At times another one follows at
// once, with the answer of the first.
func (r *chaos) beginRequest(b *historyBrowser) {
	first, second := r.anyRequest(b), r.anyRequest(b)
	again := r.one(3)
	if again && r.one(2) {
		first.patient = 1 + r.upTo(5)
	}
	if !b.careless {
		select {
		case b.busy <- struct{}{}:
		default:
			return
		}
	}
	r.work.Go(func() {
		r.send(b, first)
		if again {
			second.pass = b.current()
			r.send(b, second)
		}
		if !b.careless {
			<-b.busy
		}
	})
}

func (r *chaos) beginRevoke() {
	node, user, session, patient := r.anyNode(), r.anyUser(), "", time.Duration(0)
	if r.one(3) || r.store != nil && r.keepsUsers {
		session = r.anyone().current().session
	}
	if r.one(5) {
		patient = 1 + r.upTo(40)
	}
	if r.store != nil && session == "" {
		for _, b := range r.people { // a handshake may have looked the user up before
			b.mu.Lock()
			b.unsure = true
			b.mu.Unlock()
		}
	}
	r.work.Go(func() { r.revoke(node, user, session, patient) })
}

func (r *chaos) beginEmit() {
	e := &history.Emission{Node: r.anyNode()}
	switch r.random.IntN(5) {
	case 0:
		e.Users = []string{r.anyUser(), r.anyUser()}
	case 1:
		e.AnyUser = true
	case 2:
		e.Session = r.anyPass(r.anyone()).session
	default:
		e.Users = []string{r.anyUser()}
	}
	slow := r.one(8)
	r.work.Go(func() { r.emit(e, slow) })
}

// calm lets the browsers that may have kept a session of the past log in or out
// once more.
func (r *chaos) calm() {
	for _, b := range r.people {
		if b.careless || b.unsure || r.one(2) {
			q := request{node: r.anyNode(), pass: b.current(), rebind: r.store != nil, user: r.anyUser()}
			if r.one(3) {
				q.user = ""
			}
			require.True(r.t, r.send(b, q))
		}
	}
}

// requireReached requires that events for each user, from each node, reach all
// connections of the browsers that are this user, and that all nodes agree who
// these are.
func (r *chaos) requireReached(seed uint64) {
	t := r.t
	wanted := make(map[*history.Link]string) // the user of each connection
	state := make(map[*history.Link]string)  // what its node says
	for _, n := range r.nodes {
		require.Len(t, n.Nodes(), len(r.nodes))
	}
	for _, b := range r.people {
		user := r.nodes[0].Identity(b.current().request()).UserID
		for _, p := range b.passes {
			want := r.nodes[0].Identity(p.request())
			for i, n := range r.nodes {
				if now := n.Identity(p.request()); now.SessionID != want.SessionID || now.UserID != want.UserID {
					d := history.Delivery{Emission: &history.Emission{}, Link: &history.Link{Browser: b.id}}
					t.Fatalf("seed %d: browser %d with session %s is %q, user %q on node 0, and %q, user %q on node %d\n%s",
						seed, b.id, p.session, want.SessionID, want.UserID, now.SessionID, now.UserID, i, r.Story(&d)+r.Notes())
				}
			}
		}
		for _, c := range b.all() {
			if c.isOpen() {
				wanted[c.link] = user
				state[c.link] = "not connected"
				if conn, found := r.nodes[c.link.Node].chat.Conn(c.socket.SID()); found {
					state[c.link] = fmt.Sprintf("%+v", conn.Identity())
				}
			}
		}
	}
	var emitted []*history.Emission
	for _, user := range historyUsers {
		for i := range r.nodes {
			e := &history.Emission{Node: i, Users: []string{user}}
			r.emit(e, false)
			emitted = append(emitted, e)
		}
	}
	time.Sleep(time.Second)
	synctest.Wait()
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
				d := history.Delivery{Emission: e, Link: l}
				t.Fatalf("seed %d: reached %t, want %t, as the browser is %q and the connection %s: %s\n%s%s",
					seed, !want, want, user, state[l], &d, r.Story(&d), r.Notes())
			}
		}
	}
}
