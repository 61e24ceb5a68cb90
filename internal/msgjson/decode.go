package msgjson

import (
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Reader reads MessagePack. Its methods read the next value and return an error
// if it is of another type. Lengths are checked before anything is allocated.
// After an error the Reader must not be used any more, except for Close.
type Reader struct {
	data        string
	source      strings.Reader
	dec         *msgpack.Decoder
	attachments [][]byte
	marked      bool // the JSON has an object that looks like a placeholder
}

// NewReader returns a Reader of data. Close must be called in the end.
func NewReader(data string) *Reader {
	r := &Reader{data: data, dec: msgpack.GetDecoder()}
	r.source.Reset(data)
	r.dec.Reset(&r.source)
	return r
}

// Close releases the Reader.
func (r *Reader) Close() {
	msgpack.PutDecoder(r.dec)
	r.dec = nil
}

// kind is the kind of a token.
type kind uint8

const (
	scalar    kind = iota // null, true, false or a number
	text                  // a string
	bin                   // binary
	extension             // a value of an extension type
	array                 // the beginning of an array
	object                // the beginning of a map
)

// token is a value or the beginning of a container.
type token struct {
	kind    kind
	content string // of a scalar: its JSON
	n       int    // the length of a container
	ext     int8   // the type of an extension
	code    byte
}

// isUndefined reports whether a token is what notepack.io 2 wrote for undefined.
func (t *token) isUndefined() bool {
	return t.kind == extension && t.code == msgpcode.FixExt1 && t.ext == 0
}

// next returns the next token.
func (r *Reader) next() (t token, err error) {
	if t.code, err = r.dec.PeekCode(); err != nil {
		return t, errMalformed
	}
	n := 0 // the length of what follows
	switch c := t.code; {
	case c == msgpcode.Nil:
		t.content, err = "null", r.dec.DecodeNil()
	case c == msgpcode.True || c == msgpcode.False:
		t.content = strconv.FormatBool(c == msgpcode.True)
		_, err = r.dec.DecodeBool()
	case c == msgpcode.Uint64:
		var number uint64
		number, err = r.dec.DecodeUint64()
		t.content = strconv.FormatUint(number, 10)
	case c == msgpcode.Float || c == msgpcode.Double:
		var number float64
		number, err = r.dec.DecodeFloat64()
		t.content = string(appendNumber(nil, number))
	case msgpcode.IsFixedNum(c) || c >= msgpcode.Uint8 && c <= msgpcode.Int64:
		var number int64
		number, err = r.dec.DecodeInt64()
		t.content = strconv.FormatInt(number, 10)
	case msgpcode.IsString(c):
		t.kind = text
		n, err = r.dec.DecodeBytesLen()
	case msgpcode.IsBin(c):
		t.kind = bin
		n, err = r.dec.DecodeBytesLen()
	case msgpcode.IsExt(c):
		t.kind = extension
		t.ext, n, err = r.dec.DecodeExtHeader()
	case msgpcode.IsFixedArray(c) || c == msgpcode.Array16 || c == msgpcode.Array32:
		t.kind = array
		n, err = r.dec.DecodeArrayLen()
		t.n = n
	case msgpcode.IsFixedMap(c) || c == msgpcode.Map16 || c == msgpcode.Map32:
		t.kind = object
		n, err = r.dec.DecodeMapLen()
		t.n = n
		n *= 2
	default:
		return t, errMalformed
	}
	if err != nil || t.n < 0 || n < 0 || n > r.source.Len() {
		return t, errMalformed
	}
	if t.kind == text || t.kind == bin || t.kind == extension {
		at := r.at()
		t.content = r.data[at : at+n]
		_, err = r.source.Seek(int64(n), io.SeekCurrent)
	}
	return t, err
}

// at returns the position of the next value.
func (r *Reader) at() int { return len(r.data) - r.source.Len() }

// End returns an error if there is anything left.
func (r *Reader) End() error {
	if r.source.Len() > 0 {
		return errMalformed
	}
	return nil
}

// Array returns the length of an array, whose elements follow.
func (r *Reader) Array() (int, error) {
	t, err := r.next()
	if err != nil || t.kind != array {
		return 0, errMalformed
	}
	return t.n, nil
}

// Map calls f for each key of a map. f reads the value. It does nothing for
// another value.
func (r *Reader) Map(f func(key string) error) error {
	t, err := r.next()
	if err != nil || t.kind != object {
		return r.skip(t, err)
	}
	for range t.n {
		key, err := r.Text()
		if err != nil {
			return err
		}
		if err := f(key); err != nil {
			return err
		}
	}
	return nil
}

// Text returns a string, or a scalar as JavaScript converts it to one.
func (r *Reader) Text() (string, error) {
	t, err := r.next()
	if err != nil || t.kind != text && t.kind != scalar {
		return "", errMalformed
	}
	return t.content, nil
}

// Texts returns an array of strings or scalars, and nothing for another value.
func (r *Reader) Texts() ([]string, error) {
	t, err := r.next()
	if err != nil || t.kind != array {
		return nil, r.skip(t, err)
	}
	var list []string
	for range t.n {
		s, err := r.Text()
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// Raw skips a value and returns its encoding.
func (r *Reader) Raw() (string, error) {
	at := r.at()
	t, err := r.next()
	err = r.skip(t, err)
	return r.data[at:r.at()], err
}

// skip skips the rest of a value that begins with a token.
func (r *Reader) skip(t token, err error) error {
	for left := 0; err == nil; left-- {
		switch t.kind {
		case array:
			left += t.n
		case object:
			left += 2 * t.n
		}
		if left == 0 {
			return nil
		}
		t, err = r.next()
	}
	return err
}

// JSON appends a value as JSON, and adds its binary content to the attachments.
func (r *Reader) JSON(dst []byte) ([]byte, error) {
	t, err := r.next()
	if err == nil {
		dst, err = r.value(dst, &t, 0)
	}
	if err == nil && r.marked && len(r.attachments) > 0 {
		err = errAmbiguous
	}
	return dst, err
}

// Attachments returns the attachments of what JSON has read.
func (r *Reader) Attachments() [][]byte { return r.attachments }

// value appends the value that begins with a token.
func (r *Reader) value(dst []byte, t *token, depth int) ([]byte, error) {
	switch {
	case t.kind == scalar:
		return append(dst, t.content...), nil
	case t.kind == text:
		return appendString(dst, t.content), nil
	case t.kind == bin:
		return r.attach(dst, t.content), nil
	case t.kind == extension:
		return r.extension(dst, t)
	case depth == MaxDepth:
		return nil, errDepth
	case t.kind == array:
		return r.array(dst, t.n, depth+1)
	}
	return r.object(dst, t.n, depth+1)
}

func (r *Reader) array(dst []byte, n, depth int) ([]byte, error) {
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		t, err := r.next()
		if err == nil {
			dst, err = r.value(dst, &t, depth)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func (r *Reader) object(dst []byte, n, depth int) ([]byte, error) {
	dst = append(dst, '{')
	start := len(dst)
	for range n {
		key, err := r.Text()
		if err != nil {
			return nil, err
		}
		t, err := r.next()
		switch {
		case err != nil:
			return nil, err
		case t.isUndefined(): // JSON.stringify leaves it out
			continue
		case len(dst) > start:
			dst = append(dst, ',')
		}
		r.marked = r.marked || key == markKey && t.code == msgpcode.True
		if dst, err = r.value(append(appendString(dst, key), ':'), &t, depth); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// attach adds an attachment and appends its placeholder.
func (r *Reader) attach(dst []byte, content string) []byte {
	dst = append(dst, `{"`+markKey+`":true,"`+numKey+`":`...)
	dst = strconv.AppendInt(dst, int64(len(r.attachments)), 10)
	r.attachments = append(r.attachments, []byte(content))
	return append(dst, '}')
}

// extension appends a value of an extension type: undefined, a date or an
// ArrayBuffer of notepack.io 2, which have the type 0, or a timestamp.
func (r *Reader) extension(dst []byte, t *token) ([]byte, error) {
	switch {
	case t.isUndefined():
		return append(dst, "null"...), nil
	case t.ext == 0 && t.code == msgpcode.FixExt8:
		return appendDate(dst, millis(t.content)), nil
	case t.ext == 0:
		return r.attach(dst, t.content), nil
	case t.ext == -1:
		return appendTimestamp(dst, t.content)
	}
	dst = strconv.AppendInt(append(dst, '['), int64(t.ext), 10) // as notepack.io 3
	return append(r.attach(append(dst, ','), t.content), ']'), nil
}

// appendString appends a JSON string. Each byte that is no UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		_, n := utf8.DecodeRuneInString(s[i:])
		if n > 1 || c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i += n
			continue
		}
		dst = append(dst, s[start:i]...)
		switch {
		case c >= utf8.RuneSelf:
			dst = append(dst, "\ufffd"...)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, '\\', c)
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
