package parser

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
)

// attached are the attachments of arguments and where they belong.
type attached struct {
	attachments [][]byte
	places      []placeholder // in order, none inside another
}

// within returns the placeholders inside an element.
func (a *attached) within(s span) []placeholder {
	first := 0
	for first < len(a.places) && a.places[first].start < int(s.start) {
		first++
	}
	end := first
	for end < len(a.places) && a.places[end].end <= int(s.end) {
		end++
	}
	return a.places[first:end]
}

// decode decodes raw, which begins at offset of the data and holds the given placeholders.
//
// Each of them is replaced by the base64 text that encoding/json expects for a []byte, so that
// every type that takes bytes works as it is. An interface would get that text as a string. If
// dst can lead to one, the text therefore ends with a mark that the base64 decoder ignores. What is
// such a text afterwards is replaced in interfaces by the bytes, and elsewhere loses the mark.
func (a *attached) decode(raw []byte, offset int, places []placeholder, dst any) error {
	if len(places) == 1 && places[0].end-places[0].start == len(raw) {
		if a.assign(places[0].num, dst) {
			return nil
		}
	}
	v := reflect.ValueOf(dst)
	if !v.IsValid() || !reachesInterface(v.Type()) {
		return json.Unmarshal(a.substitute(raw, offset, places, ""), dst)
	}
	if err := json.Unmarshal(a.substitute(raw, offset, places, escapedMark), dst); err != nil {
		return err
	}
	r := restorer{texts: make(map[string][]byte, len(places))}
	for _, p := range places {
		content := a.attachments[p.num]
		r.texts[base64.StdEncoding.EncodeToString(content)+mark] = content
	}
	r.restore(v, 0)
	return nil
}

// The mark consists of line ends in an order that no encoder of base64 produces, and is so long
// that no text is the mark alone, which stands for an empty attachment.
const (
	mark        = "\n\r\r\n\r\n\n\r"
	escapedMark = `\n\r\r\n\r\n\n\r`
)

// assign handles the argument that is nothing but an attachment without going through base64.
func (a *attached) assign(num int, dst any) bool {
	switch dst := dst.(type) {
	case *[]byte:
		if dst != nil {
			*dst = clone(a.attachments[num])
		}
		return dst != nil
	case *Binary:
		if dst != nil {
			*dst = clone(a.attachments[num])
		}
		return dst != nil
	case *any:
		if dst == nil || *dst != nil { // what it holds may be a pointer to decode into
			return false
		}
		*dst = clone(a.attachments[num])
		return true
	}
	return false
}

// substitute returns raw with base64 strings, and the suffix in each, in place of the placeholders.
func (a *attached) substitute(raw []byte, offset int, places []placeholder, suffix string) []byte {
	size := len(raw)
	for _, p := range places {
		size += base64.StdEncoding.EncodedLen(len(a.attachments[p.num])) + len(suffix) + 2 - (p.end - p.start)
	}
	text := make([]byte, 0, size)
	done := 0
	for _, p := range places {
		text = append(text, raw[done:p.start-offset]...)
		text = append(text, '"')
		text = base64.StdEncoding.AppendEncode(text, a.attachments[p.num])
		text = append(text, suffix...)
		text = append(text, '"')
		done = p.end - offset
	}
	return append(text, raw[done:]...)
}

// clone returns a copy that is not nil, since an empty attachment is not an absent one.
func clone(content []byte) []byte {
	return append(make([]byte, 0, len(content)), content...)
}

// restorer replaces marked texts, in interfaces by the attachments they stand for. It goes where
// encoding/json may have stored something.
type restorer struct {
	texts map[string][]byte
	seen  map[visit]struct{} // what the destination held before may lead back to itself
}

type visit struct {
	pointer uintptr
	typ     reflect.Type
}

// maxRestore allows for the pointers and interfaces between the levels that encoding/json counts.
const maxRestore = 4 * maxDepth

// restore handles v, in which everything to be replaced is settable.
func (r *restorer) restore(v reflect.Value, depth int) {
	if depth > maxRestore || !reachesText(v.Type()) {
		return
	}
	if v.Type() == rawType {
		v.SetBytes(bytes.ReplaceAll(v.Bytes(), []byte(escapedMark+`"`), []byte(`"`)))
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		r.restoreInterface(v, depth)
	case reflect.String:
		if _, marked := r.texts[v.String()]; marked {
			v.SetString(strings.TrimSuffix(v.String(), mark))
		}
	case reflect.Pointer:
		if !v.IsNil() && r.enter(v) {
			r.restore(v.Elem(), depth+1)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			r.restore(v.Index(i), depth+1)
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if encodes(field) {
				r.restore(value, depth+1)
			}
		}
	case reflect.Map:
		r.restoreMap(v, depth)
	}
}

// restoreInterface handles what encoding/json puts into an interface; a pointer is what it found
// there and decoded into.
func (r *restorer) restoreInterface(v reflect.Value, depth int) {
	if isAny(v.Type()) && v.CanSet() {
		held := v.Interface()
		if restored, changed := r.restoreAny(held, depth); changed {
			v.Set(reflect.ValueOf(restored))
			return
		}
	}
	if held := v.Elem(); held.IsValid() && held.Kind() == reflect.Pointer {
		r.restore(held, depth+1)
	}
}

// restoreAny handles the trees that encoding/json builds, without reflection. What it changes
// inside maps and slices stays there; only the value itself is returned.
func (r *restorer) restoreAny(held any, depth int) (restored any, changed bool) {
	if depth > maxRestore {
		return nil, false
	}
	switch held := held.(type) {
	case string:
		if content, ok := r.texts[held]; ok {
			return clone(content), true
		}
	case []any:
		for i, element := range held {
			if restored, changed := r.restoreAny(element, depth+1); changed {
				held[i] = restored
			}
		}
	case map[string]any:
		for name, element := range held {
			if restored, changed := r.restoreAny(element, depth+1); changed {
				held[name] = restored
			}
		}
	}
	return nil, false
}

// restoreMap restores copies of the elements, because those of a map are not addressable.
func (r *restorer) restoreMap(v reflect.Value, depth int) {
	for _, name := range v.MapKeys() {
		element := reflect.New(v.Type().Elem()).Elem()
		element.Set(v.MapIndex(name))
		r.restore(element, depth+1)
		v.SetMapIndex(name, element)
	}
}

// enter reports whether a pointer is met for the first time.
func (r *restorer) enter(v reflect.Value) bool {
	at := visit{v.Pointer(), v.Type()}
	if _, ok := r.seen[at]; ok {
		return false
	}
	if r.seen == nil {
		r.seen = make(map[visit]struct{})
	}
	r.seen[at] = struct{}{}
	return true
}
