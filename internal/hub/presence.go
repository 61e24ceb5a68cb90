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

// NextTransition returns the oldest transition that was not told, and false if
// there is none; then presence.Work asks anew. The transitions of one key
// alternate.
func (h *Hub) NextTransition() (presence.Transition, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.presence.Next()
}
