package hub

import "errors"

// Join puts the seats that the command means into rooms. It returns the errors of
// JoinSeat, joined, for the seats that it could not put there.
func (h *Hub) Join(cmd Join) error {
	if err := h.checkRooms(cmd.Rooms); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var failed []error
	for _, s := range h.selectLocked(&cmd.Selector) {
		if !s.visible {
			continue
		}
		if err := h.joinLocked(s, cmd.Rooms); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// Leave takes the seats that the command means out of rooms.
func (h *Hub) Leave(cmd Leave) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.selectLocked(&cmd.Selector) {
		if s.visible {
			h.leaveLocked(s, cmd.Rooms)
		}
	}
}
