package clustertest

import (
	"slices"
	"strings"

	"github.com/mojosocket/mojo/cluster"
)

// testNames opens nodes with names that are allowed, and with others.
func testNames(r *run) {
	for _, name := range []string{
		"", " ", "a b", "a.b", "a-b", "a_b", "a/b", "a:b", "a#b", "*", ">", "~a", "a\n", "\x00", "ä", "а", "\xff", strings.Repeat("a", 65),
	} {
		n := newNode(r, name)
		link, err := r.broker.Bus(name).Open(name, n)
		if err == nil {
			n.link = link
			r.nodes = append(r.nodes, n)
			r.tb.Errorf("Open(%q) returns no error, want one", name)
		}
	}

	// Names that differ in their case are different names.
	long := strings.Repeat("Az09", 16)
	names := []string{"a", "A", "0", long}
	nodes := make(map[string]*node)
	for _, name := range names {
		nodes[name] = r.open(name)
	}
	for i, name := range names {
		nodes["a"].mustPublish(controlTo(name, "a", i))
	}
	nodes["a"].mustPublish(numbered(4, "a", len(names)), controlTo("a", "a", len(names)+1))
	for i, name := range names {
		first, last := controlTo(name, "a", i), numbered(4, "a", len(names))
		if name == "a" {
			last = controlTo(name, "a", len(names)+1)
		}
		want := []string{label(&first), label(&last)}
		nodes[name].awaitLabel(want[1])
		if diff := differs(want, nodes[name].labels("a")); diff != "" {
			r.tb.Errorf("node %s: %s", name, diff)
		}
	}
}

// testLinkUp opens a node while another publishes. After LinkUp it gets
// everything.
func testLinkUp(r *run) {
	a := r.open("a")
	l := r.startLoad(a)
	b := r.open("b")
	first := l.count() // was published after LinkUp, as may be some before
	b.awaitMessages(-1, 50)
	l.stop()
	a.mustPublish(numbered(4, "a", l.begun))
	last := numbered(4, "a", l.begun)
	b.awaitLabel(label(&last))

	want, got := append(l.taken, label(&last)), b.labels("a")
	missed := slices.Index(want, got[0])
	if missed < 0 || missed > first {
		r.tb.Errorf("node b: %s is the first that came, but %s was published after LinkUp", got[0], want[first])
		return
	}
	if diff := differs(want[missed:], got); diff != "" {
		r.tb.Errorf("node b, which was opened while another published: %s", diff)
	}
}

// testReopen closes a node and opens it again under its name.
func testReopen(r *run) {
	a := r.open("a")
	for i := range 3 {
		b := r.open("b")
		message := controlTo("b", "a", i)
		a.mustPublish(message)
		b.awaitLabel(label(&message))
		reply := numbered(0, "b", i)
		b.mustPublish(reply)
		a.awaitLabel(label(&reply))
		b.close()
	}
}

var _ cluster.Node = (*node)(nil)
