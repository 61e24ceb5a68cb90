package engineio

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"

	"github.com/gobwas/ws"
)

// This is the one file that knows the WebSocket library.

// maxFrameHeader is the longest header of a frame that a server sends.
const maxFrameHeader = 10

// The status codes of a Close frame, RFC 6455 section 7.4.1.
const (
	statusNormal    = uint16(ws.StatusNormalClosure)
	statusProtocol  = uint16(ws.StatusProtocolError)
	statusNotUTF8   = uint16(ws.StatusInvalidFramePayloadData)
	statusTooBig    = uint16(ws.StatusMessageTooBig)
	statusPolicy    = uint16(ws.StatusPolicyViolation)
	statusGoingAway = uint16(ws.StatusGoingAway)
)

// statusBytes is how many bytes of a Close frame's payload are its status.
const statusBytes = 2

type opcode = ws.OpCode

const (
	opContinuation = ws.OpContinuation
	opText         = ws.OpText
	opBinary       = ws.OpBinary
	opClose        = ws.OpClose
	opPing         = ws.OpPing
	opPong         = ws.OpPong
)

// checkUpgrade says what is wrong with a WebSocket handshake request, so that it
// can be answered before the connection is taken over.
func checkUpgrade(r *http.Request) error {
	switch key := r.Header.Values("Sec-Websocket-Key"); {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return errors.New("WebSocket needs HTTP/1.1")
	case !hasToken(r.Header.Values("Connection"), "upgrade"):
		return errors.New("Connection is not Upgrade")
	case !hasToken(r.Header.Values("Upgrade"), "websocket"):
		return errors.New("Upgrade is not websocket")
	case len(key) != 1 || len(key[0]) != 24:
		return errors.New("bad Sec-WebSocket-Key")
	case r.Header.Get("Sec-Websocket-Version") != "13":
		return errors.New("Sec-WebSocket-Version is not 13")
	}
	return nil
}

func hasToken(values []string, token string) bool {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// takeOver hijacks the connection of a request that checkUpgrade passed. It returns
// the answer that is yet to be written, and what the client sent behind its
// handshake. After an error the caller can still answer.
//
// The library's upgraders write by themselves, and with a request made to suit them
// cost a tenth of a connection. The answer is three lines, and leaves together with
// the first packet.
func takeOver(
	w http.ResponseWriter, r *http.Request, subprotocol string, header http.Header,
) (conn net.Conn, answer, early []byte, err error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, nil, errNotHijacked
	}
	if n := rw.Reader.Buffered(); n > 0 {
		peeked, _ := rw.Reader.Peek(n)
		early = bytes.Clone(peeked)
	}
	return conn, switchProtocols(r.Header.Get("Sec-Websocket-Key"), subprotocol, header), early, nil
}

// switchProtocols is the answer to a handshake with this key, RFC 6455 section 4.2.2. The
// subprotocol is a token, or "" for none. The header is what else is in the answer.
func switchProtocols(key, subprotocol string, header http.Header) []byte {
	const (
		guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
		head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
		also = "\r\nSec-WebSocket-Protocol: "
		end  = "\r\n\r\n"
	)
	hash := sha1.Sum([]byte(key + guid))
	answer := make([]byte, 0, len(head)+base64.StdEncoding.EncodedLen(len(hash))+len(also)+len(subprotocol)+len(end))
	answer = append(answer, head...)
	answer = base64.StdEncoding.AppendEncode(answer, hash[:])
	if subprotocol != "" {
		answer = append(append(answer, also...), subprotocol...)
	}
	for name, lines := range header {
		for _, line := range lines {
			answer = fmt.Appendf(answer, "\r\n%s: %s", name, line)
		}
	}
	return append(answer, end...)
}

// subprotocols returns the subprotocols that a client offers, in its order. What is no
// token is left out.
func subprotocols(r *http.Request) []string {
	var offered []string
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.Trim(name, " \t"); isToken(name) {
				offered = append(offered, name)
			}
		}
	}
	return offered
}

// isToken reports whether s is a token, RFC 9110 section 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
			!strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

var errNotHijacked = errors.New("the ResponseWriter cannot be hijacked")

// frameHeader is the header of a frame from a client.
type frameHeader struct {
	op     opcode
	fin    bool
	mask   [4]byte
	length int64
}

// headerScratch is what parsing a header needs beside its bytes. It lives with
// the read buffers, so that parsing does not allocate.
type headerScratch struct {
	reader bytes.Reader
	buf    [ws.MaxHeaderSize]byte
	frames int // that were parsed
}

// headerSize is how many bytes the header has whose first two are given.
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

// parse reads a header from p, which holds all of it. fragmented says that a
// message is under way.
func (s *headerScratch) parse(p []byte, fragmented bool) (frameHeader, error) {
	s.frames++
	s.reader.Reset(p)
	h, err := ws.ReadHeaderBuffer(&s.reader, s.buf[:])
	if err != nil {
		return frameHeader{}, err
	}
	state := ws.StateServerSide
	if fragmented {
		state |= ws.StateFragmented
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return frameHeader{}, err
	}
	return frameHeader{op: h.OpCode, fin: h.Fin, mask: h.Mask, length: h.Length}, nil
}

// unmask undoes the masking of a payload of which offset bytes came before p.
func unmask(p []byte, mask [4]byte, offset int) { ws.Cipher(p, mask, offset) }

func appendTextHeader(dst []byte, length int) []byte { return appendHeader(dst, opText, length) }

func appendBinaryHeader(dst []byte, length int) []byte { return appendHeader(dst, opBinary, length) }

// appendHeader appends the header of a whole message, RFC 6455 section 5.2. The library
// has a function for any header; it wants a Writer, and so takes two allocations.
func appendHeader(dst []byte, op opcode, length int) []byte {
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

// appendControl appends a Pong or Close frame.
func appendControl(dst []byte, op opcode, payload []byte) []byte {
	return append(appendHeader(dst, op, len(payload)), payload...)
}

func appendClose(dst []byte, status uint16) []byte {
	var payload [statusBytes]byte
	binary.BigEndian.PutUint16(payload[:], status)
	return appendControl(dst, opClose, payload[:])
}

// checkClose says whether the payload of a Close frame is valid.
func checkClose(payload []byte) error {
	switch len(payload) {
	case 0:
		return nil
	case 1:
		return errors.New("a close status of one byte")
	}
	return ws.CheckCloseFrameData(ws.StatusCode(binary.BigEndian.Uint16(payload)), string(payload[statusBytes:]))
}
