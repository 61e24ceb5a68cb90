package siotest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Engine.IO revision 3 and Socket.IO revision 4, for Options.EIO3. They differ
// from what the rest of this package does in these ways: payloads have lengths,
// a binary packet has a type, the client sends the pings, the root namespace is
// connected by the server, and a CONNECT has a query and no payload.

const packetPong = '3'

// octetStream is the Content-Type of a payload that is binary.
const octetStream = "application/octet-stream"

// usesBase64 reports whether binary packets are sent and requested as text.
func (o *Options) usesBase64() bool { return o.Query.Get("b64") != "" }

// pingLoop sends the pings of a client of revision 3.
func (e *Engine) pingLoop() {
	ticker := time.NewTicker(time.Duration(e.Handshake.PingInterval) * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			e.SendPacket("2")
		case <-e.closed:
			return
		}
	}
}

// startPings starts the pings of a client of revision 3, unless it does not
// send any.
func (e *Engine) startPings() {
	if e.opts.EIO3 && !e.opts.NoPong {
		e.wg.Go(e.pingLoop)
	}
}

// parse parses a text packet, of a payload or of a WebSocket.
func (o *Options) parse(packet string) (Packet, error) {
	if o.EIO3 && strings.HasPrefix(packet, "b") {
		if !strings.HasPrefix(packet, "b4") {
			return Packet{}, violation("binary packet %.60q is no message", packet)
		}
		packet = "b" + packet[2:]
	}
	return parsePacket(packet)
}

// parseBinary parses a binary packet.
func (o *Options) parseBinary(data []byte) (Packet, error) {
	if !o.EIO3 {
		return Packet{Type: packetMessage, Data: data, Binary: true}, nil
	}
	data, isMessage := bytes.CutPrefix(data, []byte{4})
	if !isMessage {
		return Packet{}, violation("binary packet %.60q is no message", data)
	}
	return Packet{Type: packetMessage, Data: data, Binary: true}, nil
}

// text returns an item as a text packet.
func (o *Options) text(item outgoing) string {
	switch {
	case item.binary == nil:
		return item.text
	case o.EIO3:
		return "b4" + base64.StdEncoding.EncodeToString(item.binary)
	}
	return encodeBinary(item.binary)
}

// parsePayload parses the answer to a poll.
func (o *Options) parsePayload(payload string, header http.Header) ([]Packet, error) {
	contentType := header.Get("Content-Type")
	switch {
	case !o.EIO3:
		return parsePayload(payload)
	case contentType == octetStream && !o.usesBase64():
		return o.parseBinaryPayload(payload)
	case contentType == octetStream:
		return nil, violation("a binary payload for a client that wants base64: %.60q", payload)
	}
	return o.parseTextPayload(payload)
}

func (o *Options) parseTextPayload(payload string) (packets []Packet, err error) {
	if strings.ContainsFunc(payload, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return nil, violation("a payload is not ASCII, which socket.io-client 1 cannot read: %.60q", payload)
	}
	for payload != "" {
		length, rest, found := strings.Cut(payload, ":")
		n, err := strconv.Atoi(length)
		if err != nil || !found || n < 1 || n > len(rest) {
			return nil, violation("payload %.60q has no valid length", payload)
		}
		p, err := o.parse(rest[:n])
		if err != nil {
			return nil, err
		}
		packets, payload = append(packets, p), rest[n:]
	}
	return packets, nil
}

func (o *Options) parseBinaryPayload(payload string) (packets []Packet, err error) {
	for payload != "" {
		head, rest, found := strings.Cut(payload, "\xff")
		n := 0
		for i := 1; i < len(head); i++ {
			n = n*10 + int(head[i])
		}
		if !found || len(head) < 2 || head[0] > 1 || n > len(rest) {
			return nil, violation("payload %.60q has no valid length", payload)
		}
		parse := o.parse
		if head[0] == 1 {
			parse = func(s string) (Packet, error) { return o.parseBinary([]byte(s)) }
		}
		p, err := parse(rest[:n])
		if err != nil {
			return nil, err
		}
		packets, payload = append(packets, p), rest[n:]
	}
	return packets, nil
}

// join3 returns a payload of a part, and whether the payload is binary: if a
// packet is, and the client does not use base64.
func (o *Options) join3(part []outgoing) (payload string, binary bool) {
	for _, item := range part {
		binary = binary || item.binary != nil && !o.usesBase64()
	}
	var out strings.Builder
	for _, item := range part {
		switch {
		case item.control != nil:
		case binary && item.binary != nil:
			out.WriteString("\x01" + binaryLength(1+len(item.binary)) + "\x04" + string(item.binary))
		case binary:
			out.WriteString("\x00" + binaryLength(len(item.text)) + item.text)
		default:
			text := o.text(item)
			out.WriteString(strconv.Itoa(utf16Length(text)) + ":" + text)
		}
	}
	return out.String(), binary
}

// utf16Length returns the length of a text in UTF-16 code units.
func utf16Length(text string) (n int) {
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}

func binaryLength(n int) string {
	digits := []byte(strconv.Itoa(n))
	for i := range digits {
		digits[i] -= '0'
	}
	return string(digits) + "\xff"
}

// contentType returns the Content-Type of a payload.
func contentType(binary bool) string {
	if binary {
		return octetStream
	}
	return "text/plain;charset=UTF-8"
}

// connectFrame returns a CONNECT. With revision 3, auth is a map of strings.
func (o *Options) connectFrame(namespace string, auth any) (*frame, error) {
	f := &frame{kind: typeConnect, namespace: namespace}
	if auth == nil {
		return f, nil
	}
	if !o.EIO3 {
		payload, err := json.Marshal(auth)
		f.payload = payload
		return f, err
	}
	values, ok := auth.(map[string]string)
	if !ok {
		return nil, violation("auth is %T; with EIO3 it is sent as a query, so a map[string]string was expected", auth)
	}
	query := make(url.Values)
	for name, value := range values {
		query.Set(name, value)
	}
	f.namespace += "?" + query.Encode()
	return f, nil
}

// parseRefusal parses the payload of an ERROR: a text, or the data of a refusal.
func parseRefusal(payload []byte) (*ConnectError, error) {
	refused := new(ConnectError)
	if json.Unmarshal(payload, &refused.Message) == nil {
		return refused, nil
	}
	if !json.Valid(payload) {
		return nil, violation("payload of ERROR %q", payload)
	}
	refused.Data = payload
	return refused, nil
}
