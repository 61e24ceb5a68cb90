package clustertest

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
)

// exactBus is a Memory whose Links are Occupiers.
type exactBus struct {
	*cluster.Memory
	bug exactBug
}

// exactBug has a function for each thing that a Link can do wrong; nil: it does
// it right.
type exactBug struct {
	occupy func(l *exactLink, k roomKey, occupied bool)
	lost   func(l *exactLink)
}

type roomKey struct{ namespace, room string }

func (b *exactBus) Open(name string, n cluster.Node) (cluster.Link, error) {
	l := &exactLink{bug: b.bug, subscribed: make(map[roomKey]int)}
	link, err := b.Memory.Open(name, exactNode{n, l})
	if err != nil {
		return nil, err
	}
	l.Link = link
	return l, nil
}

type exactLink struct {
	cluster.Link
	bug exactBug

	mu         sync.Mutex
	subscribed map[roomKey]int
}

func (l *exactLink) Occupy(namespace, room string, occupied bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := roomKey{namespace, room}
	switch {
	case l.bug.occupy != nil:
		l.bug.occupy(l, k, occupied)
	case occupied:
		l.subscribed[k] = 1
	default:
		delete(l.subscribed, k)
	}
}

// exactNode drops events for rooms to which its Link is not subscribed.
type exactNode struct {
	cluster.Node
	link *exactLink
}

func (n exactNode) Event(e *cluster.Event) {
	k := roomKey{namespace: e.Namespace}
	if len(e.Rooms) == 1 && !strings.HasPrefix(e.Rooms[0], "~") {
		k.room = e.Rooms[0]
	}
	n.link.mu.Lock()
	subscribed := n.link.subscribed[k] > 0
	n.link.mu.Unlock()
	if subscribed {
		n.Node.Event(e)
	}
}

func (n exactNode) Link(state cluster.LinkState) {
	if state == cluster.LinkDown && n.link.bug.lost != nil {
		n.link.mu.Lock()
		n.link.bug.lost(n.link)
		n.link.mu.Unlock()
	}
	n.Node.Link(state)
}

// runExact runs a case on a bus with exact subscriptions.
func runExact(t *testing.T, name string, bug exactBug) *result {
	return runBroken(t, name, broken{}, func(b *Broker) {
		m := cluster.NewMemory()
		other := &exactBus{Memory: cluster.NewMemory()}
		*b = Broker{
			Timeout: b.Timeout, Bus: func(string) cluster.Bus { return &exactBus{m, bug} },
			Other: func(string) cluster.Bus { return other },
			Cut:   func(node string) { m.Cut(node) }, Reconnect: func(node string) { m.Reconnect(node) },
			Restart: func() {
				nodes := m.Nodes()
				m.Cut(nodes...)
				m.Reconnect(nodes...)
			},
		}
	})
}

// TestWholeExact runs all cases on a bus with exact subscriptions that keeps its
// promises.
func TestWholeExact(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				result := runExact(t, c.name, exactBug{})
				require.Empty(t, result.failures)
				require.Empty(t, result.skipped)
			})
		})
	}
}

// TestBrokenExact runs cases on buses whose subscriptions are wrong.
func TestBrokenExact(t *testing.T) {
	for name, c := range map[string]struct {
		run  string
		bug  exactBug
		want string
	}{
		"forgets rooms when the connection is lost": {"Occupier", exactBug{lost: func(l *exactLink) { clear(l.subscribed) }}, "a/6 has not come"},
		"leaves the namespace with a room": {"Occupier", exactBug{occupy: func(l *exactLink, k roomKey, occupied bool) {
			if occupied {
				l.subscribed[k] = 1
				return
			}
			for other := range l.subscribed {
				if other.namespace == k.namespace {
					delete(l.subscribed, other)
				}
			}
		}}, "a/2 has not come"},
		"knows only the first state of a room": {"Occupier", exactBug{occupy: func(l *exactLink, k roomKey, occupied bool) {
			if l.subscribed[k] == 0 && occupied {
				l.subscribed[k] = 1
			} else if !occupied {
				l.subscribed[k] = -1
			}
		}}, "has not come"},
		"keeps one room of a namespace": {"Occupied", exactBug{occupy: func(l *exactLink, k roomKey, occupied bool) {
			for other := range l.subscribed {
				if other.namespace == k.namespace {
					delete(l.subscribed, other)
				}
			}
			l.subscribed[k] = 1
		}}, "a/5 has not come"},
		"does not know the room of a name with a dot": {"Events", exactBug{occupy: func(l *exactLink, k roomKey, occupied bool) {
			if !strings.Contains(k.namespace+k.room, ".") {
				l.subscribed[k] = 1
			}
		}}, "has not come"},
		"ignores Occupy": {"Order", exactBug{occupy: func(*exactLink, roomKey, bool) {}}, "has not come"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				require.Contains(t, strings.Join(runExact(t, c.run, c.bug).failures, "\n"), c.want)
			})
		})
	}
}
