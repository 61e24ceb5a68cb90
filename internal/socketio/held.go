package socketio

import (
	"slices"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
)

// held is a message for a socket that is not connected yet, or for the person
// that it claims to be.
type held struct {
	message  *engineio.Message
	delivery command.Delivery
	person   *command.Selector // whom it is for, if that is claimed only; nil: it waits for OnConnect alone
}

// holdLocked keeps a message until the socket is connected, or has proven what
// it claims. The message counts like one in the queue of the session, whose
// errors holdLocked returns.
func (s *Socket) holdLocked(h held, b *engineio.Batch) error {
	before := s.heldLen
	if h.delivery.Latest {
		s.held = slices.DeleteFunc(s.held, func(old held) bool {
			replaced := old.delivery.Latest && old.delivery.Key == h.delivery.Key && (old.person == nil) == (h.person == nil)
			if replaced {
				s.heldLen -= old.message.Size()
			}
			return replaced
		})
	}
	s.session.Unreserve(before - s.heldLen)
	if err := s.session.Reserve(h.message.Size(), b); err != nil {
		return err
	}
	s.heldLen += h.message.Size()
	s.held = append(s.held, h)
	return nil
}

// dropHeldLocked drops the messages that are held.
func (s *Socket) dropHeldLocked() {
	s.session.Unreserve(s.heldLen)
	s.held, s.heldLen = nil, 0
}

// releaseLocked queues the messages that were held for OnConnect and, unless
// proven is nil, those that were held for the person that the socket has
// become. Messages for another person, whom it has claimed to be before, are
// dropped.
func (s *Socket) releaseLocked(proven *command.Identity, b *engineio.Batch) {
	s.held = slices.DeleteFunc(s.held, func(h held) bool {
		theirs := h.person == nil || proven != nil && h.person.Matches(*proven)
		switch {
		case s.state == connected && theirs:
			s.heldLen -= h.message.Size()
			s.session.Unreserve(h.message.Size())
			_ = s.queueLocked(h.message, h.delivery, b) // a session that ends meanwhile needs nothing
			return true
		case proven != nil && !theirs:
			s.heldLen -= h.message.Size()
			s.session.Unreserve(h.message.Size())
			return true
		}
		return false
	})
	if proven != nil {
		for i := range s.held { // OnConnect has not returned
			s.held[i].person = nil
		}
	}
	if len(s.held) == 0 {
		s.held = nil
	}
}
