package load

import (
	"encoding/binary"
	"errors"
)

const (
	opText  = 1
	opClose = 8
	opPing  = 9
)

// Frame returns text as a WebSocket frame from a client. Its mask is zero, so a
// client can send the same bytes again. The server unmasks the frame like any
// other.
func Frame(text string) []byte { return frame(opText, text) }

func frame(op byte, payload string) []byte {
	const fin, masked = 0x80, 0x80
	p := []byte{fin | op}
	switch n := len(payload); {
	case n < 126:
		p = append(p, masked|byte(n))
	case n < 1<<16:
		p = append(p, masked|126)
		p = binary.BigEndian.AppendUint16(p, uint16(n))
	default:
		p = append(p, masked|127)
		p = binary.BigEndian.AppendUint64(p, uint64(n))
	}
	return append(append(p, 0, 0, 0, 0), payload...)
}

var errFrame = errors.New("the server sent a frame that is fragmented, compressed or masked")

// cutFrame returns the first frame of p and the bytes behind it. If the frame
// is incomplete, ok is false.
func cutFrame(p []byte) (op byte, payload, rest []byte, ok bool, err error) {
	if len(p) < 2 {
		return 0, nil, p, false, nil
	}
	if p[0]&0xf0 != 0x80 || p[1]&0x80 != 0 {
		return 0, nil, p, false, errFrame
	}
	n, header := int(p[1]), 2
	switch {
	case n == 126:
		header = 4
		if len(p) < header {
			return 0, nil, p, false, nil
		}
		n = int(binary.BigEndian.Uint16(p[2:]))
	case n == 127:
		header = 10
		if len(p) < header {
			return 0, nil, p, false, nil
		}
		n = int(binary.BigEndian.Uint64(p[2:]))
	}
	if len(p) < header+n {
		return 0, nil, p, false, nil
	}
	return p[0] & 0x0f, p[header : header+n], p[header+n:], true, nil
}
