package msgjson

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
)

// Writer writes MessagePack. The zero value is not ready; see NewWriter.
type Writer struct {
	out buffer
	enc *msgpack.Encoder

	// These belong to a call of JSON.

	text        []byte
	at          int
	attachments [][]byte
	used        []bool // by the number of the attachment
	depth       int
}

// buffer is what the encoder writes to. It returns no errors, so the methods of
// the encoder do not either.
type buffer struct{ b []byte }

func (b *buffer) Write(p []byte) (int, error) {
	b.b = append(b.b, p...)
	return len(p), nil
}

func (b *buffer) WriteByte(c byte) error {
	b.b = append(b.b, c)
	return nil
}

// NewWriter returns a Writer without content.
func NewWriter() *Writer {
	w := new(Writer)
	w.enc = msgpack.NewEncoder(&w.out)
	return w
}

// Bytes returns what was written.
func (w *Writer) Bytes() []byte { return w.out.b }

// Array begins an array of n values, which follow.
func (w *Writer) Array(n int) { _ = w.enc.EncodeArrayLen(n) }

// Map begins a map of n keys and values, which follow.
func (w *Writer) Map(n int) { _ = w.enc.EncodeMapLen(n) }

// Text writes strings.
func (w *Writer) Text(list ...string) {
	for _, s := range list {
		_ = w.enc.EncodeString(s)
	}
}

// Texts writes an array of strings.
func (w *Writer) Texts(list []string) {
	w.Array(len(list))
	w.Text(list...)
}

// Int writes an integer.
func (w *Writer) Int(n int64) { _ = w.enc.EncodeInt(n) }

// Bool writes true or false.
func (w *Writer) Bool(v bool) { _ = w.enc.EncodeBool(v) }

func (w *Writer) bin(content []byte) {
	_ = w.enc.EncodeBytesLen(len(content))
	w.out.b = append(w.out.b, content...)
}

// JSON writes a JSON value, with the attachments in place of their placeholders.
// Each attachment must have one placeholder. After an error the Writer must not
// be used any more.
func (w *Writer) JSON(text []byte, attachments [][]byte) error {
	if !json.Valid(text) {
		return errJSON
	}
	w.text, w.at, w.attachments, w.depth = text, 0, attachments, 0
	w.used = make([]bool, len(attachments))
	if err := w.value(); err != nil {
		return err
	}
	if slices.Contains(w.used, false) {
		return errAttachment
	}
	return nil
}

// skip returns the next byte of the text that is no space and no separator. The
// text is valid, so nothing depends on the separators.
func (w *Writer) skip() byte {
	for {
		switch c := w.text[w.at]; c {
		case ' ', '\t', '\n', '\r', ',', ':':
			w.at++
		default:
			return c
		}
	}
}

func (w *Writer) value() error {
	switch c := w.skip(); c {
	case '{', '[':
		if w.depth == MaxDepth {
			return errDepth
		}
		w.depth++
		container := w.array
		if c == '{' {
			container = w.object
		}
		err := container()
		w.depth--
		return err
	case '"':
		w.Text(w.str())
	case 't', 'f':
		w.Bool(c == 't')
		w.literal()
	case 'n':
		_ = w.enc.EncodeNil()
		w.literal()
	default:
		return w.number(w.literal())
	}
	return nil
}

// literal returns the number or name at the position, and moves behind it.
func (w *Writer) literal() string {
	start := w.at
	for w.at < len(w.text) && strings.IndexByte(",:]} \t\n\r", w.text[w.at]) < 0 {
		w.at++
	}
	return string(w.text[start:w.at])
}

func (w *Writer) number(text string) error {
	if !strings.ContainsAny(text, ".eE") && text != "-0" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			w.Int(n)
			return nil
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return w.enc.EncodeUint(n)
		}
	}
	f, _ := strconv.ParseFloat(text, 64) // infinite if it is too large, as in JavaScript
	if n := int64(f); math.Abs(f) <= 1<<53 && float64(n) == f && (n != 0 || !math.Signbit(f)) {
		w.Int(n)
		return nil
	}
	return w.enc.EncodeFloat64(f)
}

func (w *Writer) array() error {
	start, n := w.open(0x90)
	for ; w.skip() != ']'; n++ {
		if err := w.value(); err != nil {
			return err
		}
	}
	w.close(start, n, 0xdc)
	return nil
}

func (w *Writer) object() error {
	start, n := w.open(0x80)
	marked, num := false, -1
	for ; w.skip() != '}'; n++ {
		key := w.str()
		w.Text(key)
		w.skip()
		from := w.at
		if err := w.value(); err != nil {
			return err
		}
		switch value := w.text[from:w.at]; key {
		case markKey:
			marked = string(value) == "true"
		case numKey:
			var err error
			if num, err = strconv.Atoi(string(value)); err != nil {
				num = -1
			}
		}
	}
	w.close(start, n, 0xde)
	if !marked || len(w.attachments) == 0 {
		return nil
	}
	if num < 0 || num >= len(w.attachments) || w.used[num] {
		return errAttachment
	}
	w.used[num] = true
	w.out.b = w.out.b[:start]
	w.bin(w.attachments[num])
	return nil
}

// open begins a container whose length is not known yet.
func (w *Writer) open(code byte) (start, n int) {
	w.at++
	start = len(w.out.b)
	w.out.b = append(w.out.b, code)
	return start, 0
}

// close ends a container and writes its length into the beginning. code is that
// of a container with a length of 16 bits; the next is that of 32 bits.
func (w *Writer) close(start, n int, code byte) {
	w.at++
	switch b := w.out.b; {
	case n < 16:
		b[start] |= byte(n)
	case n <= math.MaxUint16:
		b[start] = code
		w.out.b = slices.Insert(b, start+1, byte(n>>8), byte(n))
	default:
		b[start] = code + 1
		w.out.b = slices.Insert(b, start+1, binary.BigEndian.AppendUint32(nil, uint32(n))...)
	}
}

// str returns the string at the position, and moves behind it. Half of a
// surrogate pair becomes U+FFFD, as on a Node server.
func (w *Writer) str() string {
	start, escaped := w.at, false
	for w.at++; w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] == '\\' {
			escaped = true
			w.at++
		}
	}
	w.at++
	raw := w.text[start:w.at]
	if !escaped && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}
