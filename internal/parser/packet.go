// Package parser encodes and decodes the packets of the Socket.IO protocol, revision 5.
//
// It is pure: no goroutine, no lock and no I/O. What it decodes comes from outside and is
// refused at the first thing that the protocol does not allow; what it encodes comes from the
// application and is refused where a client would take it for a parse error.
package parser

import "strconv"

// Type is the type of a packet, the table in "Exchange protocol" of the specification.
type Type byte

// The packet types, with the numbers they have on the wire ("Exchange protocol").
const (
	Connect      Type = iota // joins a namespace, or grants that ("Connection to a namespace")
	Disconnect               // leaves a namespace ("Disconnection from a namespace")
	Event                    // an event ("Sending and receiving data")
	Ack                      // the answer to an event with an id ("Acknowledgement")
	ConnectError             // refuses a Connect ("Connection to a namespace")
	BinaryEvent              // an Event followed by attachments
	BinaryAck                // an Ack followed by attachments
)

// MaxAttachments is the largest number of attachments of one packet. The specification sets
// none; this is what the official clients accept.
const MaxAttachments = 10

// maxID is the largest integer that JavaScript counts exactly, 2^53-1.
const maxID = 1<<53 - 1

// Packet is a decoded packet ("Packet encoding", "Format"). Its slices alias the input of
// Decode.
type Packet struct {
	Type        Type
	Namespace   []byte // empty for the main namespace, also when it was written out as "/"
	ID          uint64 // the ack id, if HasID
	HasID       bool
	Attachments int    // how many attachments follow: 1 to MaxAttachments for BinaryEvent and BinaryAck, else 0
	Data        []byte // the JSON payload; nil if absent
}

// AppendPacket appends the text of a packet to dst ("Packet encoding", "Format") and returns
// the extended slice. With attachments an Event becomes a BinaryEvent and an Ack a BinaryAck;
// the attachments themselves follow as messages of their own and are not part of the text.
// The namespace "" or "/" is the main one and is not written. The namespace must hold no comma.
func AppendPacket(dst []byte, t Type, namespace string, id uint64, hasID bool, p Payload) []byte {
	n := len(p.Attachments)
	t = wireType(t, n > 0)
	dst = append(dst, '0'+byte(t))
	if t == BinaryEvent || t == BinaryAck {
		dst = strconv.AppendInt(dst, int64(n), 10)
		dst = append(dst, '-')
	}
	if namespace != "" && namespace != "/" {
		dst = append(dst, namespace...)
		dst = append(dst, ',')
	}
	if hasID {
		dst = strconv.AppendUint(dst, id, 10)
	}
	return append(dst, p.JSON...)
}

// wireType is the variant of t that says whether attachments follow.
func wireType(t Type, binary bool) Type {
	switch {
	case t == Event && binary:
		return BinaryEvent
	case t == Ack && binary:
		return BinaryAck
	case t == BinaryEvent && !binary:
		return Event
	case t == BinaryAck && !binary:
		return Ack
	}
	return t
}
