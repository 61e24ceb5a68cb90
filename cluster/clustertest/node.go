package clustertest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/mojosocket/mojo/cluster"
)

// node is a cluster.Node that records what it gets. It notices by itself when it
// is called after Close, by two goroutines at a time, or before LinkUp.
type node struct {
	run  *run
	name string
	link cluster.Link

	// These are set before the node is opened, or never.

	onMessage func()                            // is called for each message, in the goroutine of the Link
	occupied  func(namespace, room string) bool // nil: everything is occupied
	occupies  []cluster.Address                 // what a Link that is an Occupier is told of that
	cluster   string                            // which of the clusters on the broker it is in

	stuck error // of a Publish that has not returned; belongs to the publishing goroutine

	releasing sync.Once
	released  chan struct{} // closed when onMessage must return

	mu      sync.Mutex
	log     []record
	kept    []cluster.Message // what log has copies of
	changed chan struct{}     // closed when the node gets something
	busy    bool              // a method runs
	up      bool              // LinkUp was reported
	notices map[string]bool   // of other nodes, see awaitOccupied
	closed  bool              // Close has returned
	faults  []string
}

// record is what a node got: a report or a copy of a message.
type record struct {
	message cluster.Message
	label   string // of a numbered message
	isLink  bool
	state   cluster.LinkState
}

func newNode(r *run, name string) *node {
	return &node{
		run: r, name: name, occupies: usedAddresses(),
		changed: make(chan struct{}), released: make(chan struct{}), notices: make(map[string]bool),
	}
}

func (n *node) Event(e *cluster.Event)     { n.got(cluster.Message{Event: e}) }
func (n *node) Command(c *cluster.Command) { n.got(cluster.Message{Command: c}) }
func (n *node) Control(sealed []byte)      { n.got(cluster.Message{Control: sealed}) }

func (n *node) Occupied(namespace, room string) bool {
	return n.occupied == nil || n.occupied(namespace, room)
}

func (n *node) Link(state cluster.LinkState) {
	defer n.enter()()
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case state == cluster.LinkUp && n.up:
		n.faultLocked("LinkUp twice; the second must be LinkResumed")
	case state == cluster.LinkResumed && !n.up:
		n.faultLocked("LinkResumed before LinkUp")
	}
	n.up = n.up || state != cluster.LinkDown
	n.appendLocked(record{isLink: true, state: state}, cluster.Message{})
}

// got records a message.
func (n *node) got(message cluster.Message) {
	defer n.enter()()
	n.mu.Lock()
	if !n.up {
		n.faultLocked("a message before LinkUp: %s", describe(&message))
	}
	if n.noticedLocked(message.Control) {
		n.mu.Unlock()
		return
	}
	n.appendLocked(record{message: clone(&message), label: label(&message)}, message)
	n.mu.Unlock()
	if n.onMessage != nil {
		n.onMessage()
	}
}

func (n *node) appendLocked(entry record, kept cluster.Message) {
	n.log = append(n.log, entry)
	n.kept = append(n.kept, kept)
	n.wakeLocked()
}

// wakeLocked wakes those that wait for something that the node gets. n.mu must
// be held.
func (n *node) wakeLocked() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// enter notes that a method of the node runs, until the returned function is
// called.
func (n *node) enter() (leave func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		n.faultLocked("a method of the node was called after Close had returned")
	}
	if n.busy {
		n.faultLocked("two methods of the node were called at a time")
	}
	n.busy = true
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.busy = false
	}
}

// faultLocked notes a broken promise. n.mu must be held.
func (n *node) faultLocked(format string, args ...any) {
	if len(n.faults) < 5 {
		n.faults = append(n.faults, fmt.Sprintf(format, args...))
	}
}

// release lets onMessage return that waits for it.
func (n *node) release() { n.releasing.Do(func() { close(n.released) }) }

// close closes the link.
func (n *node) close() {
	n.run.tb.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.closeNow()
	}()
	timer := time.NewTimer(n.run.broker.Timeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		n.run.tb.Errorf("node %s: Close takes longer than %v", n.name, n.run.broker.Timeout)
	}
}

func (n *node) closeNow() error {
	err := n.link.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy && !n.closed {
		n.faultLocked("Close has returned while a method of the node ran")
	}
	n.closed = true
	return err
}

