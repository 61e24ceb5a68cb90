// Package websocket has the parts of a WebSocket server, RFC 6455, that do no
// I/O: the handshake of the server, the decoder of frames from clients and the
// encoder of frames to them.
package websocket

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// CheckHandshake returns an error if a handshake request is invalid, section
// 4.2.1. The text of the error contains nothing that the client sent.
func CheckHandshake(r *http.Request) error {
	switch key := r.Header.Values("Sec-Websocket-Key"); {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return errors.New("WebSocket needs HTTP/1.1")
	case !HasToken(r.Header.Values("Connection"), "upgrade"):
		return errors.New("Connection is not Upgrade")
	case !HasToken(r.Header.Values("Upgrade"), "websocket"):
		return errors.New("Upgrade is not websocket")
	case len(key) != 1 || len(key[0]) != 24:
		return errors.New("bad Sec-WebSocket-Key")
	case r.Header.Get("Sec-Websocket-Version") != "13":
		return errors.New("Sec-WebSocket-Version is not 13")
	}
	return nil
}

// HasToken reports whether the lines of a header contain a token, in upper or
// lower case. Each line is a list separated by commas.
func HasToken(lines []string, token string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// Subprotocols returns the subprotocols that a client offers, in the order of
// the client. It ignores names that are not tokens.
func Subprotocols(r *http.Request) []string {
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

// Answer returns the answer to a request that CheckHandshake has accepted,
// section 4.2.2, ready to be written. The subprotocol is one that the client
// offers, or "" for none. The header is added to the answer.
//
// The upgraders of the WebSocket library write the answer to a connection. To
// use them for an http.Request took a tenth of the time of a handshake.
func Answer(r *http.Request, subprotocol string, header http.Header) []byte {
	const (
		guid     = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
		begin    = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
		protocol = "\r\nSec-WebSocket-Protocol: "
		end      = "\r\n\r\n"
	)
	hash := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + guid))
	size := len(begin) + base64.StdEncoding.EncodedLen(len(hash)) + len(protocol) + len(subprotocol) + len(end)
	answer := make([]byte, 0, size)
	answer = append(answer, begin...)
	answer = base64.StdEncoding.AppendEncode(answer, hash[:])
	if subprotocol != "" {
		answer = append(append(answer, protocol...), subprotocol...)
	}
	for name, lines := range header {
		for _, line := range lines {
			answer = fmt.Appendf(answer, "\r\n%s: %s", name, line)
		}
	}
	return append(answer, end...)
}
