package mojonats

import (
	"encoding/binary"
	"errors"
)

// A message on the wire is one frame or several: those of a large message follow
// each other on the same subject.
//
//	version kind name epoch number total offset message body
//
// version and kind are one byte each, with toAll in the kind, the name is that of the publisher with its
// length before it, epoch has eight bytes, the others are uvarints.
type header struct {
	kind byte
	name string

	// epoch is greater for each connection that the publisher makes. Receivers
	// drop what comes from an earlier one: it was given up.
	epoch uint64

	// number is how many frames the publisher has sent to all, with this one if
	// toAll is set. A gap shows that messages were lost on the way, also those on
	// other subjects.
	number uint64
	toAll  bool

	// total is the length of a message in several frames, 0 if this frame is the
	// whole. offset is where the body belongs, and message is the same for all
	// frames of the message and for no others of the epoch.
	total, offset int
	message       uint64
}

const version = 1

// The kinds of messages.
const (
	kindEvent = iota + 1
	kindCommand
	kindControl
	kindMark // has no body, and is only there for its epoch and its number
	kinds

	toAllFlag = 0x80
)

// maxHeader is the greatest length of a header.
const maxHeader = 2 + 1 + maxName + 8 + 4*binary.MaxVarintLen64

var errFrame = errors.New("mojonats: not a message of mojonats")

// append appends the header to a buffer.
func (h *header) append(b []byte) []byte {
	kind := h.kind
	if h.toAll {
		kind |= toAllFlag
	}
	b = append(b, version, kind, byte(len(h.name)))
	b = append(b, h.name...)
	b = binary.BigEndian.AppendUint64(b, h.epoch)
	b = binary.AppendUvarint(b, h.number)
	b = binary.AppendUvarint(b, uint64(h.total))
	b = binary.AppendUvarint(b, uint64(h.offset))
	return binary.AppendUvarint(b, h.message)
}

// decodeFrame decodes the header of a frame. The body aliases the frame.
func decodeFrame(frame []byte, maxTotal int) (h header, body []byte, err error) {
	d := decoder{rest: frame}
	if d.byte() != version {
		return h, nil, errFrame
	}
	h.kind = d.byte()
	h.toAll = h.kind&toAllFlag != 0
	h.kind &^= toAllFlag
	h.name = string(d.take(int(d.byte())))
	if epoch := d.take(8); len(epoch) == 8 {
		h.epoch = binary.BigEndian.Uint64(epoch)
	}
	h.number = d.uvarint()
	h.total, h.offset, h.message = d.int(maxTotal), d.int(maxTotal), d.uvarint()
	if d.failed || h.kind == 0 || h.kind >= kinds || checkName(h.name) != nil {
		return h, nil, errFrame
	}
	if whole := h.total == 0; whole && h.offset != 0 || !whole && h.offset+len(d.rest) > h.total {
		return h, nil, errFrame
	}
	return h, d.rest, nil
}

// decoder takes values from the beginning of some bytes. After a failure all
// values are zero.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.failed = true
		d.rest = nil
		return nil
	}
	taken := d.rest[:n:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.failed = true
		d.rest = nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// int takes a number of at most a maximum.
func (d *decoder) int(most int) int {
	v := d.uvarint()
	if v > uint64(most) {
		d.failed = true
		d.rest = nil
		return 0
	}
	return int(v)
}

// bytes takes bytes that have their length before them. They alias the input.
func (d *decoder) bytes() []byte { return d.take(d.int(len(d.rest))) }

func (d *decoder) string() string { return string(d.bytes()) }

// strings takes a list, nil for an empty one.
func (d *decoder) strings() []string {
	n := d.int(len(d.rest)) // each has a byte at least
	if n == 0 {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, d.string())
	}
	return list
}

func appendBytes[T string | []byte](b []byte, v T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func appendStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendBytes(b, s)
	}
	return b
}
