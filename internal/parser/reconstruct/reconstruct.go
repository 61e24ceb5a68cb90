// Package reconstruct decodes arguments of a packet and replaces the
// placeholders in them by the attachments.
package reconstruct

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/mojosocket/mojo/internal/parser/attachment"
	"github.com/mojosocket/mojo/internal/parser/jsonscan"
	"github.com/mojosocket/mojo/internal/parser/jsontype"
	"github.com/mojosocket/mojo/internal/parser/placeholder"
)

// Attachments has the attachments of a packet and the placeholders in its data.
type Attachments struct {
	contents     [][]byte                  // by the number of the attachment
	placeholders []placeholder.Placeholder // in order, none inside another
}

// New finds the placeholders in the data of a packet. The Attachments alias the
// contents.
func New(data []byte, contents [][]byte) (*Attachments, error) {
	placeholders, err := placeholder.Find(data, len(contents))
	if err != nil {
		return nil, err
	}
	return &Attachments{contents, placeholders}, nil
}

// within returns the placeholders in a part of the data.
func (a *Attachments) within(start, end int) []placeholder.Placeholder {
	first := 0
	for first < len(a.placeholders) && a.placeholders[first].Start < start {
		first++
	}
	last := first
	for last < len(a.placeholders) && a.placeholders[last].End <= end {
		last++
	}
	return a.placeholders[first:last]
}

// Decode decodes raw, which is the part of the data that begins at offset, into
// dst. If raw has no placeholder it does nothing and reports false.
//
// A placeholder is replaced by the base64 text that encoding/json expects for a
// []byte, so all types that accept bytes work. But an interface would receive
// that text as a string. So if dst can contain an interface, the text ends with
// a mark that the base64 decoder ignores. After decoding, marked texts in
// interfaces are replaced by the bytes, and the mark is removed from all other
// texts.
func (a *Attachments) Decode(raw []byte, offset int, dst any) (decoded bool, err error) {
	placeholders := a.within(offset, offset+len(raw))
	if len(placeholders) == 0 {
		return false, nil
	}
	return true, a.decode(raw, offset, placeholders, dst)
}

func (a *Attachments) decode(raw []byte, offset int, placeholders []placeholder.Placeholder, dst any) error {
	if len(placeholders) == 1 && placeholders[0].End-placeholders[0].Start == len(raw) {
		if a.assign(placeholders[0].Num, dst) {
			return nil
		}
	}
	v := reflect.ValueOf(dst)
	if !v.IsValid() || !interfaceSearch.Finds(v.Type()) {
		return json.Unmarshal(a.substitute(raw, offset, placeholders, ""), dst)
	}
	if err := json.Unmarshal(a.substitute(raw, offset, placeholders, EscapedMark), dst); err != nil {
		return err
	}
	r := restorer{contents: make(map[string][]byte, len(placeholders))}
	for _, p := range placeholders {
		content := a.contents[p.Num]
		r.contents[base64.StdEncoding.EncodeToString(content)+mark] = content
	}
	r.restore(v, 0)
	return nil
}

// The mark consists of line ends in an order that no base64 encoder produces.
// It is long, because the text of an empty attachment is only the mark and must
// not be equal to other texts.
const (
	mark        = "\n\r\r\n\r\n\n\r"
	EscapedMark = `\n\r\r\n\r\n\n\r` // the mark in JSON
)

var (
	// interfaceSearch finds the types whose values can contain an interface.
	interfaceSearch = jsontype.NewSearch(jsontype.IsInterface)
	// textSearch finds the types whose values can contain something that
	// encoding/json stores the text of a JSON string in.
	textSearch = jsontype.NewSearch(func(t reflect.Type) bool {
		return t.Kind() == reflect.String || t == rawType || jsontype.IsInterface(t)
	})

	rawType = reflect.TypeFor[json.RawMessage]()
)

// assign stores an attachment in dst without base64, if the type of dst permits
// that. It reports whether it did.
func (a *Attachments) assign(num int, dst any) bool {
	switch dst := dst.(type) {
	case *[]byte:
		if dst != nil {
			*dst = copyContent(a.contents[num])
		}
		return dst != nil
	case *attachment.Binary:
		if dst != nil {
			*dst = copyContent(a.contents[num])
		}
		return dst != nil
	case *any:
		if dst == nil || *dst != nil { // it may hold a pointer to decode into
			return false
		}
		*dst = copyContent(a.contents[num])
		return true
	}
	return false
}

