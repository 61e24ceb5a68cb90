package members

import (
	"maps"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// maxGap is the most time between two probes that came back in which the node
// counts as one that heard the others.
const maxGap = 2 * Period

// probe sends a message to the node itself.
func (m *Members) probe(r *Result) {
	now := m.now()
	m.sent = now
	m.probes = append(m.probes, now)
	if len(m.probes) > maxProbes {
		m.probes = m.probes[1:]
	}
	r.send(m.self.Node, &wire.Probe{Sent: now})
}

// maxProbes bounds the probes that have not come back.
const maxProbes = 32

// probeReturned notes that messages of this node reach it. Only the probes of
// this package count: when they were sent is known without the wall clock.
func (m *Members) probeReturned(sent time.Time, r *Result) {
	i := slices.IndexFunc(m.probes, func(t time.Time) bool { return t.UnixNano() == sent.UnixNano() })
	if i < 0 {
		return
	}
	at := m.probes[i]
	m.probes = m.probes[i+1:]
	if gap := at.Sub(m.returned); gap > maxGap {
		m.forgive(gap)
	}
	m.returned, m.connected = at, true
	m.removeSilent(r)
	m.comeBack(r)
	m.proceed(r)
}

// forgive is called when the node has heard nothing for a time. The others are
// not to blame for what it did not hear.
func (m *Members) forgive(gap time.Duration) {
	for _, p := range m.members {
		deaf := gap - max(p.Heard.Sub(m.returned), 0)
		p.silentFrom = p.silentFrom.Add(max(deaf, 0))
	}
}

// silence returns the time in which the node could hear a member and did not. A
// node that hears nothing at all, not even itself, cannot say that another one
// is silent.
func (m *Members) silence(p *peer) time.Duration { return max(m.returned.Sub(p.silentFrom), 0) }

// removeSilent removes the members that are dead. A node that is isolated
// cannot know who is.
func (m *Members) removeSilent(r *Result) {
	now := m.now()
	for _, p := range m.members {
		switch {
		case m.silence(p) > DeadAfter, m.phase == Isolated && now.Sub(p.Heard) > DeadAfter:
			m.remove(p, false, r)
		case now.Sub(p.silentFrom) > DeadAfter && m.sent.Sub(p.silentFrom) <= DeadAfter:
			m.probe(r) // does this node hear anything?
		}
	}
}

// Heartbeat returns what a Heartbeat says of the members.
func (m *Members) Heartbeat() *wire.Heartbeat {
	h := &wire.Heartbeat{Ready: m.hasLedger, Isolated: m.phase == Isolated, Now: m.now()}
	if m.phase != Ready {
		return h
	}
	until := m.returned
	if now := m.now(); now.Sub(until) <= Period+Period/4 {
		until = now // the latest probe may be on its way
	}
	h.Members = make([]wire.Heard, 0, len(m.members))
	for _, name := range slices.Sorted(maps.Keys(m.members)) {
		p := m.members[name]
		h.Members = append(h.Members, wire.Heard{Node: name, Incarnation: p.Incarnation, Silence: max(until.Sub(p.silentFrom), 0)})
	}
	return h
}

// heardBy learns from a Heartbeat whether a member hears this node.
func (m *Members) heardBy(p *peer, h *wire.Heartbeat, r *Result) {
	if h.Members == nil {
		return
	}
	i := slices.IndexFunc(h.Members, func(o wire.Heard) bool {
		return o.Node == m.self.Node && o.Incarnation == m.self.Incarnation
	})
	switch {
	case i >= 0:
		if !p.welcomed { // the Welcome was lost
			m.welcomedBy(p, &wire.Welcome{Incarnation: m.self.Incarnation, Ready: h.Ready}, r)
		}
		p.unheard, p.unheardAt = h.Members[i].Silence, m.now()
	case p.welcomed, m.now().Sub(p.admitted) > 2*Period: // it has dropped this node, or does not hear it
		p.unheard, p.unheardAt = DeadAfter, m.now()
	}
}

// isUnheard reports whether a member that this node hears does not hear it, and
// drops it soon, or has dropped it. If it has missed several messages, and its
// next Heartbeat does not come, nothing says that it has heard this node since.
// If it has not, it may just have died.
func (m *Members) isUnheard(p *peer) bool {
	late := m.now().Sub(p.unheardAt)
	return p.unheard >= IsolatedAfter || p.unheard > 2*Period && p.unheard+late >= IsolatedAfter+Period/2
}

// isolateUnheard isolates the node if a member does not hear it.
func (m *Members) isolateUnheard(r *Result) {
	if m.phase == Isolated {
		return
	}
	for _, p := range m.members {
		if m.isUnheard(p) {
			p.unheard = max(p.unheard, IsolatedAfter)
			m.isolate(r)
			return
		}
	}
}

// isolate is called when the node does not belong to the cluster any more.
func (m *Members) isolate(r *Result) {
	r.Isolated = true
	m.enter(Isolated)
}

// comeBack ends the isolation when the node hears itself, and nobody that it
// hears has said that it is not heard.
func (m *Members) comeBack(r *Result) {
	if m.phase != Isolated || m.now().Sub(m.returned) >= IsolatedAfter/2 {
		return
	}
	for _, peers := range []map[string]*peer{m.members, m.candidates} {
		for _, p := range peers {
			if p.unheard >= IsolatedAfter {
				return
			}
		}
	}
	m.rejoin(r)
}
