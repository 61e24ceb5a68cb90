// Package attachment finds the binary content of arguments, which is sent as
// attachments, and puts the attachments of a packet into decoded arguments.
// Placeholders stand for them in the JSON of a packet.
package attachment

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
)

// Max is the largest number of attachments of one packet. The specification
// sets none; this is the number that the official clients accept.
const Max = 10

// ErrTooMany is the error for more than Max attachments in one packet.
var ErrTooMany = errors.New("more than " + strconv.Itoa(Max) + " attachments")

// Binary is sent as an attachment ("Sending and receiving data", with binary
// data), and not as base64, wherever it stands in an argument. A nil Binary is
// null.
//
// A []byte is sent as an attachment, too, if it is an argument itself, or an
// element of a map[string]any or []any. Elsewhere it becomes base64, as in
// encoding/json.
//
// A value that holds binary content is copied before it is encoded. In the
// copy, 21 random bytes stand for each content, and a MarshalJSON or
// MarshalText method of the value sees those. If it does not write their
// base64, it is called again with the true content, and its result is sent
// unchanged.
type Binary []byte

// MaxNesting is the depth to which an argument may be nested. A deeper one is
// most likely a cycle.
const MaxNesting = 1000

// ErrNesting is the error for an argument that is nested more deeply than
// MaxNesting.
var ErrNesting = errors.New("nested too deeply, or in a cycle")

var (
	binaryType = reflect.TypeFor[Binary]()
	bytesType  = reflect.TypeFor[[]byte]()
)

// IsIn reports whether an argument holds binary content that is sent as
// attachments. For ordinary arguments their type tells.
func IsIn(arg any) (bool, error) { return holdsBinary(arg, true, 0) }

// holdsBinary reports whether v holds binary content. If open is true, a []byte
// is such content.
func holdsBinary(v any, open bool, depth int) (bool, error) {
	switch v := v.(type) {
	case nil, bool, string, int, int64, float64, json.Number, json.RawMessage:
		return false, nil
	case Binary:
		return v != nil, nil
	case []byte:
		return open && v != nil, nil
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
	if !reachesBinary(t) {
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
			if found, err := elementHoldsBinary(v.Index(i), isOpen(t), depth+1); found || err != nil {
				return found, err
			}
		}
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			if found, err := elementHoldsBinary(entry.Value(), isOpen(t), depth+1); found || err != nil {
				return found, err
			}
		}
	}
	return false, nil
}

// structHoldsBinary adds nothing to the depth, because no cycle consists of
// structs alone.
func structHoldsBinary(v reflect.Value, depth int) (bool, error) {
	for field, value := range v.Fields() {
		if !encodes(field) {
			continue
		}
		if found, err := valueHoldsBinary(value, depth); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// elementHoldsBinary is valueHoldsBinary for an element, which may be the zero
// Value. If open is true, a []byte in an interface is binary content.
func elementHoldsBinary(v reflect.Value, open bool, depth int) (bool, error) {
	if open && v.IsValid() {
		v = v.Elem()
	}
	if !v.IsValid() {
		return false, nil
	}
	if open && v.Type() == bytesType {
		return !v.IsNil(), nil
	}
	return valueHoldsBinary(v, depth)
}

// isOpen reports whether t is map[string]any, []any or a type made of them.
// Their element type does not say what the elements are, so a []byte among them
// is binary content.
func isOpen(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Map:
		return t.Key().Kind() == reflect.String && isAny(t.Elem())
	case reflect.Slice:
		return isAny(t.Elem())
	}
	return false
}

func isAny(t reflect.Type) bool { return isInterface(t) && t.NumMethod() == 0 }