// substitute returns raw with base64 strings in place of the placeholders. Each
// string ends with the suffix.
func (a *Attachments) substitute(raw []byte, offset int, placeholders []placeholder.Placeholder, suffix string) []byte {
	size := len(raw)
	for _, p := range placeholders {
		size += base64.StdEncoding.EncodedLen(len(a.contents[p.Num])) + len(suffix) + 2 - (p.End - p.Start)
	}
	text := make([]byte, 0, size)
	done := 0
	for _, p := range placeholders {
		text = append(text, raw[done:p.Start-offset]...)
		text = append(text, '"')
		text = base64.StdEncoding.AppendEncode(text, a.contents[p.Num])
		text = append(text, suffix...)
		text = append(text, '"')
		done = p.End - offset
	}
	return append(text, raw[done:]...)
}

// copyContent returns a copy that is not nil, also for an empty attachment.
func copyContent(content []byte) []byte {
	return append(make([]byte, 0, len(content)), content...)
}

// restorer replaces marked texts in interfaces by the attachments, and removes
// the mark from other texts. It visits all values that encoding/json may have
// stored.
type restorer struct {
	contents map[string][]byte           // the attachments, by marked text
	visited  map[visitedPointer]struct{} // pointers; dst may have cycles
}

type visitedPointer struct {
	pointer uintptr
	typ     reflect.Type
}

// maxDepth is the greatest depth that is visited. It is greater than
// jsonscan.MaxDepth, because encoding/json does not count pointers and
// interfaces.
const maxDepth = 4 * jsonscan.MaxDepth

// restore handles v. All parts of v that must be replaced must be settable.
func (r *restorer) restore(v reflect.Value, depth int) {
	if depth > maxDepth || !textSearch.Finds(v.Type()) {
		return
	}
	if v.Type() == rawType {
		v.SetBytes(bytes.ReplaceAll(v.Bytes(), []byte(EscapedMark+`"`), []byte(`"`)))
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		r.restoreInterface(v, depth)
	case reflect.String:
		if _, marked := r.contents[v.String()]; marked {
			v.SetString(strings.TrimSuffix(v.String(), mark))
		}
	case reflect.Pointer:
		if !v.IsNil() && r.visit(v) {
			r.restore(v.Elem(), depth+1)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			r.restore(v.Index(i), depth+1)
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if jsontype.Encodes(field) {
				r.restore(value, depth+1)
			}
		}
	case reflect.Map:
		r.restoreMap(v, depth)
	}
}

// restoreInterface handles an interface. If it holds a pointer, encoding/json
// has decoded into the target of the pointer.
func (r *restorer) restoreInterface(v reflect.Value, depth int) {
	if jsontype.IsAny(v.Type()) && v.CanSet() {
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

// restoreAny handles the values that encoding/json stores in an interface,
// without reflection. It changes maps and slices in place. If held itself must
// be replaced, it returns the new value.
func (r *restorer) restoreAny(held any, depth int) (restored any, changed bool) {
	if depth > maxDepth {
		return nil, false
	}
	switch held := held.(type) {
	case string:
		if content, ok := r.contents[held]; ok {
			return copyContent(content), true
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

// restoreMap handles copies of the elements, because elements of a map are not
// addressable.
func (r *restorer) restoreMap(v reflect.Value, depth int) {
	for _, name := range v.MapKeys() {
		element := reflect.New(v.Type().Elem()).Elem()
		element.Set(v.MapIndex(name))
		r.restore(element, depth+1)
		v.SetMapIndex(name, element)
	}
}

// visit reports whether a pointer is visited for the first time.
func (r *restorer) visit(v reflect.Value) bool {
	at := visitedPointer{v.Pointer(), v.Type()}
	if _, ok := r.visited[at]; ok {
		return false
	}
	if r.visited == nil {
		r.visited = make(map[visitedPointer]struct{})
	}
	r.visited[at] = struct{}{}
	return true
}
