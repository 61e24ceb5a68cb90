package hub

import "github.com/mojosocket/mojo/internal/hub/presence"

// EndGrace reports the ids as offline whose grace period is over.
func (h *Hub) EndGrace() presence.Work {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.presence.EndGrace()
	return h.workLocked()
}

// EndAllGrace ends all grace periods, and there are none from now on. It is for
// a server that shuts down.
func (h *Hub) EndAllGrace() presence.Work {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.presence.EndAllGrace()
	return h.workLocked()
}

// BeginNotifying reports whether the caller must notify applications of
// transitions. If so, the caller takes transitions with NextTransition until
// there is none left. It returns false if there is none, or if another caller
// notifies.
func (h *Hub) BeginNotifying() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.presence.BeginNotifying()
}

// NextTransition takes the oldest transition. If there is none, it returns
// false, and the caller has finished what BeginNotifying began. The transitions
// of one key alternate.
func (h *Hub) NextTransition() (presence.Transition, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.presence.Next()
}
