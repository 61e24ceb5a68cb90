package clustertest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mojosocket/mojo/cluster"
)

// usedAddresses returns the namespaces and rooms that the cases use.
func usedAddresses() []cluster.Address {
	used := slices.Clone(someAddresses)
	for letter := 'A'; letter <= 'Z'; letter++ { // of testBuffers
		used = append(used, cluster.Address{Namespace: "/" + string(letter), Rooms: []string{"r" + string(letter)}})
	}
	return used
}

// occupyNow tells a Link that is an Occupier of a namespace and of its rooms, as
// a Server does.
func (n *node) occupyNow(a cluster.Address, occupied bool) {
	o, ok := n.link.(cluster.Occupier)
	if !ok {
		return
	}
	o.Occupy(a.Namespace, "", true)
	for _, room := range a.Rooms {
		if !strings.HasPrefix(room, "~") {
			o.Occupy(a.Namespace, room, occupied)
		}
	}
}

// occupy makes a room occupied, and waits until the other nodes can send to it.
func (n *node) occupy(namespace, room string) {
	n.run.tb.Helper()
	a := cluster.Address{Namespace: namespace}
	if room != "" {
		a.Rooms = []string{room}
	}
	n.occupyNow(a, true)
	n.awaitOccupied()
}

// awaitOccupied sends a notice to each other node, and waits for it: then what
// these nodes send to occupied rooms arrives.
func (n *node) awaitOccupied() {
	n.run.tb.Helper()
	if _, ok := n.link.(cluster.Occupier); !ok {
		return
	}
	for _, other := range n.run.nodes {
		if other == n || other.cluster != n.cluster || other.isClosed() {
			continue
		}
		n.run.notices++
		notice := fmt.Sprintf("%s%d", noticePrefix, n.run.notices)
		n.mustPublish(cluster.Message{Control: []byte(notice), To: other.name})
		other.awaitNotice(notice)
	}
}

const noticePrefix = "occupied/"

// noticedLocked reports whether a control message is a notice, and notes it.
// n.mu must be held.
func (n *node) noticedLocked(control []byte) bool {
	notice := string(control)
	if !strings.HasPrefix(notice, noticePrefix) {
		return false
	}
	n.notices[notice] = true
	n.wakeLocked()
	return true
}

// awaitNotice waits until the node has got a notice.
func (n *node) awaitNotice(notice string) {
	n.run.tb.Helper()
	timer := time.NewTimer(n.run.broker.Timeout)
	defer timer.Stop()
	for {
		n.mu.Lock()
		noticed, changed := n.notices[notice], n.changed
		n.mu.Unlock()
		if noticed {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			n.run.tb.Fatalf("node %s: a control message has not come within %v", n.name, n.run.broker.Timeout)
		}
	}
}

func (n *node) isClosed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed
}

// testOccupier lets rooms become occupied and empty, again and again and while
// the connection is lost. Events for occupied rooms arrive.
func testOccupier(r *run) {
	a := r.open("a")
	b := newNode(r, "b")
	b.occupies = []cluster.Address{{Namespace: "/"}, {Namespace: "/x"}}
	r.connect(b, r.broker.Bus(b.name))
	link, ok := b.link.(cluster.Occupier)
	if !ok {
		r.tb.Skipf("the Link is no cluster.Occupier")
	}
	number := 0
	send := func(room string) string {
		message := numbered(0, "a", number)
		message.Event.Namespace, message.Event.Rooms = "/x", []string{room}
		a.mustPublish(message)
		number++
		return label(&message)
	}
	var want []string
	expect := func(room string) {
		r.tb.Helper()
		want = append(want, send(room))
		b.awaitLabel(want[len(want)-1])
	}

	// A change of one room changes no other.
	b.occupy("/x", "one")
	b.occupy("/x", "two")
	expect("one")
	expect("two")
	link.Occupy("/x", "one", false)
	b.awaitOccupied()
	expect("two")

	// Only the last state counts. What is known already changes nothing.
	for i := range 101 {
		link.Occupy("/x", "one", i%2 == 0)
		link.Occupy("/x", "three", true)
	}
	b.awaitOccupied()
	expect("one")
	expect("three")
	link.Occupy("/x", "three", false)
	link.Occupy("/x", "three", false)
	link.Occupy("/x", "three", true)
	b.awaitOccupied()
	expect("three")

	if needsCut(&r.broker) == "" {
		r.broker.Cut("b")
		down := b.await("LinkDown", isLink(cluster.LinkDown))
		link.Occupy("/x", "four", true)
		link.Occupy("/x", "two", false)
		r.broker.Reconnect("b")
		b.awaitAfter(down, "LinkResumed", isLink(cluster.LinkResumed))
		b.awaitOccupied()
		expect("one")
		expect("four")
	}
	if needsRestart(&r.broker) == "" {
		at := map[*node]int{a: len(a.records()) - 1, b: len(b.records()) - 1}
		r.broker.Restart()
		for n, position := range at {
			n.awaitAfter(position, "LinkResumed", isLink(cluster.LinkResumed))
		}
		b.awaitOccupied()
		expect("one")
		expect("three")
	}
	if diff := differs(want, b.labels("a")); diff != "" {
		r.tb.Errorf("node b, whose rooms become occupied and empty: %s", diff)
	}
	b.close()
	r.within("Occupy after Close", func() error {
		link.Occupy("/x", "five", true)
		return nil
	})
}
