package attachment

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// These functions decide by the type of a value whether the value has to be
// searched. Their results are cached.
var (
	interfaceCache sync.Map // reflect.Type to bool
	textCache      sync.Map // reflect.Type to bool
	binaryCache    sync.Map // reflect.Type to bool
)

// reachesInterface reports whether a value of type t can contain an interface
// that encoding/json uses.
func reachesInterface(t reflect.Type) bool {
	return reaches(t, &interfaceCache, isInterface)
}

// reachesText reports whether a value of type t can contain something that
// encoding/json stores the text of a JSON string in.
func reachesText(t reflect.Type) bool {
	return reaches(t, &textCache, func(t reflect.Type) bool {
		return t.Kind() == reflect.String || t == rawType || isInterface(t)
	})
}

var rawType = reflect.TypeFor[json.RawMessage]()

// reachesBinary reports whether a value of type t can contain a Binary that
// encoding/json encodes. Interfaces can.
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

// search reports whether a type within t is a goal. It visits each type once,
// so it ends for recursive types.
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

// encodes reports whether encoding/json uses a field of a struct. It uses an
// embedded struct of any name, because the exported fields of that are fields
// of the outer struct.
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

// omitsEmpty reports whether the tag of a field says omitempty.
func omitsEmpty(field reflect.StructField) bool {
	_, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	for option := range strings.SplitSeq(options, ",") {
		if option == "omitempty" {
			return true
		}
	}
	return false
}
