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
	m.number = 0
	m.connected = false
	m.sent, m.hello, m.asked = time.Time{}, time.Time{}, nil
	clear(m.named)
	for _, p := range m.members {
		p.welcomed = false
	}
	m.enter(Joining)
	r.Rejoined = true
}

// Fetched is called when the ledger has come from a node, and was merged.
func (m *Members) Fetched(from string) (r Result) {
	if m.phase == Fetching && m.asked[from] {
		delete(m.asked, from)
		m.proceed(&r)
	}
	return r
}

// proceed takes the next step of joining, if it is due.
func (m *Members) proceed(r *Result) {
	if m.phase == Joining && m.connected && m.now().Sub(m.since) >= alone && m.welcomedByAll() {
		m.enter(Fetching)
	}
	if m.phase == Fetching {
		m.fetch(r)
	}
}

// welcomedByAll reports whether every node that this node has heard of has made
// it a member. Nodes that were named by others and do not answer are dead.
func (m *Members) welcomedByAll() bool {
	for _, p := range m.members {
		if !p.welcomed {
			return false
		}
	}
	for _, c := range m.candidates {
		if m.now().Sub(c.Heard) < DeadAfter && c.challenge != 0 {
			return false
		}
	}
	for name, when := range m.named {
		if !m.Has(name) && m.now().Sub(when) < DeadAfter {
			return false
		}
	}
	return true
}

// fetch asks all nodes that have a ledger for it, and again those that do not
// answer. One is not enough: if all nodes join again at the same time, each may
// have missed something else.
func (m *Members) fetch(r *Result) {
	if m.asked == nil {
		m.asked = make(map[string]bool)
		for name, p := range m.members {
			if p.ready {
				m.asked[name] = true
			}
		}
		m.fetching = time.Time{}
	}
	maps.DeleteFunc(m.asked, func(name string, _ bool) bool { return !m.Has(name) })
	if len(m.asked) == 0 {
		m.enter(Ready)
		m.hasLedger = true
		r.Heartbeat = true // the others learn that this node has a ledger now
		return
	}
	if m.now().Sub(m.fetching) > ledgerTime {
		m.fetching = m.now()
		for _, name := range slices.Sorted(maps.Keys(m.asked)) {
			r.send(name, &wire.LedgerQuery{})
		}
	}
}

// HasLedger reports whether the node was ready once.
func (m *Members) HasLedger() bool { return m.hasLedger }