// check reports the promises that were broken. The link must be closed.
func (n *node) check() {
	n.run.tb.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, fault := range n.faults {
		n.run.tb.Errorf("node %s: %s", n.name, fault)
	}
	for i := range n.log {
		if !reflect.DeepEqual(n.log[i].message, n.kept[i]) {
			n.run.tb.Errorf("node %s: a message was changed after it had been delivered: from %s to %s",
				n.name, describe(&n.log[i].message), describe(&n.kept[i]))
			return
		}
	}
}

// publish publishes messages and returns the error. It is called by one
// goroutine at a time.
func (n *node) publish(messages ...cluster.Message) error {
	ctx, cancel := n.run.deadline()
	defer cancel()
	return n.publishContext(ctx, messages...)
}

// publishContext is publish with a context. A Publish that does not return is an
// error, too, and is the last.
func (n *node) publishContext(ctx context.Context, messages ...cluster.Message) error {
	if n.stuck != nil {
		return n.stuck
	}
	done := make(chan error, 1)
	go func() { done <- n.link.Publish(ctx, messages) }()
	timer := time.NewTimer(n.run.broker.Timeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		n.stuck = fmt.Errorf("Publish takes longer than %v", n.run.broker.Timeout)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.faultLocked("%v", n.stuck)
		return n.stuck
	}
}

// mustPublish publishes messages, and fails the test on an error.
func (n *node) mustPublish(messages ...cluster.Message) {
	n.run.tb.Helper()
	if err := n.publish(messages...); err != nil {
		n.run.tb.Fatalf("node %s: Publish = %v, want no error", n.name, err)
	}
}

// await waits until the node has got something that matches, and returns its
// position in the log.
func (n *node) await(what string, match func(*record) bool) int {
	n.run.tb.Helper()
	return n.awaitAfter(-1, what, match)
}

// awaitAfter is await for what comes after a position.
func (n *node) awaitAfter(position int, what string, match func(*record) bool) int {
	n.run.tb.Helper()
	timer := time.NewTimer(n.run.broker.Timeout)
	defer timer.Stop()
	for i := position + 1; ; {
		n.mu.Lock()
		log, changed := n.log, n.changed
		n.mu.Unlock()
		for ; i < len(log); i++ {
			if match(&log[i]) {
				return i
			}
		}
		select {
		case <-changed:
		case <-timer.C:
			n.run.tb.Fatalf("node %s: %s has not come within %v; the last that came: %s",
				n.name, what, n.run.broker.Timeout, describeLast(log))
		}
	}
}

// awaitMessages waits until the node has got a number of messages after a
// position.
func (n *node) awaitMessages(position, count int) int {
	n.run.tb.Helper()
	for range count {
		position = n.awaitAfter(position, "a message", func(e *record) bool { return !e.isLink })
	}
	return position
}

// awaitFrom waits until the node has got a number of messages of another node
// after a position.
func (n *node) awaitFrom(from string, position, count int) int {
	n.run.tb.Helper()
	for range count {
		position = n.awaitAfter(position, "a message of node "+from, func(e *record) bool {
			return strings.HasPrefix(e.label, from+"/")
		})
	}
	return position
}

// awaitLabel waits until the node has got a numbered message.
func (n *node) awaitLabel(want string) int {
	n.run.tb.Helper()
	return n.await(want, hasLabel(want))
}

// records returns what the node has got until now.
func (n *node) records() []record {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log[:len(n.log):len(n.log)]
}

// labels returns the labels of what the node has got from another, in order.
func (n *node) labels(from string) []string { return labelsOf(n.records(), from) }

func labelsOf(log []record, from string) []string {
	var labels []string
	for i := range log {
		if l := log[i].label; strings.HasPrefix(l, from+"/") {
			labels = append(labels, l)
		}
	}
	return labels
}

func isLink(state cluster.LinkState) func(*record) bool {
	return func(e *record) bool { return e.isLink && e.state == state }
}

func hasLabel(want string) func(*record) bool {
	return func(e *record) bool { return e.label == want }
}

func describeLast(log []record) string {
	if len(log) == 0 {
		return "nothing"
	}
	last := &log[len(log)-1]
	if last.isLink {
		return [...]string{"LinkDown", "LinkUp", "LinkResumed"}[last.state%3]
	}
	return describe(&last.message)
}
