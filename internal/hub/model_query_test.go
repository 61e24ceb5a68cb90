package hub

import (
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// seats returns the seats of a namespace, or of the whole server, that match.
func (m *model) seats(namespace string, match func(s *modelSeat) bool) (found []*Seat) {
	for _, c := range m.conns {
		for _, s := range c.seats {
			if !s.removed && (namespace == "" || s.namespace == namespace) && match(s) {
				found = append(found, s.seat)
			}
		}
	}
	return found
}

// isSelected reports whether a selector selects the seat if it has this
// identity.
func (s *modelSeat) isSelected(sel *command.Selector, id command.Identity) bool {
	under := func(k command.Key) bool {
		if k.Kind == command.Room {
			return s.rooms[k.ID]
		}
		return s.visible && k.ID != "" && id.Key(k.Kind) == k.ID
	}
	if sel.Keys == nil && !s.visible || sel.Keys != nil && !slices.ContainsFunc(sel.Keys, under) {
		return false
	}
	excepted := func(k command.Key) bool {
		return k.Kind == command.Room && s.rooms[k.ID] || k.Kind != command.Room && s.conn.bound.Key(k.Kind) == k.ID
	}
	return (sel.Requires == command.Room || id.Key(sel.Requires) != "") && !slices.ContainsFunc(sel.Except, excepted) && !slices.Contains(sel.ExceptIDs, s.seat.ID())
}

// updatePresence updates which ids are online, and records the transitions.
func (m *model) updatePresence() {
	connected := make(map[presence.Transition]bool)
	for _, c := range m.conns {
		for _, s := range c.seats {
			for k := command.Session; k < command.NumKinds; k++ {
				if id := c.bound.Key(k); s.visible && id != "" {
					connected[presence.Transition{Key: command.Key{Kind: k, ID: id}, Online: true}] = true
					connected[presence.Transition{Namespace: s.namespace, Key: command.Key{Kind: k, ID: id}, Online: true}] = true
				}
			}
		}
	}
	m.endGrace()
	for t := range connected {
		if _, online := m.online[t]; !online {
			m.transitions = append(m.transitions, t)
		}
		m.online[t] = time.Time{}
	}
	for t, until := range m.online {
		if !connected[t] && until.IsZero() {
			m.online[t] = m.clock.now.Add(m.config.PresenceGrace)
		}
	}
}

// endGrace records the ids whose grace period is over as offline.
func (m *model) endGrace() {
	for t, until := range m.online {
		if !until.IsZero() && !m.clock.now.Before(until) {
			delete(m.online, t)
			t.Online = false
			m.transitions = append(m.transitions, t)
		}
	}
}

// entries returns the sizes of the entries of the index.
func (m *model) entries() map[Change]int {
	entries := make(map[Change]int)
	for _, c := range m.conns {
		if !c.removed && c.claim != nil {
			for k := command.Session; k < command.NumKinds; k++ {
				if id := c.claim.to.Key(k); id != "" {
					entries[Change{Namespace: Claims, Key: command.Key{Kind: k, ID: id}}]++
				}
			}
		}
		for _, s := range c.seats {
			for room := range s.rooms {
				entries[Change{Namespace: s.namespace, Key: command.Key{Kind: command.Room, ID: room}}] = 1
			}
			for k := command.Session; k < command.NumKinds; k++ {
				if id := c.bound.Key(k); s.visible && id != "" {
					entries[Change{Namespace: s.namespace, Key: command.Key{Kind: k, ID: id}}]++
				}
			}
		}
	}
	return entries
}

// isOver reports whether the time for the proof is over.
func (m *model) isOver(p *modelProof, polling bool) bool {
	attempts := p.attempted || polling && !p.pollsRejected
	return m.clock.now.Sub(p.since) >= proofTime || !p.sent.IsZero() && m.clock.now.Sub(p.sent) >= m.config.AskTime && !attempts
}
