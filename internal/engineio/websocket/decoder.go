package websocket

import (
	"unicode/utf8"

	"github.com/mojosocket/mojo/internal/engineio/buffer"
)

// MaxFragments is the maximum number of frames of one message. A small frame
// costs the client a few bytes, but the server as much work as a larger one.
const MaxFragments = 4096

// Error is a violation of the protocol by a client. Its text contains nothing
// that the client sent.
type Error struct {
	Status uint16 // for the Close frame that answers it
	text   string
}

func (e *Error) Error() string { return e.text }

// The errors of a Decoder and of Frame.CheckText.
var (
	ErrProtocol  = &Error{StatusProtocol, "invalid WebSocket frame"}
	ErrTooBig    = &Error{StatusTooBig, "WebSocket message above MaxPayload"}
	ErrNotUTF8   = &Error{StatusNotUTF8, "WebSocket text is not UTF-8"}
	ErrFragments = &Error{StatusPolicy, "too many fragments"}
)

// Frame is a decoded message, whose fragments are joined, or a control frame.
type Frame struct {
	// Op is Text, Binary, Ping, Pong or Close. Continuation, the zero value,
	// means that no message or control frame is complete yet.
	Op Opcode
	// Payload may be modified. It is valid until Release, or until the caller
	// reuses the bytes that it passed to Decoder.Next.
	Payload []byte

	joined bool // Payload is a buffer of package buffer
}

// Release gives up the payload.
func (f *Frame) Release() {
	if f.joined {
		buffer.Recycle(f.Payload)
	}
	*f = Frame{}
}

// CheckText returns ErrNotUTF8 for a Text frame that is not UTF-8. Decoder.Next
// does not check this, because it takes long for a large text.
func (f *Frame) CheckText() error {
	if f.Op == Text && !utf8.Valid(f.Payload) {
		return ErrNotUTF8
	}
	return nil
}

// Decoder decodes the frames that a client sends. Next gets the bytes as they
// arrive, and the Decoder keeps only incomplete frames and messages. The zero
// value is ready to use. A Decoder is not safe for concurrent use.
type Decoder struct {
	header   header                // of the current frame
	inFrame  bool                  // the payload of the current frame is incomplete
	received int64                 // payload bytes of the current frame so far
	partial  [maxClientHeader]byte // an incomplete header
	nPartial int                   // bytes in partial

	message   []byte // payload of an incomplete message
	op        Opcode // type of an incomplete message; Continuation if there is none
	fragments int    // frames of an incomplete message
	control   []byte // payload of an incomplete control frame
}

// Next decodes p up to the end of one frame. If the frame completes a message,
// or is a control frame, Next returns it. It also returns the bytes behind the
// frame, which the caller must pass to the next call. It modifies p. A message
// may have at most limit bytes. After an error the Decoder must not be used
// again.
func (d *Decoder) Next(p []byte, scratch *Scratch, limit int) (f Frame, rest []byte, err error) {
	if !d.inFrame {
		n, err := d.readHeader(p, scratch, limit)
		if err != nil || !d.inFrame {
			return Frame{}, nil, err
		}
		p = p[n:]
	}
	n := int(min(int64(len(p)), d.header.length-d.received))
	chunk := p[:n]
	unmask(chunk, d.header.mask, int(d.received&3))
	d.received += int64(n)
	d.inFrame = d.received < d.header.length
	if d.header.op >= Close {
		f, err = d.readControl(chunk)
	} else {
		f = d.readMessage(chunk)
	}
	return f, p[n:], err
}

// readHeader reads bytes up to the end of a frame header and returns their
// number. If the header is complete it sets inFrame.
func (d *Decoder) readHeader(p []byte, scratch *Scratch, limit int) (int, error) {
	n := 0
	head := p
	if d.nPartial > 0 || len(p) < 2 || len(p) < headerSize(p[1]) {
		for d.nPartial < 2 || d.nPartial < headerSize(d.partial[1]) {
			if n == len(p) {
				return n, nil
			}
			d.partial[d.nPartial] = p[n]
			d.nPartial++
			n++
		}
		head = d.partial[:d.nPartial]
		d.nPartial = 0
	} else {
		n = headerSize(p[1])
		head = p[:n]
	}
	h, err := scratch.parse(head, d.op != Continuation)
	if err != nil {
		return 0, ErrProtocol
	}
	if h.op < Close {
		if h.length > int64(limit-len(d.message)) {
			return 0, ErrTooBig
		}
		if d.fragments++; d.fragments > MaxFragments {
			return 0, ErrFragments
		}
		if h.op != Continuation {
			d.op = h.op
		}
	}
	d.header, d.inFrame, d.received = h, true, 0
	return n, nil
}

// readControl handles the next part of the payload of a control frame. It is
// the last part if inFrame is false.
func (d *Decoder) readControl(chunk []byte) (Frame, error) {
	if d.inFrame || len(d.control) > 0 {
		d.control = append(d.control, chunk...)
		chunk = d.control
	}
	if d.inFrame {
		return Frame{}, nil
	}
	d.control = nil
	if d.header.op == Close && checkClose(chunk) != nil {
		return Frame{}, ErrProtocol
	}
	return Frame{Op: d.header.op, Payload: chunk}, nil
}

// readMessage handles the next part of the payload of a message.
func (d *Decoder) readMessage(chunk []byte) Frame {
	last := !d.inFrame && d.header.fin
	f := Frame{Op: d.op, Payload: chunk}
	if !last || len(d.message) > 0 {
		d.message = buffer.Append(d.message, chunk)
		if !last {
			return Frame{}
		}
		f.Payload, f.joined, d.message = d.message, true, nil
	}
	d.op, d.fragments = Continuation, 0
	return f
}
