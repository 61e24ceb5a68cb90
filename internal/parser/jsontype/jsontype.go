// Package jsontype says how encoding/json handles types: which fields of a
// struct it encodes, and what a value of a type can contain.
package jsontype

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// IsInterface reports whether t is an interface type.
func IsInterface(t reflect.Type) bool { return t.Kind() == reflect.Interface }

// IsAny reports whether t is an interface type without methods.
func IsAny(t reflect.Type) bool { return IsInterface(t) && t.NumMethod() == 0 }

// Search finds the types that can contain certain other types. It caches its
// results. It is safe for concurrent use.
type Search struct {
	wanted  func(reflect.Type) bool
	results sync.Map // reflect.Type to bool
}

// NewSearch returns a Search for the types for which wanted returns true.
func NewSearch(wanted func(reflect.Type) bool) *Search { return &Search{wanted: wanted} }

// Finds reports whether t is a wanted type, or whether a value of type t can
// contain a value of a wanted type that encoding/json encodes.
func (s *Search) Finds(t reflect.Type) bool {
	if result, ok := s.results.Load(t); ok {
		return result.(bool)
	}
	found := s.find(t, make(map[reflect.Type]struct{}))
	s.results.Store(t, found)
	return found
}

// find visits each type within t once, so it ends for recursive types.
func (s *Search) find(t reflect.Type, visited map[reflect.Type]struct{}) bool {
	if _, ok := visited[t]; ok {
		return false
	}
	visited[t] = struct{}{}
	if s.wanted(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return s.find(t.Elem(), visited)
	case reflect.Struct:
		for field := range t.Fields() {
			if Encodes(field) && s.find(field.Type, visited) {
				return true
			}
		}
	}
	return false
}

// Encodes reports whether encoding/json uses a field of a struct. It uses an
// embedded struct of any name, because the exported fields of that are fields
// of the outer struct.
func Encodes(field reflect.StructField) bool {
	if field.Tag.Get("json") == "-" {
		return false
	}
	if field.IsExported() {
		return true
	}
	t := field.Type
	if field.Anonymous && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return field.Anonymous && t.Kind() == reflect.Struct
}

// OmitsEmpty reports whether the tag of a field says omitempty.
func OmitsEmpty(field reflect.StructField) bool {
	_, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	for option := range strings.SplitSeq(options, ",") {
		if option == "omitempty" {
			return true
		}
	}
	return false
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// Marshals reports whether a value of type t may encode itself.
func Marshals(t reflect.Type) bool {
	pointer := reflect.PointerTo(t)
	return pointer.Implements(jsonMarshaler) || pointer.Implements(textMarshaler)
}
