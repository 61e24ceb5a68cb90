package clustertest

import (
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/mojosocket/mojo/cluster"
)

// testOrder publishes messages of all kinds to all addresses. Each node gets
// those that are for it, in order.
func testOrder(r *run) {
	const messages = 2000
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	want := make(map[*node][]string)
	random := rand.New(rand.NewPCG(1, 2))
	var batch []cluster.Message
	for i := range messages {
		message, receivers := numbered(i%kinds, "a", i), []*node{b, c}
		if to := random.IntN(6); to < 3 {
			receivers = []*node{[]*node{a, b, c}[to]}
			message = controlTo(receivers[0].name, "a", i)
		}
		batch = append(batch, message)
		for _, n := range receivers {
			want[n] = append(want[n], label(&message))
		}
		if random.IntN(5) == 0 || i == messages-1 {
			a.mustPublish(batch...)
			batch = nil
		}
	}
	a.mustPublish(controlTo("a", "a", messages), numbered(0, "a", messages+1))
	want[a] = append(want[a], "a/2000")
	want[b], want[c] = append(want[b], "a/2001"), append(want[c], "a/2001")
	for _, n := range []*node{a, b, c} {
		n.awaitLabel(want[n][len(want[n])-1])
		if diff := differs(want[n], n.labels("a")); diff != "" {
			r.tb.Errorf("node %s, with messages of one publisher: %s", n.name, diff)
		}
	}
}

// testPublishers lets four nodes publish at the same time. Each gets everything
// from each other node, in the publisher's order, and nothing of its own.
func testPublishers(r *run) {
	const messages = 2000
	nodes := []*node{r.open("a"), r.open("b"), r.open("c"), r.open("d")}
	want := make(map[*node][]string)
	failed := make([]error, len(nodes))
	var publishing sync.WaitGroup
	for k, n := range nodes {
		var all []cluster.Message
		for i := range messages {
			message := numbered(i%kinds, n.name, i)
			all = append(all, message)
			want[n] = append(want[n], label(&message))
		}
		publishing.Go(func() {
			for i := 0; i < messages; {
				end := min(i+1+i%7, messages)
				if failed[k] = n.publish(all[i:end]...); failed[k] != nil {
					return
				}
				i = end
			}
		})
	}
	publishing.Wait()
	if err := errors.Join(failed...); err != nil {
		r.tb.Fatalf("Publish of four nodes = %v, want no error", err)
	}
	for _, n := range nodes {
		n.mustPublish(controlTo(n.name, n.name, messages))
	}
	for _, n := range nodes {
		for _, from := range nodes {
			published := want[from]
			if from == n {
				last := numbered(kinds-1, n.name, messages)
				published = []string{label(&last)}
			}
			n.awaitLabel(published[len(published)-1])
			if diff := differs(published, n.labels(from.name)); diff != "" {
				r.tb.Errorf("node %s, with messages of four publishers: %s", n.name, diff)
			}
		}
	}
}

// testSlowReceiver has a node whose methods do not return. The other nodes get
// everything meanwhile.
func testSlowReceiver(r *run) {
	const messages = 200
	a := r.open("a")
	slow := newNode(r, "slow")
	slow.onMessage = func() { <-slow.released }
	r.connect(slow, r.broker.Bus(slow.name))
	c := r.open("c")

	a.mustPublish(numbered(0, "a", 0))
	slow.awaitLabel("a/0")
	want := []string{"a/0"}
	var later []cluster.Message
	for i := 1; i < messages; i++ {
		message := numbered(i%kinds, "a", i)
		later = append(later, message)
		want = append(want, label(&message))
	}
	for i := range later {
		a.mustPublish(later[i])
	}
	c.awaitLabel("a/199")
	if diff := differs(want, c.labels("a")); diff != "" {
		r.tb.Errorf("node c, while another node is slow: %s", diff)
	}
	slow.release()
	slow.awaitLabel("a/199")
	if diff := differs(want, slow.labels("a")); diff != "" {
		r.tb.Errorf("node slow: %s", diff)
	}
}

// testContext publishes with a context that has ended: Publish returns, and what
// it did not take does not arrive later.
func testContext(r *run) {
	a, b := r.open("a"), r.open("b")
	ctx, cancel := r.deadline()
	cancel()
	want := []string{}
	if a.publishContext(ctx, numbered(0, "a", 0)) == nil {
		want = append(want, "a/0")
	}
	a.mustPublish(numbered(0, "a", 1), numbered(3, "a", 2))
	want = append(want, "a/1", "a/2")
	b.awaitLabel("a/2")
	got := b.labels("a")
	if len(got) == 3 && len(want) == 2 {
		got = got[1:] // an error says that it may be lost
	}
	if diff := differs(want, got); diff != "" {
		r.tb.Errorf("node b, after a Publish whose context had ended: %s", diff)
	}
}
