package parser

import (
	"encoding/json"
	"errors"
	"reflect"
)

// Binary is binary wherever it stands in an argument: it is sent as an attachment
// ("Sending and receiving data", with binary data) and not as base64. A nil Binary is null.
//
// A []byte is that too where its type is all there is to know, namely as an argument itself and
// as an element of a map[string]any or []any; elsewhere it stays what encoding/json makes of it.
//
// A value is copied to be encoded if it holds binary. In the copy 21 random bytes stand for each
// content, and a MarshalJSON or MarshalText of the value's own sees those first. If it does not
// write their base64, it is called again with the true content, and what it writes then is sent
// as it is.
type Binary []byte

// maxNesting is how deep an argument may be nested. What is deeper is most likely a cycle.
const maxNesting = 1000

var errNesting = errors.New("nested too deeply, or in a cycle")

var (
	binaryType = reflect.TypeFor[Binary]()
	bytesType  = reflect.TypeFor[[]byte]()
)

// holdsBinary reports whether encoding/json would come from v to something that is to become an
// attachment. For ordinary arguments the answer is in their type. If open, a []byte counts.
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
	if depth >= maxNesting {
		return false, errNesting
	}
	for _, element := range m {
		if found, err := holdsBinary(element, true, depth+1); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func sliceHoldsBinary(s []any, depth int) (bool, error) {
	if depth >= maxNesting {
		return false, errNesting
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
	if depth >= maxNesting {
		return false, errNesting
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

// structHoldsBinary adds nothing to the depth, because no cycle consists of structs alone.
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

// elementHoldsBinary is valueHoldsBinary for what may be absent, and where a []byte counts if open.
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

// isOpen reports whether the elements of a type say nothing about what they are, so that a
// []byte among them is binary: map[string]any, []any and types made of them.
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
