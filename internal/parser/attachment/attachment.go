// Package attachment finds the binary content of arguments, which is sent as
// attachments, and replaces it by placeholders in the JSON of a packet.
package attachment

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"

	"github.com/mojosocket/mojo/internal/parser/jsontype"
)

// Max is the largest number of attachments of one packet. The specification
// sets none; this is the number that the official clients accept.
const Max = 10

// ErrTooMany is the error for more than Max attachments in one packet.
var ErrTooMany = errors.New("more than " + strconv.Itoa(Max) + " attachments")

// Binary is sent as an attachment ("Sending and receiving data", with binary
// data), at any depth of an argument. It does not become base64. A nil Binary
// is null.
//
// A []byte is also sent as an attachment if it is an argument, or an element of
// a map[string]any or []any. Elsewhere it becomes base64, as in encoding/json.
//
// A value with binary content is copied before it is encoded. The copy has 21
// random bytes in place of each content, and a MarshalJSON or MarshalText
// method of the value sees these bytes. If it does not write their base64, it
// is called again with the original content, and its result is sent unchanged.
type Binary []byte

// MaxNesting is the greatest depth of an argument. A deeper argument is most
// likely a cycle.
const MaxNesting = 1000

// ErrNesting is the error for an argument that is deeper than MaxNesting.
var ErrNesting = errors.New("nested too deeply, or in a cycle")

var (
	binaryType = reflect.TypeFor[Binary]()
	bytesType  = reflect.TypeFor[[]byte]()
)

// binarySearch finds the types whose values can contain a Binary. Interfaces
// can.
var binarySearch = jsontype.NewSearch(func(t reflect.Type) bool { return t == binaryType || jsontype.IsInterface(t) })

// HoldsBinary reports whether an argument holds binary content that is sent as
// attachments. For most arguments it only looks at the type.
func HoldsBinary(arg any) (bool, error) { return holdsBinary(arg, true, 0) }

// holdsBinary reports whether v holds binary content. If bytesAreBinary is
// true, a []byte is such content.
func holdsBinary(v any, bytesAreBinary bool, depth int) (bool, error) {
	switch v := v.(type) {
	case nil, bool, string, int, int64, float64, json.Number, json.RawMessage:
		return false, nil
	case Binary:
		return v != nil, nil
	case []byte:
		return bytesAreBinary && v != nil, nil
	case map[string]any:
		return mapHoldsBinary(v, depth)
	case []any:
		return sliceHoldsBinary(v, depth)
	}
	return valueHoldsBinary(reflect.ValueOf(v), depth)
}

