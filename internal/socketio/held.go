package socketio

import (
	"slices"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
)

// held is a message for a socket that is not connected yet, or for an identity
// that the socket claims and has not proven.
type held struct {
	message  *engineio.Message
	delivery command.Delivery
	// recipient selects the claimed identity that the message is for. If it is
	// nil, the message waits only for OnConnect.
	recipient *command.Selector
}

// holdLocked keeps a message until the socket is connected or has proven its
// claim. The message counts like one in the queue of the session. holdLocked
// returns the errors of that queue.
func (s *Socket) holdLocked(h held, b *engineio.Batch) error {
	before := s.heldBytes
	if h.delivery.Latest {
		s.held = slices.DeleteFunc(s.held, func(old held) bool {
			replaced := old.delivery.Latest && old.delivery.Key == h.delivery.Key && (old.recipient == nil) == (h.recipient == nil)
			if replaced {
				s.heldBytes -= old.message.Size()
			}
			return replaced
		})
	}
	s.session.Unreserve(before - s.heldBytes)
	if err := s.session.Reserve(h.message.Size(), b); err != nil {
		return err
	}
	s.heldBytes += h.message.Size()
	s.held = append(s.held, h)
	return nil
}

// dropHeldLocked drops the messages that are held.
func (s *Socket) dropHeldLocked() {
	s.session.Unreserve(s.heldBytes)
	s.held, s.heldBytes = nil, 0
}

// releaseLocked queues the messages that were held for OnConnect and, unless
// proven is nil, those that were held for that identity. Messages for another
// identity, which an earlier claim was for, are dropped.
func (s *Socket) releaseLocked(proven *command.Identity, b *engineio.Batch) {
	s.held = slices.DeleteFunc(s.held, func(h held) bool {
		theirs := h.recipient == nil || proven != nil && h.recipient.Matches(*proven)
		switch {
		case s.state == connected && theirs:
			s.heldBytes -= h.message.Size()
			s.session.Unreserve(h.message.Size())
			_ = s.queueLocked(h.message, h.delivery, b) // the session may have ended
			return true
		case proven != nil && !theirs:
			s.heldBytes -= h.message.Size()
			s.session.Unreserve(h.message.Size())
			return true
		}
		return false
	})
	if proven != nil {
		for i := range s.held { // OnConnect has not returned
			s.held[i].recipient = nil
		}
	}
	if len(s.held) == 0 {
		s.held = nil
	}
}
