package siotest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Event is an event that a Socket has received, or an ack, which has no Name.
type Event struct {
	Name        string
	Args        []json.RawMessage // placeholders stand for the attachments
	Attachments [][]byte
	AckID       *uint64 // set if the server wants an ack: see Reply

	socket *Socket
}

// Decode reads argument i into dst. Attachments decode into *[]byte, and into
// *any as []byte at any depth.
func (e Event) Decode(i int, dst any) error {
	if i >= len(e.Args) {
		return fmt.Errorf("there is no argument %d in %s", i, e)
	}
	switch dst := dst.(type) {
	case *[]byte:
		var p placeholder
		if json.Unmarshal(e.Args[i], &p) == nil && p.Placeholder && p.Num >= 0 && p.Num < len(e.Attachments) {
			*dst = e.Attachments[p.Num]
			return nil
		}
	case *any:
		if err := json.Unmarshal(e.Args[i], dst); err != nil {
			return err
		}
		v, err := restore(*dst, e.Attachments)
		*dst = v
		return err
	}
	return json.Unmarshal(e.Args[i], dst)
}

// Differs describes how e differs from an event with this name and these
// arguments. It returns "" if it does not. The arguments are compared as JSON,
// and the attachments byte by byte.
func (e Event) Differs(name string, args ...any) string {
	f, err := newFrame(typeBinaryEvent, typeEvent, "/", nil, append([]any{name}, args...))
	if err != nil {
		return fmt.Sprintf("the expected event cannot be encoded: %v", err)
	}
	want, err := NewEvent(Payload{f.payload, f.attachments})
	if err != nil {
		return fmt.Sprintf("the expected event is not valid: %v", err)
	}
	return e.DiffersFrom(want)
}

// DiffersFrom is Differs for an Event.
func (e Event) DiffersFrom(want Event) string {
	if e.Name == want.Name && sameJSON(e.JSON(), want.JSON()) && slices.EqualFunc(e.Attachments, want.Attachments, bytes.Equal) {
		return ""
	}
	return fmt.Sprintf("got  %s\nwant %s", e, want)
}

// sameJSON compares two JSON texts by their values.
func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// Arg is Decode, but fails the test instead of returning an error.
func (e Event) Arg(i int, dst any) {
	e.socket.t().Helper()
	if err := e.Decode(i, dst); err != nil {
		e.socket.t().Fatalf("argument %d of %s: %v", i, e, err)
	}
}

// Text returns argument i, which must be a string.
func (e Event) Text(i int) string {
	e.socket.t().Helper()
	var s string
	e.Arg(i, &s)
	return s
}

// Bytes returns argument i, which must be an attachment.
func (e Event) Bytes(i int) []byte {
	e.socket.t().Helper()
	var b []byte
	e.Arg(i, &b)
	return b
}

// JSON returns the array of the arguments, without the name, with placeholders
// for the attachments.
func (e Event) JSON() string {
	args := e.Args
	if args == nil {
		args = []json.RawMessage{}
	}
	b, err := json.Marshal(args)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// String returns the name, the arguments and the attachments.
func (e Event) String() string {
	if len(e.Attachments) == 0 {
		return fmt.Sprintf("%q %s", e.Name, e.JSON())
	}
	return fmt.Sprintf("%q %s with the attachments %.60q", e.Name, e.JSON(), e.Attachments)
}

// Reply sends the ack that the server waits for.
func (e Event) Reply(args ...any) {
	e.socket.t().Helper()
	if e.AckID == nil {
		e.socket.t().Fatalf("no ack was asked for by %s", e)
	}
	e.socket.send(typeBinaryAck, typeAck, e.AckID, args)
}

// ReplyPayload is Reply for an encoded ack.
func (e Event) ReplyPayload(p Payload) {
	e.socket.client.send(encodedFrame(typeBinaryAck, typeAck, e.socket.namespace, e.AckID, p))
}

// NewEvent returns an event with this payload, for DiffersFrom.
func NewEvent(p Payload) (Event, error) {
	name, args, err := (&frame{payload: p.JSON}).event()
	return Event{Name: name, Args: args, Attachments: p.Attachments}, err
}
