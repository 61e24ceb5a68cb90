package websocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"

	"github.com/gobwas/ws"
)

// This is the only file that imports the WebSocket library.

// Opcode is the type of a frame, section 5.2.
type Opcode = ws.OpCode

// The opcodes.
const (
	Continuation = ws.OpContinuation
	Text         = ws.OpText
	Binary       = ws.OpBinary
	Close        = ws.OpClose
	Ping         = ws.OpPing
	Pong         = ws.OpPong
)

// The status codes of a Close frame, section 7.4.1.
const (
	StatusNormal    = uint16(ws.StatusNormalClosure)
	StatusProtocol  = uint16(ws.StatusProtocolError)
	StatusNotUTF8   = uint16(ws.StatusInvalidFramePayloadData)
	StatusTooBig    = uint16(ws.StatusMessageTooBig)
	StatusPolicy    = uint16(ws.StatusPolicyViolation)
	StatusGoingAway = uint16(ws.StatusGoingAway)
)

// MaxHeader is the maximum size of the header of a frame that a server sends,
// in bytes.
const MaxHeader = 10

const (
	maxClientHeader = MaxHeader + 4 // a client adds a mask
	statusBytes     = 2             // the status at the beginning of the payload of a Close frame
)

// header is the header of a frame from a client.
type header struct {
	op     Opcode
	fin    bool
	mask   [4]byte
	length int64
}

// Scratch is the memory that a call of Decoder.Next needs, so that it does not
// allocate. Several Decoders can share it, if their calls do not overlap.
type Scratch struct {
	// Frames is the number of headers that were parsed with this Scratch.
	Frames int

	reader bytes.Reader
	buf    [ws.MaxHeaderSize]byte
}

// headerSize returns the length of a header, given its second byte.
func headerSize(second byte) int {
	n := 2
	switch second & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if second&0x80 != 0 {
		n += 4
	}
	return n
}

// parse parses a complete header. The parameter fragmented says whether the
// header follows a fragment of an incomplete message.
func (s *Scratch) parse(p []byte, fragmented bool) (header, error) {
	s.Frames++
	s.reader.Reset(p)
	h, err := ws.ReadHeaderBuffer(&s.reader, s.buf[:])
	if err != nil {
		return header{}, err
	}
	state := ws.StateServerSide
	if fragmented {
		state |= ws.StateFragmented
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return header{}, err
	}
	return header{op: h.OpCode, fin: h.Fin, mask: h.Mask, length: h.Length}, nil
}

// unmask removes the mask from p, a part of a payload that begins at offset.
func unmask(p []byte, mask [4]byte, offset int) { ws.Cipher(p, mask, offset) }

// AppendHeader appends the header of a frame that is a whole message. The
// function of the WebSocket library needs an io.Writer and therefore two
// allocations.
func AppendHeader(dst []byte, op Opcode, length int) []byte {
	const fin = 0x80
	dst = append(dst, fin|byte(op))
	switch {
	case length < 126:
		return append(dst, byte(length))
	case length <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(length))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(length))
}

// AppendFrame appends a frame that is a whole message.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	return append(AppendHeader(dst, op, len(payload)), payload...)
}

// AppendClose appends a Close frame with a status and no reason.
func AppendClose(dst []byte, status uint16) []byte {
	var payload [statusBytes]byte
	binary.BigEndian.PutUint16(payload[:], status)
	return AppendFrame(dst, Close, payload[:])
}

// checkClose returns an error if the payload of a client's Close frame is
// invalid.
func checkClose(payload []byte) error {
	switch len(payload) {
	case 0:
		return nil
	case 1:
		return errors.New("the payload of a Close frame has one byte")
	}
	return ws.CheckCloseFrameData(ws.StatusCode(binary.BigEndian.Uint16(payload)), string(payload[statusBytes:]))
}
