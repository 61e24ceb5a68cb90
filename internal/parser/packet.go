// Package parser encodes and decodes the packets of the Socket.IO protocol,
// revision 5.
//
// It starts no goroutine, takes no lock and does no I/O. It refuses packets of
// clients that violate the protocol, and values of the application whose
// encoding a client would refuse. In doc comments, names in quotes are headings
// of the specification.
package parser

import (
	"strconv"

	"github.com/mojosocket/mojo/internal/parser/attachment"
	"github.com/mojosocket/mojo/internal/parser/placeholder"
)

// Type is the type of a packet ("Exchange protocol").
type Type byte

// The packet types, with their numbers on the wire.
const (
	Connect      Type = iota // requests to join a namespace, or confirms it ("Connection to a namespace")
	Disconnect               // leaves a namespace ("Disconnection from a namespace")
	Event                    // an event ("Sending and receiving data")
	Ack                      // the answer to an event with an id ("Acknowledgement")
	ConnectError             // refuses a Connect ("Connection to a namespace")
	BinaryEvent              // an Event followed by attachments
	BinaryAck                // an Ack followed by attachments
)

// MaxAttachments is the largest number of attachments of one packet.
const MaxAttachments = attachment.Max

// Binary is binary content of an argument, see attachment.Binary.
type Binary = attachment.Binary

// ErrTooManyAttachments is the error for more than MaxAttachments attachments
// in one packet.
var ErrTooManyAttachments = attachment.ErrTooMany

// ErrAmbiguous is the error of SplitArgs for data of an application that looks
// like a placeholder.
var ErrAmbiguous = placeholder.ErrAmbiguous

// maxID is the largest integer up to which JavaScript represents all integers
// exactly, 2^53-1.
const maxID = 1<<53 - 1

// Payload is the payload of a packet ("Packet encoding", "Format"). The JSON
// belongs to the Payload. The Attachments alias the arguments of EncodeEvent or
// EncodeArgs. The caller must copy them if the arguments may change later.
type Payload struct {
	JSON        []byte
	Attachments [][]byte
}

// Packet is a decoded packet ("Packet encoding", "Format"). Its slices alias
// the input of Decode.
type Packet struct {
	Type        Type
	Namespace   []byte // empty for the main namespace, also if the packet has "/"
	ID          uint64 // the ack id, if HasID
	HasID       bool
	Attachments int    // the number of attachments that follow: 1 to MaxAttachments for BinaryEvent and BinaryAck, else 0
	Data        []byte // the JSON payload; nil if absent
}

// AppendPacket appends the text of a packet to dst ("Packet encoding",
// "Format") and returns the extended slice. With attachments an Event becomes a
// BinaryEvent and an Ack a BinaryAck. The attachments are not part of the text;
// the caller sends them as separate messages after it. The namespace "" or "/"
// is the main one and is not written. The namespace must not contain a comma.
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

// wireType returns the variant of t for a packet with or without attachments.
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
