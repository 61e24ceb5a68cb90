package socketio

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// diary is what was told of each place, and when.
type diary struct {
	mu    sync.Mutex // guards edges
	edges map[place][]entry
}

type entry struct {
	online bool
	at     time.Time
}

func (d *diary) Presence(e Edge) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := place{e.Namespace, e.Key}
	d.edges[at] = append(d.edges[at], entry{e.Online, time.Now()})
}

// presenceModel is presence as one would say it: somebody is online while connected, and for the grace after that.
type presenceModel struct {
	grace  time.Duration
	online map[place]time.Time // and until when, if not connected any more
	want   map[place][]entry
}

// see takes in who is connected now.
func (m *presenceModel) see(connected map[place]bool) {
	m.pass()
	for at := range connected {
		if _, online := m.online[at]; !online {
			m.want[at] = append(m.want[at], entry{true, time.Now()})
		}
		m.online[at] = time.Time{}
	}
	for at, until := range m.online {
		if !connected[at] && until.IsZero() {
			m.online[at] = time.Now().Add(m.grace)
		}
	}
}

// pass takes in that time has passed.
func (m *presenceModel) pass() {
	for at, until := range m.online {
		if !until.IsZero() && !time.Now().Before(until) {
			delete(m.online, at)
			m.want[at] = append(m.want[at], entry{false, until})
		}
	}
}

// TestPresenceAgreesWithAModel: clients of a few identities come, are on one namespace or another, change their
// identity, leave and are evicted, and time passes; what is told, and when, and who is online at any time.
func TestPresenceAgreesWithAModel(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) { presenceByChance(t, seed) })
	}
}

func presenceByChance(t *testing.T, seed uint64) {
	const grace = 10 * time.Second
	told := &diary{edges: make(map[place][]entry)}
	opts := serverOptions()
	opts.PresenceGrace, opts.Presence = grace, told.Presence
	server := NewServer(opts)
	r := &server.registry
	namespaces := []*Namespace{
		server.NewNamespace("/a", nil, Watchers{Presence: told}),
		server.NewNamespace("/b", nil, Watchers{Presence: told}),
	}
	model := presenceModel{grace: grace, online: make(map[place]time.Time), want: make(map[place][]entry)}
	random := rand.New(rand.NewPCG(seed, 0))
	identity := func() Identity {
		return Identity{[]string{"", "s", "t", "v"}[random.IntN(4)], []string{"", "ann", "bob"}[random.IntN(3)]}
	}
	var all []*client
	shown := make(map[*Socket]bool)
	connected := func() map[place]bool {
		places := make(map[place]bool)
		for s := range shown {
			id := s.client.standing.Load().Identity
			for k := Session; k < kinds; k++ {
				if id.key(k) != "" {
					places[place{nil, Key{k, id.key(k)}}] = true
					places[place{s.namespace, Key{k, id.key(k)}}] = true
				}
			}
		}
		return places
	}
	pick := func() (*client, bool) {
		if len(all) == 0 {
			return nil, false
		}
		return all[random.IntN(len(all))], true
	}
	forget := func(c *client) {
		all = slices.DeleteFunc(all, func(x *client) bool { return x == c })
		for s := range shown {
			if s.client == c {
				delete(shown, s)
			}
		}
	}

	for range 2000 {
		switch c, ok := pick(); {
		case random.IntN(3) == 0:
			time.Sleep(time.Duration(random.Int64N(int64(grace))))
			model.pass()
		case !ok || random.IntN(4) == 0:
			c, _ := enter(t, r, identity())
			all = append(all, c)
		case random.IntN(3) == 0:
			s := &Socket{namespace: namespaces[random.IntN(2)], client: c, id: newID()}
			r.show(s)
			shown[s] = true
		case random.IntN(3) == 0:
			for s := range shown {
				r.hide(s)
				delete(shown, s)
				break
			}
		case random.IntN(2) == 0:
			from, to := c.standing.Load().Identity, Identified{Identity: identity()}
			r.retired = ledger[retirement]{} // so that the few ids can come again
			if from.Session != "" {
				_, _, err := r.change(Change{From: from, To: to})
				require.NoError(t, err)
			}
		case random.IntN(2) == 0:
			r.mu.Lock()
			r.evict(c)
			r.mu.Unlock()
			forget(c)
		default:
			r.forget(c)
			forget(c)
		}
		model.see(connected())
		requireOnline(t, server, namespaces, model.online)
		if len(all) > 6 {
			r.forget(all[0])
			forget(all[0])
			model.see(connected())
		}
	}
	for len(all) > 0 {
		r.forget(all[0])
		forget(all[0])
	}
	model.see(connected())
	time.Sleep(grace)
	model.pass()
	synctest.Wait()

	require.Equal(t, model.want, told.edges)
	require.Greater(t, len(told.edges), 12, "the seed is of no use")
	for at, list := range told.edges {
		require.Zero(t, len(list)%2, "%v", at)
		for i, e := range list {
			require.Equal(t, i%2 == 0, e.online, "%v", at)
		}
	}
}

func requireOnline(t *testing.T, server *Server, namespaces []*Namespace, online map[place]time.Time) {
	t.Helper()
	for k, ids := range map[Kind][]string{Session: {"s", "t", "v", ""}, User: {"ann", "bob", ""}} {
		for _, n := range []*Namespace{nil, namespaces[0], namespaces[1]} {
			var want []string
			for _, id := range ids {
				if _, is := online[place{n, Key{k, id}}]; is {
					want = append(want, id)
				}
			}
			require.Equal(t, want, View{server, n}.Online(k, ids), fmt.Sprint(k, n))
		}
	}
}

// TestPresenceForgets whoever has gone for good: nothing grows with those who were here.
func TestPresenceForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := serverOptions()
		opts.PresenceGrace = time.Second
		opts.Presence = func(Edge) {}
		server := NewServer(opts)
		r := &server.registry
		n := server.NewNamespace("/", nil, Watchers{})
		for i := range 10_000 {
			c, _ := enter(t, r, Identity{fmt.Sprint("s", i%10), fmt.Sprint("u", i)})
			s := &Socket{namespace: n, client: c, id: newID()}
			r.show(s)
			r.forget(c)
			time.Sleep(10 * time.Millisecond)
			r.mu.RLock()
			room := cap(r.presence.queue)
			r.mu.RUnlock()
			require.LessOrEqual(t, room, 2048, "for at most 100 who come and go in a grace")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		require.Empty(t, r.presence.lingering)
		require.Nil(t, r.presence.queue)
		require.Nil(t, r.presence.edges)
		require.False(t, r.presence.armed)
		requireScopeEmpty(t, &r.all)
	})
}