func mapHoldsBinary(m map[string]any, depth int) (bool, error) {
	if depth >= MaxNesting {
		return false, ErrNesting
	}
	for _, element := range m {
		if found, err := holdsBinary(element, true, depth+1); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func sliceHoldsBinary(s []any, depth int) (bool, error) {
	if depth >= MaxNesting {
		return false, ErrNesting
	}
	for _, element := range s {
		if found, err := holdsBinary(element, true, depth+1); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func valueHoldsBinary(v reflect.Value, depth int) (bool, error) {
	t := v.Type()
	if t == binaryType {
		return !v.IsNil(), nil
	}
	if !binarySearch.Finds(t) {
		return false, nil
	}
	if depth >= MaxNesting {
		return false, ErrNesting
	}
	switch t.Kind() {
	case reflect.Pointer:
		return elementHoldsBinary(v.Elem(), false, depth+1)
	case reflect.Interface:
		return elementHoldsBinary(v.Elem(), false, depth)
	case reflect.Struct:
		return structHoldsBinary(v, depth)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if found, err := elementHoldsBinary(v.Index(i), hasAnyElements(t), depth+1); found || err != nil {
				return found, err
			}
		}
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			if found, err := elementHoldsBinary(entry.Value(), hasAnyElements(t), depth+1); found || err != nil {
				return found, err
			}
		}
	}
	return false, nil
}

// structHoldsBinary does not increase the depth, because a cycle cannot consist
// only of structs.
func structHoldsBinary(v reflect.Value, depth int) (bool, error) {
	for field, value := range v.Fields() {
		if !jsontype.Encodes(field) {
			continue
		}
		if found, err := valueHoldsBinary(value, depth); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// elementHoldsBinary is valueHoldsBinary for an element, which may be the zero
// Value. If bytesAreBinary is true, a []byte in an interface is binary content.
func elementHoldsBinary(v reflect.Value, bytesAreBinary bool, depth int) (bool, error) {
	if bytesAreBinary && v.IsValid() {
		v = v.Elem()
	}
	if !v.IsValid() {
		return false, nil
	}
	if bytesAreBinary && v.Type() == bytesType {
		return !v.IsNil(), nil
	}
	return valueHoldsBinary(v, depth)
}

// hasAnyElements reports whether t is map[string]any, []any or a type defined
// as one of them. A []byte among their elements is binary content.
func hasAnyElements(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Map:
		return t.Key().Kind() == reflect.String && jsontype.IsAny(t.Elem())
	case reflect.Slice:
		return jsontype.IsAny(t.Elem())
	}
	return false
}

// An argument with binary content is encoded in three steps. A Copier makes a
// copy and replaces each content by a token. Then encoding/json encodes the
// copy, so that the tags and methods of types work as usual. Then placeholders
// replace the tokens in the text. Tokens are random, so no other text is equal
// to one.

const (
	randomLen = 18 // random bytes of a token: whole groups of base64
	indexLen  = 3  // bytes of the index of a token, after the random bytes
	prefixLen = 1 + randomLen/3*4
	tokenLen  = prefixLen + indexLen/3*4 + 1 // of the JSON string, with quotes
)

// Copier copies an argument and replaces its binary content by tokens.
type Copier struct {
	randomBytes    [randomLen]byte
	contents       [][]byte // by the index of the token
	keepMarshalers bool     // do not replace content in types that encode themselves
	hasMarshalers  bool     // the argument has a type that encodes itself
}

// NewCopier returns a Copier for one argument. If keepMarshalers is true, it
// does not replace content in types that encode themselves.
func NewCopier(keepMarshalers bool) *Copier {
	c := &Copier{keepMarshalers: keepMarshalers}
	rand.Read(c.randomBytes[:]) // never fails
	return c
}

// Copy returns the copy of an argument.
func (c *Copier) Copy(arg any) (any, error) {
	err := c.replace(reflect.ValueOf(&arg).Elem(), true, 0)
	return arg, err
}

// HasMarshalers reports whether the argument has a type that encodes itself.
func (c *Copier) HasMarshalers() bool { return c.hasMarshalers }

// Expand calls attach for each token in the encoded copy, and write for the
// text between tokens. It reports whether the text has a token for each
// content.
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

// token returns a new token for content.
func (c *Copier) token(content []byte) ([]byte, error) {
	n := len(c.contents)
	if n >= 1<<(8*indexLen) {
		return nil, ErrTooMany
	}
	c.contents = append(c.contents, content)
	return append(c.randomBytes[:randomLen:randomLen], byte(n>>16), byte(n>>8), byte(n)), nil
}

// prefix returns the text with which each token begins in JSON.
func (c *Copier) prefix() []byte {
	return base64.StdEncoding.AppendEncode([]byte{'"'}, c.randomBytes[:])
}

// index returns the index of the token at the beginning of text, or -1 if the
// text is not a token. The text must begin with the prefix.
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

// replace replaces v, which must be a settable part of the copy, by a copy of
// itself with tokens. If bytesAreBinary is true, a []byte is binary content.
func (c *Copier) replace(v reflect.Value, bytesAreBinary bool, depth int) error {
	t := v.Type()
	if t == binaryType || bytesAreBinary && t == bytesType {
		return c.replaceBytes(v)
	}
	if !binarySearch.Finds(t) {
		return nil
	}
	if depth >= MaxNesting {
		return ErrNesting
	}
	if jsontype.Marshals(t) {
		c.hasMarshalers = true
		if c.keepMarshalers {
			return nil
		}
	}
	switch t.Kind() {
	case reflect.Interface:
		return c.replaceInterface(v, bytesAreBinary, depth)
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

func (c *Copier) replaceInterface(v reflect.Value, bytesAreBinary bool, depth int) error {
	if v.IsNil() {
		return nil
	}
	held := reflect.New(v.Elem().Type()).Elem()
	held.Set(v.Elem())
	if err := c.replace(held, bytesAreBinary, depth); err != nil {
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
	v.Set(target.Convert(v.Type())) // to a named pointer type
	return nil
}

func (c *Copier) replaceStruct(v reflect.Value, depth int) error {
	for field, value := range v.Fields() {
		if !jsontype.Encodes(field) || value.Kind() == reflect.Slice && value.Len() == 0 && jsontype.OmitsEmpty(field) {
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
func (c *Copier) replaceElements(v reflect.Value, bytesAreBinary bool, depth int) error {
	for i := range v.Len() {
		if err := c.replace(v.Index(i), bytesAreBinary, depth+1); err != nil {
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
	if err := c.replaceElements(elements, hasAnyElements(v.Type()), depth); err != nil {
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
		if err := c.replace(element, hasAnyElements(t), depth+1); err != nil {
			return err
		}
		entries.SetMapIndex(entry.Key(), element)
	}
	v.Set(entries)
	return nil
}
