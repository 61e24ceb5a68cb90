package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
)

// ErrTooManyAttachments is the error for more than MaxAttachments attachments in one packet.
var ErrTooManyAttachments = errors.New("more than " + strconv.Itoa(MaxAttachments) + " attachments")

var errOwnPlaceholder = errors.New(`an object with "_placeholder": true cannot be sent together with binary`)

// Payload is what a packet carries ("Packet encoding", "Format"). The JSON belongs to the
// Payload. The Attachments may alias the bytes that the caller of EncodeEvent or EncodeArgs
// passed; who keeps them longer than that caller's call has to copy them.
type Payload struct {
	JSON        []byte
	Attachments [][]byte
}

// EncodeEvent returns the payload of an event ("Sending and receiving data"): an array of its
// name and arguments. Binary and, as said there, []byte become attachments. The arguments are not
// modified, and nothing of them is kept but the Attachments. A reserved name is ErrReservedEvent.
func EncodeEvent(event string, args []any) (Payload, error) {
	if Reserved(event) {
		return Payload{}, fmt.Errorf("%w: %q", ErrReservedEvent, event)
	}
	return EncodeOwnEvent(event, args)
}

// EncodeOwnEvent is EncodeEvent for an event of the server's own.
func EncodeOwnEvent(event string, args []any) (Payload, error) {
	e := encoders.Get().(*encoder)
	e.text.WriteByte('[')
	if err := e.name(event); err != nil {
		return Payload{}, e.fail(err)
	}
	return e.array(args, true)
}

// EncodeArgs returns the payload of an ack ("Acknowledgement"): an array of the arguments, which
// may be none. The rest is as for EncodeEvent.
func EncodeArgs(args []any) (Payload, error) {
	e := encoders.Get().(*encoder)
	e.text.WriteByte('[')
	return e.array(args, false)
}

// encoder builds one payload after another. One whose user code panicked is not used again.
type encoder struct {
	text        bytes.Buffer
	json        *json.Encoder // writes to text
	attachments [][]byte
}

// maxPooled is the size of text above which an encoder is left to the garbage collector.
const maxPooled = 64 << 10

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.json = json.NewEncoder(&e.text)
	e.json.SetEscapeHTML(false) // as JSON.stringify
	return e
}}

// release makes the encoder ready for the next payload.
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

// array completes an array with the arguments and releases the encoder.
func (e *encoder) array(args []any, comma bool) (Payload, error) {
	for i, arg := range args {
		if comma || i > 0 {
			e.text.WriteByte(',')
		}
		if err := e.argument(arg); err != nil {
			return Payload{}, e.fail(fmt.Errorf("argument %d (%T): %w", i+1, arg, err))
		}
		if len(e.attachments) > MaxAttachments {
			return Payload{}, e.fail(ErrTooManyAttachments)
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

// check refuses data that looks like a placeholder next to real ones: the client could not tell
// them apart, and would leave over one that is malformed. Alone it is plain data.
func (e *encoder) check() error {
	if len(e.attachments) == 0 {
		return nil
	}
	if _, err := findPlaceholders(e.text.Bytes(), len(e.attachments)); err != nil {
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

// EncodeValue returns the payload of a packet that carries a value and has no binary form, as
// Connect and ConnectError ("Connection to a namespace"): binary in it is what encoding/json makes
// of bytes.
func EncodeValue(v any) (Payload, error) {
	e := encoders.Get().(*encoder)
	if err := e.value(v); err != nil {
		return Payload{}, e.fail(err)
	}
	p := Payload{JSON: bytes.Clone(e.text.Bytes())}
	e.release()
	return p, nil
}

// value writes what encoding/json makes of v.
func (e *encoder) value(v any) error {
	if err := e.json.Encode(v); err != nil {
		return err
	}
	e.text.Truncate(e.text.Len() - 1) // the line end of json.Encoder
	return nil
}

// argument writes an argument, with placeholders for what is binary in it.
func (e *encoder) argument(arg any) error {
	switch arg := arg.(type) {
	case []byte:
		return e.bytes(arg)
	case Binary:
		return e.bytes(arg)
	}
	binary, err := holdsBinary(arg, true, 0)
	if err != nil {
		return err
	}
	if binary {
		return e.binary(arg)
	}
	return e.value(arg)
}

// bytes writes an argument that is nothing but an attachment.
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
