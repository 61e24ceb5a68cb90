package cluster

import (
	"math/rand/v2"
	"time"
)

// Faults is what a Memory does to messages. The zero value is a Memory that
// keeps all promises. Each message is disturbed on its way to each receiver by
// itself, also one that a node sends to itself.
//
// Between two nodes the same happens to the same messages for the same Seed: it
// depends on nothing but the order in which the nodes were opened, and the
// number of the message since [Memory.SetFaults].
type Faults struct {
	// Seed chooses what happens.
	Seed uint64

	// A message is on its way for a time between MinDelay and MaxDelay, and
	// longer if one from the same node is still before it: the messages of
	// different nodes overtake each other, those of one node do not.
	MinDelay, MaxDelay time.Duration

	// Delay is added to that if it is set, for instance to make one node slow.
	// It may be called from any goroutine, must return at once, and must not
	// call the Memory.
	Delay func(from, to string) time.Duration

	// Drop is the probability that a message is lost, from 0 to 1. The receiver
	// gets LinkResumed in its place.
	Drop float64

	// Silent keeps back the reports of what is lost by Drop, Split and Starve.
	// Real brokers do this, too, although a Bus promises a report.
	Silent bool

	// Duplicate is the probability that a message arrives twice, from 0 to 1,
	// which a Bus promises not to do. The second copy is delayed once more, and
	// may arrive after later messages.
	Duplicate float64

	// Queue is how many messages may wait for a node, and how many KiB, by
	// default 65,536. Others are lost, and reported by LinkResumed.
	Queue int
}

func (f *Faults) queue() int {
	if f.Queue > 0 {
		return f.Queue
	}
	return 1 << 16
}

// SetFaults replaces the faults. It is for what is published from now on: what
// is on its way stays there.
func (m *Memory) SetFaults(f Faults) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = f
	for _, l := range m.links {
		for _, s := range l.streams {
			s.random = nil
		}
	}
}

// Split parts the nodes into groups that do not hear each other, as when a
// broker of several servers falls apart. The nodes in none of the groups are one
// more group. It replaces the groups of an earlier Split, and what is on its way
// between groups is lost. The nodes notice nothing: Publish returns nil.
//
// The nodes that have missed a message are told by LinkResumed on the next Heal
// or Split.
func (m *Memory) Split(groups ...[]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.groups = make(map[string]int)
	for i, group := range groups {
		for _, name := range group {
			m.groups[name] = i + 1
		}
	}
	m.tellMissedLocked()
	for _, l := range m.links {
		lost := l.discardLocked(func(d *delivery) bool { return d.from != nil && m.splitLocked(d.from, l) })
		l.missed = l.missed || lost
	}
}

// Cut cuts nodes off from the broker. They get LinkDown, and their Publish
// returns an error. What has not arrived yet at them is lost, but a call of a
// Node that has begun goes on. A cut stays with the name: a node that is opened
// under it is not connected, and gets LinkUp after Reconnect.
func (m *Memory) Cut(nodes ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range nodes {
		if m.cut[name] {
			continue
		}
		m.cut = with(m.cut, name)
		if l := m.linkLocked(name); l != nil {
			l.discardLocked(func(*delivery) bool { return true })
			l.reportLocked(LinkDown)
		}
	}
}

// Starve withholds all messages from nodes, also those that they send to
// themselves, and reports nothing, as a connection does that is healthy but leads
// to the wrong server. Their Publish works. What has not arrived yet at them is
// lost. It stays with the name as a Cut does, until Reconnect or Heal.
func (m *Memory) Starve(nodes ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range nodes {
		m.starved = with(m.starved, name)
		if l := m.linkLocked(name); l != nil {
			lost := l.discardLocked(func(d *delivery) bool { return d.from != nil })
			l.missed = l.missed || lost
		}
	}
}

// Reconnect gives nodes a new connection: it ends their Cut and Starve. They get
// LinkResumed, or LinkUp if they were not connected before. So do nodes that
// were connected all the time.
func (m *Memory) Reconnect(nodes ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range nodes {
		delete(m.cut, name)
		delete(m.starved, name)
		if l := m.linkLocked(name); l != nil {
			l.connectLocked()
		}
	}
}

// Heal ends every Split, Cut and Starve. The nodes that were cut off get
// LinkResumed, and so do those that have missed a message unless Faults.Silent
// is set. The other faults stay.
func (m *Memory) Heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.links {
		if m.cut[l.name] {
			l.connectLocked()
		}
	}
	m.groups, m.cut, m.starved = nil, nil, nil
	m.tellMissedLocked()
}

// tellMissedLocked reports to the connected nodes what they have missed. m.mu
// must be held.
func (m *Memory) tellMissedLocked() {
	for _, l := range m.links {
		if !l.missed || m.cut[l.name] || m.starved[l.name] {
			continue
		}
		l.missed = false
		if !m.faults.Silent {
			l.reportLocked(LinkResumed)
		}
	}
}

// splitLocked reports whether two nodes are in different groups. m.mu must be
// held.
func (m *Memory) splitLocked(a, b *memoryLink) bool { return m.groups[a.name] != m.groups[b.name] }

func with(set map[string]bool, name string) map[string]bool {
	if set == nil {
		set = make(map[string]bool)
	}
	set[name] = true
	return set
}

// stream is the way of messages from one node to another.
type stream struct {
	random *rand.Rand // decides about the faults; nil: not made yet
	due    time.Time  // when the last message arrives
}

// streamLocked returns the stream of messages from l to another link. memory.mu
// must be held.
func (l *memoryLink) streamLocked(to *memoryLink) *stream {
	s := l.streams[to]
	if s == nil {
		s = new(stream)
		l.streams[to] = s
	}
	if s.random == nil {
		s.random = rand.New(rand.NewPCG(l.memory.faults.Seed, l.number<<32|to.number))
	}
	return s
}

// sendLocked sends a message to a link, with the faults. m.mu must be held.
func (m *Memory) sendLocked(from, to *memoryLink, message *Message) {
	if m.cut[to.name] {
		return
	}
	if m.starved[to.name] || m.splitLocked(from, to) {
		to.missed = true
		return
	}
	// All numbers are drawn for each message, so that a probability which
	// changes leaves the other faults where they were.
	f, s := &m.faults, from.streamLocked(to)
	dropped := s.random.Float64() < f.Drop
	doubled := s.random.Float64() < f.Duplicate
	delay, again := f.delay(s.random), f.delay(s.random)
	if f.Delay != nil {
		delay += f.Delay(from.name, to.name)
	}

	var due time.Time
	if delay > 0 || again > 0 || len(to.delayed) > 0 {
		due = time.Now().Add(max(delay, 0))
		if due.Before(s.due) {
			due = s.due
		}
		s.due = due
	}
	switch {
	case !dropped:
		to.pushLocked(&delivery{from: from, message: cloneMessage(message), size: sizeOf(message), due: due}, delay > 0)
	case !f.Silent:
		to.pushLocked(&delivery{from: from, isReport: true, report: LinkResumed, due: due}, delay > 0)
	}
	if doubled && !dropped {
		to.pushLocked(&delivery{from: from, message: cloneMessage(message), size: sizeOf(message), due: due.Add(again)}, again > 0)
	}
}

// delay draws the time that a message is on its way. It draws one number.
func (f *Faults) delay(random *rand.Rand) time.Duration {
	part := random.Float64()
	if f.MaxDelay <= f.MinDelay {
		return max(f.MinDelay, 0)
	}
	return max(f.MinDelay+time.Duration(part*float64(f.MaxDelay-f.MinDelay)), 0)
}
