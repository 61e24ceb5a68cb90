package attachment

import (
	"bytes"
	"crypto/rand"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"reflect"
)

// An argument that holds binary content is encoded in three steps. A Copier
// makes a copy in which tokens stand for the contents. Then encoding/json
// encodes the copy, and the tokens in its text are replaced by placeholders. So
// types keep their tags and methods. Tokens are random, so no other text can
// look like one.

const (
	randomLen = 18 // random bytes of a token: whole groups of base64
	indexLen  = 3  // bytes of its index, which follows them
	prefixLen = 1 + randomLen/3*4
	tokenLen  = prefixLen + indexLen/3*4 + 1 // as a JSON string, with its quotes
)

// Copier copies an argument and replaces its binary content by tokens.
type Copier struct {
	random     [randomLen]byte
	contents   [][]byte // by the index of their token
	opaque     bool     // types that encode themselves are not copied
	marshalers bool     // there is such a type
}

// NewCopier returns a Copier for one argument. If opaque is true, it does not
// replace content in types that encode themselves.
func NewCopier(opaque bool) *Copier {
	c := &Copier{opaque: opaque}
	rand.Read(c.random[:]) // never fails
	return c
}

// Copy returns the copy of an argument.
func (c *Copier) Copy(arg any) (any, error) {
	err := c.replace(reflect.ValueOf(&arg).Elem(), true, 0)
	return arg, err
}

// HasMarshalers reports whether the argument has a type that encodes itself.
func (c *Copier) HasMarshalers() bool { return c.marshalers }

// Expand calls attach for each token in the text of the copy, and write for the
// text between them. It reports whether each content has a token in the text.
func (c *Copier) Expand(text []byte, write, attach func([]byte)) (complete bool) {
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
			write(text[:i+1])
			text = text[i+1:]
			continue
		}
		write(text[:i])
		attach(c.contents[n])
		text = text[i+tokenLen:]
		if !seen[n] {
			seen[n] = true
			missing--
		}
	}
	write(text)
	return missing == 0
}

// token returns the bytes that stand for content.
func (c *Copier) token(content []byte) ([]byte, error) {
	n := len(c.contents)
	if n >= 1<<(8*indexLen) {
		return nil, ErrTooMany
	}
	c.contents = append(c.contents, content)
	return append(c.random[:randomLen:randomLen], byte(n>>16), byte(n>>8), byte(n)), nil
}

// prefix returns the beginning of the text of each token.
func (c *Copier) prefix() []byte {
	return base64.StdEncoding.AppendEncode([]byte{'"'}, c.random[:])
}

// index returns the index of the token at the beginning of text, which has the
// prefix of one. It returns -1 if the text is not a token.
func (c *Copier) index(text []byte) int {
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

// replace replaces a value by its copy. v must be settable and belong to the
// copy already. If open is true, a []byte is binary content.
func (c *Copier) replace(v reflect.Value, open bool, depth int) error {
	t := v.Type()
	if t == binaryType || open && t == bytesType {
		return c.replaceBytes(v)
	}
	if !reachesBinary(t) {
		return nil
	}
	if depth >= MaxNesting {
		return ErrNesting
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

func (c *Copier) replaceBytes(v reflect.Value) error {
	if v.IsNil() {
		return nil
	}
	token, err := c.token(v.Bytes())
	if err == nil {
		v.SetBytes(token)
	}
	return err
}

func (c *Copier) replaceInterface(v reflect.Value, open bool, depth int) error {
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

func (c *Copier) replacePointer(v reflect.Value, depth int) error {
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

func (c *Copier) replaceStruct(v reflect.Value, depth int) error {
	for field, value := range v.Fields() {
		if !encodes(field) || value.Kind() == reflect.Slice && value.Len() == 0 && omitsEmpty(field) {
			continue
		}
		if !field.IsExported() {
			// An embedded struct of an unexported type has exported fields that
			// are encoded. Reflection can set them only through their address.
			value = reflect.NewAt(field.Type, value.Addr().UnsafePointer()).Elem()
		}
		if err := c.replace(value, false, depth); err != nil {
			return err
		}
	}
	return nil
}

// replaceElements replaces the elements of an array or slice in place.
func (c *Copier) replaceElements(v reflect.Value, open bool, depth int) error {
	for i := range v.Len() {
		if err := c.replace(v.Index(i), open, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *Copier) replaceSlice(v reflect.Value, depth int) error {
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

func (c *Copier) replaceMap(v reflect.Value, depth int) error {
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
