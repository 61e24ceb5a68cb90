package parser

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// The questions about a type that decide whether a value has to be walked. The answers are kept.
var (
	interfaceCache sync.Map // reflect.Type to bool
	textCache      sync.Map // reflect.Type to bool
	binaryCache    sync.Map // reflect.Type to bool
)

// reachesInterface reports whether encoding/json can come from a value of type t to an interface.
func reachesInterface(t reflect.Type) bool {
	return reaches(t, &interfaceCache, isInterface)
}

// reachesText reports whether encoding/json can come from a value of type t to something that takes
// a JSON string as it is.
func reachesText(t reflect.Type) bool {
	return reaches(t, &textCache, func(t reflect.Type) bool {
		return t.Kind() == reflect.String || t == rawType || isInterface(t)
	})
}

var rawType = reflect.TypeFor[json.RawMessage]()

// reachesBinary reports whether encoding/json can come from a value of type t to a Binary, for
// which interfaces count because they can hold one.
func reachesBinary(t reflect.Type) bool {
	return reaches(t, &binaryCache, func(t reflect.Type) bool { return t == binaryType || isInterface(t) })
}

func isInterface(t reflect.Type) bool { return t.Kind() == reflect.Interface }

func reaches(t reflect.Type, cache *sync.Map, goal func(reflect.Type) bool) bool {
	if known, ok := cache.Load(t); ok {
		return known.(bool)
	}
	found := search(t, goal, make(map[reflect.Type]struct{}))
	cache.Store(t, found)
	return found
}

// search looks for a goal among all types within t. Each is looked at once, so recursive types
// come to an end.
func search(t reflect.Type, goal func(reflect.Type) bool, seen map[reflect.Type]struct{}) bool {
	if _, ok := seen[t]; ok {
		return false
	}
	seen[t] = struct{}{}
	if goal(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return search(t.Elem(), goal, seen)
	case reflect.Struct:
		for field := range t.Fields() {
			if encodes(field) && search(field.Type, goal, seen) {
				return true
			}
		}
	}
	return false
}

// encodes reports whether encoding/json looks at a field of a struct. An embedded struct counts
// whatever its name, for its exported fields are those of the outer one.
func encodes(field reflect.StructField) bool {
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

// omitsEmpty reports whether the tag of a field leaves out an empty value.
func omitsEmpty(field reflect.StructField) bool {
	_, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	for option := range strings.SplitSeq(options, ",") {
		if option == "omitempty" {
			return true
		}
	}
	return false
}
