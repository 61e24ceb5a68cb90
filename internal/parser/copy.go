package parser

import (
	"bytes"
	"crypto/rand"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"reflect"
)

// An argument that holds binary is encoded in three steps: a copy of it is made in which tokens
// stand for the contents of what is binary, encoding/json encodes the copy, and the tokens in
// its text become placeholders. So the types keep their tags, their methods and their meaning,
// and nobody can pass off a text of his own as a token.

const (
	randomLen = 18 // random bytes of a token, which are whole groups of base64
	indexLen  = 3  // bytes of the index behind them
	prefixLen = 1 + randomLen/3*4
	tokenLen  = prefixLen + indexLen/3*4 + 1 // as a JSON string, with its quotes
)

// binary writes an argument that holds binary.
func (e *encoder) binary(arg any) error {
	start, attached := e.text.Len(), len(e.attachments)
	whole, marshalers, err := e.copied(arg, false)
	if err != nil || whole || !marshalers {
		return err
	}
	// A MarshalJSON or MarshalText wrote something else than the base64 of its bytes: it has to
	// see the true ones.
	e.text.Truncate(start)
	e.attachments = e.attachments[:attached]
	_, _, err = e.copied(arg, true)
	return err
}

// copied writes a copy of an argument. It reports whether every token was found in the text, and
// whether a type with methods of its own could be the reason if not.
func (e *encoder) copied(arg any, opaque bool) (whole, marshalers bool, err error) {
	c := copier{opaque: opaque}
	rand.Read(c.random[:]) // never fails
	root := reflect.ValueOf(&arg).Elem()
	if err := c.replace(root, true, 0); err != nil {
		return false, false, err
	}
	start := e.text.Len()
	if err := e.value(arg); err != nil {
		return false, false, err
	}
	text := bytes.Clone(e.text.Bytes()[start:])
	e.text.Truncate(start)
	return e.placeholders(text, &c), c.marshalers, nil
}

// placeholders writes text with placeholders for the tokens in it, in their order. It reports
// whether each token was there.
func (e *encoder) placeholders(text []byte, c *copier) bool {
	prefix := c.prefix()
	seen := make([]bool, len(c.contents))
	missing := len(seen)
	for {
		i := bytes.Index(text, prefix)
		if i < 0 {
			break
		}
		n := c.index(text[i:])
		if n < 0 {
			e.text.Write(text[:i+1])
			text = text[i+1:]
			continue
		}
		e.text.Write(text[:i])
		e.attach(c.contents[n])
		text = text[i+tokenLen:]
		if !seen[n] {
			seen[n] = true
			missing--
		}
	}
	e.text.Write(text)
	return missing == 0
}

// copier replaces what is binary in a value by tokens, and everything on the way by copies.
type copier struct {
	random     [randomLen]byte
	contents   [][]byte // by the index of their token
	opaque     bool     // leave types alone that encode themselves
	marshalers bool     // met such a type
}

// token returns the bytes that stand for content.
func (c *copier) token(content []byte) ([]byte, error) {
	n := len(c.contents)
	if n >= 1<<(8*indexLen) {
		return nil, ErrTooManyAttachments
	}
	c.contents = append(c.contents, content)
	return append(c.random[:randomLen:randomLen], byte(n>>16), byte(n>>8), byte(n)), nil
}

// prefix returns what the text of each token begins with.
func (c *copier) prefix() []byte {
	return base64.StdEncoding.AppendEncode([]byte{'"'}, c.random[:])
}

// index returns the index of the token that text begins with, or -1 if something else follows
// the prefix.
func (c *copier) index(text []byte) int {
	if len(text) < tokenLen || text[tokenLen-1] != '"' {
		return -1
	}
	var b [indexLen]byte
	if _, err := base64.StdEncoding.Decode(b[:], text[prefixLen:tokenLen-1]); err != nil {
		return -1
	}
	n := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	if n >= len(c.contents) {
		return -1
	}
	return n
}

