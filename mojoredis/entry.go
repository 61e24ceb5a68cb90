package mojoredis

import (
	"fmt"
	"slices"

	"github.com/mojosocket/mojo/cluster"
)

// entry is what is published on a channel.
type entry struct {
	channel string
	body    []byte
}

// entry encodes a message of a program with a uid and, for control messages, a
// name.
func (b *Bus) entry(uid, name string, message *cluster.Message) (e entry, err error) {
	if err := message.Check(); err != nil {
		return entry{}, err
	}
	switch {
	case message.Event != nil:
		e.channel = b.channels.event(&message.Event.Address)
		e.body, err = encodeEvent(uid, message.Event)
	case message.Command != nil:
		e.channel = b.channels.request(message.Command.Namespace)
		e.body, err = encodeCommand(uid, message.Command)
	default:
		e.channel = b.channels.control(message.To)
		e.body = slices.Concat([]byte(name), []byte("#"), message.Control)
	}
	return e, err
}

// checkSize returns ErrTooLarge for an entry that is larger than MaxMessage.
func (b *Bus) checkSize(e entry) error {
	if len(e.body) <= b.options.MaxMessage {
		return nil
	}
	return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(e.body), b.options.MaxMessage)
}
