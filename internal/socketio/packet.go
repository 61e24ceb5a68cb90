package socketio

import (
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// greeting makes the packet that answers a CONNECT.
func greeting(s *Socket) *engineio.Message {
	if isEIO3(s.session) {
		return packet(parser.Connect, s.namespace.name, parser.Payload{})
	}
	payload, _ := parser.EncodeValue(struct {
		SID string `json:"sid"`
	}{s.ID()}) // cannot fail
	return packet(parser.Connect, s.namespace.name, payload)
}

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

// refusal makes a CONNECT_ERROR packet, for a client of Engine.IO 3 if eio3 is
// set.
func (s *Server) refusal(namespace string, r *Refusal, eio3 bool) *engineio.Message {
	payload, err := parser.EncodeValue(r.data(eio3))
	if err != nil {
		s.log.Error("mojo: cannot encode the data of a refusal", "namespace", namespace, "error", err)
		payload, _ = parser.EncodeValue(Refusal{Message: r.Message}.data(eio3)) // cannot fail
	}
	return packet(parser.ConnectError, namespace, payload)
}

// data is the payload of a CONNECT_ERROR packet.
func (r Refusal) data(eio3 bool) any {
	switch {
	case eio3 && r.Data != nil:
		return r.Data
	case eio3:
		return r.Message
	}
	return struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{r.Message, r.Data}
}
