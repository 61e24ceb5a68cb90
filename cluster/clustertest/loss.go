package clustertest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mojosocket/mojo/cluster"
)

// testCut takes a node's connection and gives it back.
func testCut(r *run) {
	const messages = 10
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	publish := func(n *node, first int) (labels []string) {
		for i := range messages {
			message := numbered(i%kinds, n.name, first+i)
			n.mustPublish(message)
			labels = append(labels, label(&message))
		}
		return labels
	}
	expect := func(n *node, from string, want []string) {
		n.awaitLabel(want[len(want)-1])
		if diff := differs(want, n.labels(from)); diff != "" {
			r.tb.Errorf("node %s: %s", n.name, diff)
		}
	}
	before := publish(a, 0)
	expect(b, "a", before)

	r.broker.Cut("b")
	down := b.await("LinkDown", isLink(cluster.LinkDown))
	for i := range messages {
		if b.publish(numbered(i%kinds, "b", i)) == nil {
			r.tb.Errorf("node b: Publish without a connection returns no error, want one")
		}
	}
	meanwhile := publish(a, 100)
	expect(c, "a", slices.Concat(before, meanwhile))

	r.broker.Reconnect("b")
	b.awaitAfter(down, "LinkResumed", isLink(cluster.LinkResumed))
	after, own := publish(a, 200), publish(b, 200)
	expect(b, "a", slices.Concat(before, after))
	expect(c, "a", slices.Concat(before, meanwhile, after))
	expect(a, "b", own)
	expect(c, "b", own)
	b.mustPublish(controlTo("b", "b", 300))
	expect(b, "b", []string{"b/300"})
}

// testCutUnderLoad takes a node's connection and gives it back while it and
// others publish.
func testCutUnderLoad(r *run) {
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	fromA, fromB := r.startLoad(a), r.startLoad(b)
	at := -1
	now := func() int { return len(c.records()) - 1 }
	for range 3 {
		at = b.awaitFrom("a", at, 10)
		c.awaitFrom("b", now(), 10)
		r.broker.Cut("b")
		at = b.awaitAfter(at, "LinkDown", isLink(cluster.LinkDown))
		c.awaitFrom("a", now(), 10) // b publishes meanwhile, too
		r.broker.Reconnect("b")
		at = b.awaitAfter(at, "LinkResumed", isLink(cluster.LinkResumed))
	}
	b.awaitFrom("a", at, 10)
	c.awaitFrom("b", now(), 10)
	fromA.stop()
	fromB.stop()
	expectAll(r, fromA, a, c)
	expectAll(r, fromB, b, a, c)
	expectReported(r, fromA, a, b)
}

// testRestart restarts the broker while a node publishes.
func testRestart(r *run) {
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	l := r.startLoad(a)
	for range 2 {
		b.awaitMessages(len(b.records())-1, 20)
		positions := make(map[*node]int)
		for _, n := range r.nodes {
			positions[n] = len(n.records()) - 1
		}
		r.broker.Restart()
		for _, n := range r.nodes {
			n.awaitAfter(positions[n], "LinkResumed", isLink(cluster.LinkResumed))
		}
	}
	b.awaitMessages(len(b.records())-1, 20)
	l.stop()
	expectReported(r, l, a, b, c)
	for i, n := range r.nodes {
		last := controlTo("", n.name, 1_000_000)
		own := controlTo(n.name, n.name, 1_000_001)
		n.mustPublish(last, own)
		n.awaitLabel(label(&own))
		for j, other := range r.nodes {
			if i != j {
				other.awaitLabel(label(&last))
			}
		}
	}
}

// expectAll expects that nodes which were connected all the time got what the
// publisher has published without an error, in order. They may have got others.
func expectAll(r *run, l *load, from *node, nodes ...*node) {
	r.tb.Helper()
	awaitLast(l, from, nodes...)
	taken := make(map[string]bool)
	for _, text := range l.taken {
		taken[text] = true
	}
	for _, n := range nodes {
		if n == from {
			continue
		}
		got := n.labels(from.name)
		if reason := orderBroken(got); reason != "" {
			r.tb.Errorf("node %s: %s", n.name, reason)
			continue
		}
		got = slices.DeleteFunc(got, func(text string) bool { return !taken[text] })
		if diff := differs(l.taken, got); diff != "" {
			r.tb.Errorf("node %s: %s, although Publish has returned no error", n.name, diff)
		}
	}
}

// expectReported expects that nodes got the messages of a publisher in order,
// and LinkResumed after what was lost.
func expectReported(r *run, l *load, from *node, nodes ...*node) {
	r.tb.Helper()
	awaitLast(l, from, nodes...)
	position := make(map[string]int)
	for i, text := range l.taken {
		position[text] = i
	}
	for _, n := range nodes {
		if n == from {
			continue
		}
		if reason := orderBroken(n.labels(from.name)); reason != "" {
			r.tb.Errorf("node %s: %s", n.name, reason)
			continue
		}
		seen, resumed := 0, false
		for _, e := range n.records() {
			if e.isLink {
				resumed = resumed || e.state == cluster.LinkResumed
				continue
			}
			at, taken := position[e.label]
			if !taken {
				continue
			}
			if at > seen && !resumed {
				r.tb.Errorf("node %s: %s is lost, and no LinkResumed says so", n.name, l.taken[seen])
				break
			}
			seen, resumed = at+1, false
		}
	}
}

// awaitLast publishes one more message and waits until the nodes have it.
func awaitLast(l *load, from *node, nodes ...*node) {
	from.run.tb.Helper()
	last := numbered(4, from.name, l.begun)
	l.begun++
	from.mustPublish(last)
	l.taken = append(l.taken, label(&last))
	for _, n := range nodes {
		if n != from {
			n.awaitLabel(label(&last))
		}
	}
}

// orderBroken says which of a publisher's labels is not in order or double, or
// "".
func orderBroken(labels []string) string {
	last := -1
	for _, l := range labels {
		_, number, _ := strings.Cut(l, "/")
		i, err := strconv.Atoi(number)
		switch {
		case err != nil:
			return fmt.Sprintf("%q is not a message that was published", l)
		case i == last:
			return fmt.Sprintf("%s has arrived twice", l)
		case i < last:
			return fmt.Sprintf("%s has arrived after a later one", l)
		}
		last = i
	}
	return ""
}