// replace handles v, which is settable and belongs to the copy, but still holds the caller's
// value. If open, a []byte in an interface is binary.
func (c *copier) replace(v reflect.Value, open bool, depth int) error {
	t := v.Type()
	if t == binaryType || open && t == bytesType {
		return c.replaceBytes(v)
	}
	if !reachesBinary(t) {
		return nil
	}
	if depth >= maxNesting {
		return errNesting
	}
	if marshals(t) {
		c.marshalers = true
		if c.opaque {
			return nil
		}
	}
	switch t.Kind() {
	case reflect.Interface:
		return c.replaceInterface(v, open, depth)
	case reflect.Pointer:
		return c.replacePointer(v, depth)
	case reflect.Struct:
		return c.replaceStruct(v, depth)
	case reflect.Array:
		return c.replaceElements(v, false, depth)
	case reflect.Slice:
		return c.replaceSlice(v, depth)
	case reflect.Map:
		return c.replaceMap(v, depth)
	}
	return nil
}

func (c *copier) replaceBytes(v reflect.Value) error {
	if v.IsNil() {
		return nil
	}
	token, err := c.token(v.Bytes())
	if err == nil {
		v.SetBytes(token)
	}
	return err
}

func (c *copier) replaceInterface(v reflect.Value, open bool, depth int) error {
	if v.IsNil() {
		return nil
	}
	held := reflect.New(v.Elem().Type()).Elem()
	held.Set(v.Elem())
	if err := c.replace(held, open, depth); err != nil {
		return err
	}
	v.Set(held)
	return nil
}

func (c *copier) replacePointer(v reflect.Value, depth int) error {
	if v.IsNil() {
		return nil
	}
	target := reflect.New(v.Type().Elem())
	target.Elem().Set(v.Elem())
	if err := c.replace(target.Elem(), false, depth+1); err != nil {
		return err
	}
	v.Set(target.Convert(v.Type())) // the pointer type may have a name
	return nil
}

func (c *copier) replaceStruct(v reflect.Value, depth int) error {
	for field, value := range v.Fields() {
		if !encodes(field) || value.Kind() == reflect.Slice && value.Len() == 0 && omitsEmpty(field) {
			continue
		}
		if !field.IsExported() {
			// The embedded struct of an unexported type has exported fields that count, but
			// reflection sets them only when they are reached by their address.
			value = reflect.NewAt(field.Type, value.Addr().UnsafePointer()).Elem()
		}
		if err := c.replace(value, false, depth); err != nil {
			return err
		}
	}
	return nil
}

// replaceElements handles the elements of an array or slice in place.
func (c *copier) replaceElements(v reflect.Value, open bool, depth int) error {
	for i := range v.Len() {
		if err := c.replace(v.Index(i), open, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) replaceSlice(v reflect.Value, depth int) error {
	if v.IsNil() {
		return nil
	}
	elements := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	reflect.Copy(elements, v)
	if err := c.replaceElements(elements, isOpen(v.Type()), depth); err != nil {
		return err
	}
	v.Set(elements)
	return nil
}

func (c *copier) replaceMap(v reflect.Value, depth int) error {
	if v.IsNil() {
		return nil
	}
	t := v.Type()
	entries := reflect.MakeMapWithSize(t, v.Len())
	for entry := v.MapRange(); entry.Next(); {
		element := reflect.New(t.Elem()).Elem()
		element.Set(entry.Value())
		if err := c.replace(element, isOpen(t), depth+1); err != nil {
			return err
		}
		entries.SetMapIndex(entry.Key(), element)
	}
	v.Set(entries)
	return nil
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// marshals reports whether a value of type t may encode itself.
func marshals(t reflect.Type) bool {
	pointer := reflect.PointerTo(t)
	return pointer.Implements(jsonMarshaler) || pointer.Implements(textMarshaler)
}
