package parser

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

var (
	errBrackets = errors.New("arguments are not a JSON array")
	errTooLong  = errors.New("arguments are too long")
)

// Args are the arguments of an event or ack: split, but not decoded. The zero value has none.
type Args struct {
	data   []byte
	spans  []span
	binary *attached // nil for a packet without attachments
}

// span is where an element stands in the data. A message may consist of hundreds of thousands
// of elements of one byte, so it is small.
type span struct{ start, end uint32 }

// fewArgs is the number of arguments up to which they are split in one pass.
const fewArgs = 8

// SplitArgs finds the elements of a JSON array, which is the payload of an event or ack
// ("Sending and receiving data", "Acknowledgement"). The data should have passed Decode; of
// other data only what concerns the boundaries of elements is checked.
//
// The attachments are those of a BinaryEvent or BinaryAck, and nil for every other packet. Unless
// they are nil, each placeholder among the elements must name one of them, and no two the same
// one: no client sends that, and it would multiply a large attachment by thousands.
//
// The Args alias data and attachments.
func SplitArgs(data []byte, attachments [][]byte) (Args, error) {
	spans, err := splitElements(data)
	if err != nil {
		return Args{}, err
	}
	args := Args{data: data, spans: spans}
	if attachments != nil {
		places, err := findPlaceholders(data, len(attachments))
		if err != nil {
			return Args{}, err
		}
		args.binary = &attached{attachments: attachments, places: places}
	}
	return args, nil
}

// Len returns the number of arguments.
func (a Args) Len() int { return len(a.spans) }

// Raw returns the JSON of an argument, in which placeholders stand as they were sent. It panics
// if i is out of range.
func (a Args) Raw(i int) []byte {
	s := a.spans[i]
	return a.data[s.start:s.end:s.end]
}

// From returns the arguments without the first n; with fewer than n there are none.
func (a Args) From(n int) Args {
	a.spans = a.spans[min(n, len(a.spans)):]
	return a
}

// Decode decodes an argument into dst as json.Unmarshal does. An attachment decodes into Binary
// or []byte at any depth, and into an interface as []byte; a string gets its base64 text. It can be
// called any number of times, and no two results share memory with each other or the Args.
func (a Args) Decode(i int, dst any) error {
	if i < 0 || i >= len(a.spans) {
		return fmt.Errorf("argument %d is missing, there are %d", i+1, len(a.spans))
	}
	if a.binary != nil {
		if places := a.binary.within(a.spans[i]); len(places) > 0 {
			return a.binary.decode(a.Raw(i), int(a.spans[i].start), places, dst)
		}
	}
	if raw, ok := dst.(*json.RawMessage); ok && raw != nil { // it was found valid by Decode
		*raw = append((*raw)[:0], a.Raw(i)...)
		return nil
	}
	return json.Unmarshal(a.Raw(i), dst)
}

// splitElements returns a slice of exactly as many spans as there are elements.
func splitElements(data []byte) ([]span, error) {
	if len(data) > math.MaxUint32 {
		return nil, errTooLong
	}
	var few [fewArgs]span
	n, err := fillSpans(few[:], data)
	if err != nil || n == 0 {
		return nil, err
	}
	spans := make([]span, n)
	if n <= len(few) {
		copy(spans, few[:n])
		return spans, nil
	}
	_, err = fillSpans(spans, data)
	return spans, err
}

// fillSpans counts the elements of an array and stores as many as there is room for.
func fillSpans(spans []span, data []byte) (n int, err error) {
	if len(data) == 0 || data[0] != '[' {
		return 0, errBrackets
	}
	i := skipSpace(data, 1)
	if i < len(data) && data[i] == ']' {
		return 0, checkEnd(data, i+1)
	}
	for {
		end := valueEnd(data, i)
		if end <= i {
			return 0, errBrackets
		}
		if n < len(spans) {
			spans[n] = span{uint32(i), uint32(end)}
		}
		n++
		if i = skipSpace(data, end); i == len(data) {
			return 0, errBrackets
		}
		switch data[i] {
		case ']':
			return n, checkEnd(data, i+1)
		case ',':
			i = skipSpace(data, i+1)
		default:
			return 0, errBrackets
		}
	}
}

// checkEnd requires that nothing but white space is left.
func checkEnd(data []byte, i int) error {
	if skipSpace(data, i) != len(data) {
		return errBrackets
	}
	return nil
}

// valueEnd returns the position behind the value at data[i], or -1. It counts brackets and does
// not mind their kind.
func valueEnd(data []byte, i int) int {
	for depth := 0; i < len(data); {
		switch data[i] {
		case '"':
			if i = stringEnd(data, i); i < 0 {
				return -1
			}
		case '[', '{':
			depth++
			i++
		case ']', '}':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return -1
			}
			i++
			continue // a value does not end with one of these
		default:
			i += scalarLen(data[i:])
		}
		if depth <= 0 {
			return endOf(depth, i)
		}
	}
	return -1
}

// endOf is i unless more brackets were closed than opened.
func endOf(depth, i int) int {
	if depth < 0 {
		return -1
	}
	return i
}
