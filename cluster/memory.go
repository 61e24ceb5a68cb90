package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Memory is a Bus for several Servers in one process, for tests and for
// development. Pass one Memory to all of them as mojo.Options.Cluster:
//
//	bus := cluster.NewMemory()
//	a, err := mojo.New(mojo.Options{Cluster: bus, ...})
//	b, err := mojo.New(mojo.Options{Cluster: bus, ...})
//
// A test can disturb it while it runs: see [Memory.SetFaults], [Memory.Split],
// [Memory.Cut] and [Memory.Starve]. Undisturbed it keeps the promises of a Bus.
// It works in a testing/synctest bubble, and has a goroutine for a node only
// while it has something to deliver there.
//
// The zero value is ready to use. A Memory must not be copied. Its methods may
// be called at any time, also by a Node.
type Memory struct {
	mu      sync.Mutex // guards all below, and the fields of links that say so
	links   []*memoryLink
	opened  uint64 // how many nodes were ever opened
	faults  Faults
	groups  map[string]int  // of Split, by the names of nodes
	cut     map[string]bool // of Cut
	starved map[string]bool // of Starve
}

// NewMemory returns a Memory without nodes and faults.
func NewMemory() *Memory { return new(Memory) }

var (
	errMemoryClosed = errors.New("cluster: the link is closed")
	errMemoryDown   = errors.New("cluster: the node is cut off from the broker")
)

// Open connects a node. It implements [Bus].
func (m *Memory) Open(name string, n Node) (Link, error) {
	if err := CheckName(name); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if n == nil {
		return nil, errors.New("cluster: the node is nil")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.linkLocked(name) != nil {
		return nil, fmt.Errorf("cluster: a node %q is open already", name)
	}
	m.opened++
	l := &memoryLink{
		memory:  m,
		name:    name,
		number:  m.opened,
		node:    n,
		inbox:   inbox{wake: make(chan struct{}, 1)},
		streams: make(map[*memoryLink]*stream),
	}
	m.links = append(m.links, l)
	if !m.cut[name] {
		l.connectLocked()
	}
	return l, nil
}

// Nodes returns the names of the nodes that are open, sorted.
func (m *Memory) Nodes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, l := range m.links {
		names = append(names, l.name)
	}
	slices.Sort(names)
	return names
}

// linkLocked returns the link of a node that is open, or nil. m.mu must be held.
func (m *Memory) linkLocked(name string) *memoryLink {
	for _, l := range m.links {
		if l.name == name {
			return l
		}
	}
	return nil
}

// memoryLink is a node's end of a Memory.
type memoryLink struct {
	memory *Memory
	name   string
	number uint64 // nodes are numbered as they are opened
	node   Node
	inbox

	// All below is guarded by memory.mu.

	streams   map[*memoryLink]*stream // to the links that this one has sent to
	closed    bool
	connected bool // LinkUp was reported
	missed    bool // something was lost, and LinkResumed has to tell
}

// Publish hands messages to the nodes' inboxes. It implements [Link].
func (l *memoryLink) Publish(ctx context.Context, messages []Message) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cluster: publish: %w", err)
	}
	for i := range messages {
		if err := messages[i].Check(); err != nil {
			return fmt.Errorf("cluster: publish: message %d of %d %w", i+1, len(messages), err)
		}
	}
	m := l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.closed {
		return errMemoryClosed
	}
	if m.cut[l.name] {
		return errMemoryDown
	}
	for i := range messages {
		message := &messages[i]
		if message.To != "" {
			if to := m.linkLocked(message.To); to != nil {
				m.sendLocked(l, to, message)
			}
			continue
		}
		for _, to := range m.links {
			if to != l {
				m.sendLocked(l, to, message)
			}
		}
	}
	return nil
}

// Close disconnects the node. It implements [Link].
func (l *memoryLink) Close() error {
	m := l.memory
	m.mu.Lock()
	if !l.closed {
		l.closed = true
		m.links = slices.DeleteFunc(m.links, func(other *memoryLink) bool { return other == l })
		for _, other := range m.links {
			delete(other.streams, l)
		}
		l.discardLocked(func(*delivery) bool { return true })
	}
	stopped := l.running
	m.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
	return nil
}

// connectLocked tells the node that it is connected. memory.mu must be held.
func (l *memoryLink) connectLocked() {
	state := LinkUp
	if l.connected {
		state = LinkResumed
	}
	l.connected, l.missed = true, false
	l.reportLocked(state)
}

// reportLocked queues a report for the node. memory.mu must be held.
func (l *memoryLink) reportLocked(state LinkState) {
	l.ready.Push(&delivery{isReport: true, report: state})
	l.startLocked()
}

// cloneMessage returns a deep copy. Receivers keep what they get, and the
// publisher may use its own again.
func cloneMessage(message *Message) Message {
	clone := Message{Control: bytes.Clone(message.Control), To: message.To}
	if message.Event != nil {
		e := *message.Event
		e.Address = cloneAddress(e.Address)
		e.Data = bytes.Clone(e.Data)
		e.Attachments = slices.Clone(e.Attachments)
		for i, attachment := range e.Attachments {
			e.Attachments[i] = bytes.Clone(attachment)
		}
		clone.Event = &e
	}
	if message.Command != nil {
		c := *message.Command
		c.Address = cloneAddress(c.Address)
		c.Names = slices.Clone(c.Names)
		clone.Command = &c
	}
	return clone
}

func cloneAddress(a Address) Address {
	a.Rooms, a.Except = slices.Clone(a.Rooms), slices.Clone(a.Except)
	return a
}

// sizeOf returns about how many bytes a message keeps in memory.
func sizeOf(message *Message) int {
	size := 256 + len(message.Control)
	if e := message.Event; e != nil {
		size += len(e.Data) + len(e.Key) + sizeOfAddress(e.Address)
		for _, attachment := range e.Attachments {
			size += 24 + len(attachment)
		}
	}
	if c := message.Command; c != nil {
		size += sizeOfStrings(c.Names) + sizeOfAddress(c.Address)
	}
	return size
}

func sizeOfAddress(a Address) int {
	return len(a.Namespace) + sizeOfStrings(a.Rooms) + sizeOfStrings(a.Except)
}

func sizeOfStrings(list []string) int {
	size := 16 * len(list)
	for _, s := range list {
		size += len(s)
	}
	return size
}
