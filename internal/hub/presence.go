package hub

import "github.com/mojosocket/mojo/internal/hub/presence"

// EndGrace makes the ids go offline whose last seat was removed long enough
// ago.
func (h *Hub) EndGrace() presence.Work {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.presence.EndGrace()
	return h.presence.Work()
}

// Hurry ends all grace, now and from now on: the server goes away.
func (h *Hub) Hurry() presence.Work {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.presence.Hurry()
	return h.presence.Work()
}

// BeginTelling makes its caller the one that tells transitions: it has to take
// them, with NextTransition, until there is none. BeginTelling reports false if
// there is none, or if another caller tells them.
func (h *Hub) BeginTelling() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.presence.BeginTelling()
}

// NextTransition returns the oldest transition that was not told. It reports
// false if there is none, which ends the telling. The transitions of one key
// alternate.
func (h *Hub) NextTransition() (presence.Transition, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.presence.Next()
}
