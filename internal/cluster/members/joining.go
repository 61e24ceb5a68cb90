package members

import (
	"maps"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// rejoin begins another incarnation.
func (m *Members) rejoin(r *Result) {
	r.Isolated = r.Isolated || m.phase != Isolated
	m.self.Incarnation++
	m.number, m.probes = 0, nil
	m.connected = false
	m.sent, m.beat, m.hello = time.Time{}, time.Time{}, time.Time{}
	clear(m.named)
	clear(m.awaited)
	for _, p := range m.candidates {
		p.welcomed, p.unheard = false, 0
	}
	for name, p := range m.members {
		p.welcomed, p.unheard, p.merged, p.asked, p.admitted = false, 0, false, time.Time{}, m.now()
		r.send(name, m.welcome(p)) // it may have been sent to the earlier incarnation alone
	}
	m.enter(Joining)
	r.Rejoined = true
}

// isolateStuck isolates a node that does not get on with joining because it
// hears a node that does not hear it.
func (m *Members) isolateStuck(r *Result) {
	now := m.now()
	if m.phase != Joining || now.Sub(m.since) < stuckAfter {
		return
	}
	stuck := false
	for _, peers := range []map[string]*peer{m.members, m.candidates} {
		for _, p := range peers {
			if !p.welcomed && !p.isolated && now.Sub(p.Heard) < maxGap {
				p.unheard, p.unheardAt, stuck = DeadAfter, now, true
			}
		}
	}
	if stuck {
		m.isolate(r)
	}
}

// Fetched is called when a part of the ledger has come from a node, and was
// merged.
func (m *Members) Fetched(from string, part int, last bool) (r Result) {
	p := m.members[from]
	if p == nil || p.merged {
		return r
	}
	if part != 0 && part != p.part {
		p.part = 0 // one was lost
		return r
	}
	p.part = part + 1
	if last {
		p.merged, p.part = true, 0
		m.proceed(&r)
	}
	return r
}

// proceed takes the next step of joining, if it is due.
func (m *Members) proceed(r *Result) {
	if m.phase == Joining && m.connected && m.now().Sub(m.since) >= alone && m.welcomedByAll() {
		m.enter(Fetching)
	}
	if m.phase == Fetching || m.phase == Ready {
		m.fetch(r)
	}
}

// welcomedByAll reports whether every node that this node has heard of has made
// it a member. Nodes that were named by others and do not answer are dead. Those
// that are isolated join again later.
func (m *Members) welcomedByAll() bool {
	for _, p := range m.members {
		if !p.welcomed && !p.isolated {
			return false
		}
	}
	for _, c := range m.candidates {
		if m.now().Sub(c.Heard) < DeadAfter && c.challenge != 0 && !c.isolated {
			return false
		}
	}
	for name, when := range m.named {
		if c := m.candidates[name]; !m.Has(name) && m.now().Sub(when) < DeadAfter && (c == nil || !c.isolated) {
			return false
		}
	}
	return true
}

// giveUpNamed reports the nodes that were named and have not answered for as
// long as a node that has died.
func (m *Members) giveUpNamed(r *Result) {
	for name := range m.awaited {
		if when, named := m.named[name]; !m.Has(name) && (!named || m.now().Sub(when) >= DeadAfter) {
			delete(m.awaited, name)
			r.Unanswered = append(r.Unanswered, name)
		}
	}
}

// fetch asks all nodes that have a ledger for it, and again those that do not
// answer. One is not enough: if all nodes join again at the same time, each may
// have missed something else. A node that is ready asks, too, if another one
// comes that was ready before: it may have applied commands while the two did
// not hear each other.
func (m *Members) fetch(r *Result) {
	waits := false
	for _, name := range slices.Sorted(maps.Keys(m.members)) {
		p := m.members[name]
		if p.merged || !p.welcomed {
			continue
		}
		waits = true
		if m.now().Sub(p.asked) > ledgerTime {
			p.asked = m.now()
			r.send(name, &wire.LedgerQuery{})
		}
	}
	if m.phase == Fetching && !waits {
		m.enter(Ready)
		m.hasLedger = true
		r.Heartbeat = true // the others learn that this node has a ledger now
	}
}
