package siotest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Types of Socket.IO packets.
const (
	typeConnect      = 0
	typeDisconnect   = 1
	typeEvent        = 2
	typeAck          = 3
	typeConnectError = 4
	typeBinaryEvent  = 5
	typeBinaryAck    = 6
)

// maxAttachments is the highest number of attachments that the official client
// accepts in a packet.
const maxAttachments = 10

// reserved are the event names that the official client refuses, because it
// emits them itself.
var reserved = []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}

// frame is a Socket.IO packet.
type frame struct {
	kind        int
	namespace   string
	ackID       *uint64
	payload     json.RawMessage // nil if it has none
	announced   int             // the number of attachments, from the header
	attachments [][]byte
}

// encode returns the header; the attachments follow it as binary messages.
func (f *frame) encode() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(f.kind))
	if f.kind == typeBinaryEvent || f.kind == typeBinaryAck {
		b.WriteString(strconv.Itoa(len(f.attachments)))
		b.WriteByte('-')
	}
	if f.namespace != "/" {
		b.WriteString(f.namespace)
		b.WriteByte(',')
	}
	if f.ackID != nil {
		b.WriteString(strconv.FormatUint(*f.ackID, 10))
	}
	b.Write(f.payload)
	return b.String()
}

// decodeFrame reads a header and checks its payload. With eio3 it has the form
// of revision 4 of Socket.IO.
func decodeFrame(s string, eio3 bool) (*frame, error) {
	if s == "" || s[0] < '0' || s[0] > '6' {
		return nil, violation("Socket.IO packet %.60q has no type", s)
	}
	f := &frame{kind: int(s[0] - '0'), namespace: "/"}
	rest := s[1:]
	if f.kind == typeBinaryEvent || f.kind == typeBinaryAck {
		count, after, found := strings.Cut(rest, "-")
		n, err := strconv.Atoi(count)
		if !found || err != nil || n < 0 || n > maxAttachments {
			return nil, violation("Socket.IO packet %.60q has no valid count of attachments", s)
		}
		f.announced, rest = n, after
	}
	if strings.HasPrefix(rest, "/") {
		f.namespace, rest, _ = strings.Cut(rest, ",")
	}
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	if digits > 0 {
		id, err := strconv.ParseUint(rest[:digits], 10, 64)
		if err != nil {
			return nil, violation("Socket.IO packet %.60q: %v", s, err)
		}
		f.ackID, rest = &id, rest[digits:]
	}
	if rest != "" {
		f.payload = json.RawMessage(rest)
	}
	if err := f.check(eio3); err != nil {
		return nil, violation("Socket.IO packet %.60q: %v", s, err)
	}
	return f, nil
}

func (f *frame) check(eio3 bool) error {
	switch {
	case f.kind == typeDisconnect, f.kind == typeConnect && eio3:
		if f.payload != nil {
			return fmt.Errorf("a payload was not expected")
		}
		return nil
	case f.kind == typeConnectError && eio3:
		return nil // parseRefusal checks it
	}
	switch f.kind {
	case typeConnect, typeConnectError:
		var object map[string]json.RawMessage
		if err := json.Unmarshal(f.payload, &object); err != nil {
			return fmt.Errorf("an object was expected: %v", err)
		}
	case typeEvent, typeBinaryEvent:
		_, _, err := f.event()
		return err
	case typeAck, typeBinaryAck:
		if f.ackID == nil {
			return fmt.Errorf("an ack without an id")
		}
		_, err := f.array()
		return err
	}
	return nil
}

func (f *frame) array() ([]json.RawMessage, error) {
	var args []json.RawMessage
	if err := json.Unmarshal(f.payload, &args); err != nil || args == nil {
		return nil, fmt.Errorf("an array was expected: %v", err)
	}
	return args, nil
}

// event returns the name and the arguments of an event. It converts a name that
// is a number to decimal text.
func (f *frame) event() (string, []json.RawMessage, error) {
	args, err := f.array()
	if err != nil {
		return "", nil, err
	}
	if len(args) == 0 {
		return "", nil, fmt.Errorf("an event without a name")
	}
	var name string
	var number json.Number
	if err := json.Unmarshal(args[0], &name); err != nil || string(args[0]) == "null" {
		if args[0][0] == '"' || json.Unmarshal(args[0], &number) != nil || number == "" {
			return "", nil, fmt.Errorf("an event name was expected, not %s", args[0])
		}
		name = number.String()
	}
	if slices.Contains(reserved, name) {
		return "", nil, fmt.Errorf("the event name %q is reserved", name)
	}
	return name, args[1:], nil
}

// placeholder is the JSON object that stands for an attachment.
type placeholder struct {
	Placeholder bool `json:"_placeholder"`
	Num         int  `json:"num"`
}

// extract replaces []byte values by placeholders: at the top level, in
// map[string]any and in []any.
func extract(v any, attachments *[][]byte) any {
	switch v := v.(type) {
	case []byte:
		*attachments = append(*attachments, v)
		return placeholder{true, len(*attachments) - 1}
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range sortedKeys(v) {
			out[k] = extract(v[k], attachments)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = extract(v[i], attachments)
		}
		return out
	}
	return v
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// restore replaces placeholders in decoded JSON by their attachments.
func restore(v any, attachments [][]byte) (any, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		if v["_placeholder"] == true {
			num, ok := v["num"].(float64)
			if !ok || num < 0 || int(num) >= len(attachments) || num != float64(int(num)) {
				return nil, fmt.Errorf("placeholder %v of %d attachments", v["num"], len(attachments))
			}
			return attachments[int(num)], nil
		}
		for k := range v {
			if v[k], err = restore(v[k], attachments); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range v {
			if v[i], err = restore(v[i], attachments); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// complete checks the packet after its last attachment has arrived.
func (f *frame) complete() error {
	if len(f.attachments) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(f.payload, &v); err != nil {
		return err
	}
	if _, err := restore(v, f.attachments); err != nil {
		return violation("payload %.60q: %v", f.payload, err)
	}
	return nil
}

// newFrame returns the frame of an event (args are name and arguments) or of an
// ack.
func newFrame(binaryKind, textKind int, namespace string, ackID *uint64, args []any) (*frame, error) {
	if args == nil {
		args = []any{}
	}
	var attachments [][]byte
	payload, err := json.Marshal(extract(args, &attachments))
	if err != nil {
		return nil, err
	}
	return encodedFrame(binaryKind, textKind, namespace, ackID, Payload{payload, attachments}), nil
}

// Payload is the content of an event (its name and arguments) or of an ack (its
// arguments): a JSON array, in which placeholders stand for the attachments.
type Payload struct {
	JSON        []byte
	Attachments [][]byte
}

func encodedFrame(binaryKind, textKind int, namespace string, ackID *uint64, p Payload) *frame {
	kind := textKind
	if len(p.Attachments) > 0 {
		kind = binaryKind
	}
	return &frame{kind: kind, namespace: namespace, ackID: ackID, payload: p.JSON, attachments: p.Attachments}
}
