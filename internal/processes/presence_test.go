package processes

import (
	"testing"

	"github.com/mojosocket/mojo"
)

// someone is a user or a session.
type someone struct {
	kind mojo.PresenceKind
	id   string
}

// watch collects the calls of OnPresence on some nodes.
type watch struct {
	t        testing.TB
	nodes    []*node
	online   map[someone]bool // all that was told of
	recent   []Edge           // since forget
	repeated []Edge           // that were told twice, one after the other
}

func newWatch(t testing.TB, nodes ...*node) *watch {
	return &watch{t: t, nodes: nodes, online: make(map[someone]bool)}
}

// update collects what was told since the last time.
func (w *watch) update() {
	w.t.Helper()
	for _, e := range edges(w.nodes...) {
		who := someone{e.Kind, e.ID}
		if w.online[who] == e.Online {
			w.repeated = append(w.repeated, e)
		}
		w.online[who] = e.Online
		w.recent = append(w.recent, e)
	}
}

// awaitOnline waits until so many users and sessions are online, and all nodes
// have told of it.
func (w *watch) awaitOnline(count int) {
	w.t.Helper()
	waitUntil(w.t, "all are online", func() bool {
		w.update()
		return w.countOnline() == count
	})
}

func (w *watch) countOnline() (count int) {
	for _, online := range w.online {
		if online {
			count++
		}
	}
	return count
}

// forget empties recent.
func (w *watch) forget() { w.recent = nil }

// mark waits until a node has told of all that it knows already: of new people
// the nodes tell after that.
func (w *watch) mark(n *node, prefix string) {
	w.t.Helper()
	const many = 30 // so that each node tells of some
	before := w.countOnline()
	for i := range many {
		n.visit("websocket", name(prefix, i), "")
	}
	w.awaitOnline(before + many)
}
