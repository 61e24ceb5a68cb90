package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/mojosocket/mojo/internal/parser/attachment"
	"github.com/mojosocket/mojo/internal/parser/placeholder"
)

var errOwnPlaceholder = errors.New(`an object with "_placeholder": true cannot be sent together with binary`)

// EncodeEvent returns the payload of an event ("Sending and receiving data"):
// an array of its name and arguments. Binary content becomes attachments, see
// Binary. The arguments are not modified. The Payload aliases only their binary
// content. The error for a reserved name is ErrReservedEvent.
func EncodeEvent(event string, args []any) (Payload, error) {
	if Reserved(event) {
		return Payload{}, fmt.Errorf("%w: %q", ErrReservedEvent, event)
	}
	return EncodeOwnEvent(event, args)
}

// EncodeOwnEvent is EncodeEvent for an event of the server, which may have a
// reserved name.
func EncodeOwnEvent(event string, args []any) (Payload, error) {
	e := encoders.Get().(*encoder)
	e.text.WriteByte('[')
	if err := e.name(event); err != nil {
		return Payload{}, e.fail(err)
	}
	return e.array(args, true)
}

// EncodeArgs returns the payload of an ack ("Acknowledgement"): an array of the
// arguments, possibly empty. It handles them like EncodeEvent.
func EncodeArgs(args []any) (Payload, error) {
	e := encoders.Get().(*encoder)
	e.text.WriteByte('[')
	return e.array(args, false)
}

// encoder encodes payloads. It can be used again, unless a method of an
// argument has panicked.
type encoder struct {
	text        bytes.Buffer
	json        *json.Encoder // writes to text
	attachments [][]byte
}

// maxPooled is the size of the text above which an encoder is not returned
// to the pool.
const maxPooled = 64 << 10

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.json = json.NewEncoder(&e.text)
	e.json.SetEscapeHTML(false) // like JSON.stringify
	return e
}}

// release returns the encoder to the pool.
func (e *encoder) release() {
	if e.text.Cap() > maxPooled {
		return
	}
	e.text.Reset()
	e.attachments = nil
	encoders.Put(e)
}

func (e *encoder) fail(err error) error {
	e.release()
	return err
}

// array writes the arguments and the end of the array, and releases the
// encoder.
func (e *encoder) array(args []any, comma bool) (Payload, error) {
	for i, arg := range args {
		if comma || i > 0 {
			e.text.WriteByte(',')
		}
		if err := e.argument(arg); err != nil {
			return Payload{}, e.fail(fmt.Errorf("argument %d (%T): %w", i+1, arg, err))
		}
		if len(e.attachments) > attachment.Max {
			return Payload{}, e.fail(attachment.ErrTooMany)
		}
	}
	e.text.WriteByte(']')
	if err := e.check(); err != nil {
		return Payload{}, e.fail(err)
	}
	p := Payload{JSON: bytes.Clone(e.text.Bytes()), Attachments: e.attachments}
	e.release()
	return p, nil
}

// check returns an error if data of the application looks like a placeholder
// and the payload has real placeholders. A client could not distinguish them,
// and would close the connection because of a malformed one.
func (e *encoder) check() error {
	if len(e.attachments) == 0 {
		return nil
	}
	if _, err := placeholder.Find(e.text.Bytes(), len(e.attachments)); err != nil {
		return errOwnPlaceholder
	}
	return nil
}

// name writes the name of an event.
func (e *encoder) name(event string) error {
	for i := range len(event) {
		if c := event[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return e.value(event)
		}
	}
	e.text.WriteByte('"')
	e.text.WriteString(event)
	e.text.WriteByte('"')
	return nil
}

// EncodeValue returns the payload of a packet that carries one value and cannot
// have attachments, Connect or ConnectError ("Connection to a namespace").
// Binary content in it becomes base64.
func EncodeValue(v any) (Payload, error) {
	e := encoders.Get().(*encoder)
	if err := e.value(v); err != nil {
		return Payload{}, e.fail(err)
	}
	p := Payload{JSON: bytes.Clone(e.text.Bytes())}
	e.release()
	return p, nil
}

// value writes v as encoding/json encodes it.
func (e *encoder) value(v any) error {
	if err := e.json.Encode(v); err != nil {
		return err
	}
	e.text.Truncate(e.text.Len() - 1) // the line end of json.Encoder
	return nil
}

// argument writes an argument, with placeholders for its binary content.
func (e *encoder) argument(arg any) error {
	switch arg := arg.(type) {
	case []byte:
		return e.bytes(arg)
	case attachment.Binary:
		return e.bytes(arg)
	}
	binary, err := attachment.HoldsBinary(arg)
	if err != nil {
		return err
	}
	if binary {
		return e.binary(arg)
	}
	return e.value(arg)
}

// binary writes an argument that holds binary content.
func (e *encoder) binary(arg any) error {
	start, count := e.text.Len(), len(e.attachments)
	complete, marshalers, err := e.encodeCopy(arg, false)
	if err != nil || complete || !marshalers {
		return err
	}
	// A MarshalJSON or MarshalText method did not write the base64 of its
	// tokens. So it must be called with the original content.
	e.text.Truncate(start)
	e.attachments = e.attachments[:count]
	_, _, err = e.encodeCopy(arg, true)
	return err
}

// encodeCopy writes a copy of an argument, with placeholders in place of
// tokens. It reports whether the text had all tokens, and whether the argument
// has a type that encodes itself, which may have omitted tokens.
func (e *encoder) encodeCopy(arg any, keepMarshalers bool) (complete, marshalers bool, err error) {
	c := attachment.NewCopier(keepMarshalers)
	arg, err = c.Copy(arg)
	if err != nil {
		return false, false, err
	}
	start := e.text.Len()
	if err := e.value(arg); err != nil {
		return false, false, err
	}
	text := bytes.Clone(e.text.Bytes()[start:])
	e.text.Truncate(start)
	complete = c.Expand(text, func(part []byte) { e.text.Write(part) }, e.attach)
	return complete, c.HasMarshalers(), nil
}

// bytes writes an argument that is an attachment.
func (e *encoder) bytes(content []byte) error {
	if content == nil {
		e.text.WriteString("null")
		return nil
	}
	e.attach(content)
	return nil
}

// attach adds an attachment and writes its placeholder.
func (e *encoder) attach(content []byte) {
	text := append(e.text.AvailableBuffer(), `{"_placeholder":true,"num":`...)
	text = strconv.AppendInt(text, int64(len(e.attachments)), 10)
	e.text.Write(append(text, '}'))
	e.attachments = append(e.attachments, content)
}
