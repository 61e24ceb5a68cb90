package socketio

import (
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// packet encodes a packet once for any number of receivers.
func packet(t parser.Type, namespace string, p parser.Payload) *engineio.Message {
	return packetWithID(t, namespace, 0, false, p)
}

// packetWithID is packet for a packet that may have an ack id.
func packetWithID(t parser.Type, namespace string, id uint64, hasID bool, p parser.Payload) *engineio.Message {
	hint := len(p.JSON) + len(namespace) + 32
	return engineio.NewMessage(hint, func(dst []byte) []byte {
		return parser.AppendPacket(dst, t, namespace, id, hasID, p)
	}, p.Attachments)
}

func (s *Server) checkSize(m *engineio.Message) error {
	if m.Size() > s.opts.Engine.MaxQueue {
		return ErrTooLarge
	}
	return nil
}

// refusal makes a CONNECT_ERROR packet.
func (s *Server) refusal(namespace string, r *Refusal) *engineio.Message {
	payload, err := parser.EncodeValue(r.data())
	if err != nil {
		s.log.Error("mojo: cannot encode the data of a refusal", "namespace", namespace, "error", err)
		payload, _ = parser.EncodeValue(Refusal{Message: r.Message}.data()) // cannot fail
	}
	return packet(parser.ConnectError, namespace, payload)
}

// data is the payload of a CONNECT_ERROR packet.
func (r Refusal) data() any {
	return struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{r.Message, r.Data}
}
