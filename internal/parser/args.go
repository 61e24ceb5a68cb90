package parser

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/mojosocket/mojo/internal/parser/jsonscan"
	"github.com/mojosocket/mojo/internal/parser/reconstruct"
)

var (
	errBrackets = errors.New("arguments are not a JSON array")
	errTooLong  = errors.New("arguments are too long")
)

// Args are the arguments of an event or ack, split but not decoded. The zero
// value has no arguments.
type Args struct {
	data        []byte
	spans       []span
	attachments *reconstruct.Attachments // nil for a packet without attachments
}

// span is the position of an element in the data. It is small, because a
// message may have hundreds of thousands of elements of one byte.
type span struct{ start, end uint32 }

// fewArgs is the largest number of arguments that are split in one pass.
const fewArgs = 8

// SplitArgs splits a JSON array, which is the payload of an event or ack
// ("Sending and receiving data", "Acknowledgement"). The data should have
// passed Decode: SplitArgs checks only the boundaries of elements.
//
// The attachments are those of a BinaryEvent or BinaryAck, and nil for other
// packets. Unless they are nil, each placeholder in the data must have the
// number of an attachment, and no two placeholders the same number. No client
// sends a number twice, and thousands of placeholders would multiply a large
// attachment.
//
// The Args alias data and attachments.
func SplitArgs(data []byte, attachments [][]byte) (Args, error) {
	spans, err := splitElements(data)
	if err != nil {
		return Args{}, err
	}
	args := Args{data: data, spans: spans}
	if attachments != nil {
		if args.attachments, err = reconstruct.New(data, attachments); err != nil {
			return Args{}, err
		}
	}
	return args, nil
}

// Len returns the number of arguments.
func (a Args) Len() int { return len(a.spans) }

// Raw returns the JSON of an argument, with its placeholders. It panics if i is
// out of range.
func (a Args) Raw(i int) []byte {
	s := a.spans[i]
	return a.data[s.start:s.end:s.end]
}

// From returns the arguments without the first n. If there are fewer, it
// returns none.
func (a Args) From(n int) Args {
	a.spans = a.spans[min(n, len(a.spans)):]
	return a
}

// Decode decodes an argument into dst as json.Unmarshal does. An attachment
// decodes into Binary or []byte at any depth, into an interface as []byte, and
// into a string as base64. Decode can be called many times. Its results share
// no memory with each other or with the Args.
func (a Args) Decode(i int, dst any) error {
	if i < 0 || i >= len(a.spans) {
		return fmt.Errorf("argument %d is missing, there are %d", i+1, len(a.spans))
	}
	if a.attachments != nil {
		if decoded, err := a.attachments.Decode(a.Raw(i), int(a.spans[i].start), dst); decoded {
			return err
		}
	}
	if raw, ok := dst.(*json.RawMessage); ok && raw != nil { // valid, because the function Decode has checked it
		*raw = append((*raw)[:0], a.Raw(i)...)
		return nil
	}
	return json.Unmarshal(a.Raw(i), dst)
}

// splitElements returns the spans of the elements, in a slice without spare
// capacity.
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

// fillSpans counts the elements of an array and stores the first len(spans) of
// their spans.
func fillSpans(spans []span, data []byte) (n int, err error) {
	if len(data) == 0 || data[0] != '[' {
		return 0, errBrackets
	}
	i := jsonscan.SkipSpace(data, 1)
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
		if i = jsonscan.SkipSpace(data, end); i == len(data) {
			return 0, errBrackets
		}
		switch data[i] {
		case ']':
			return n, checkEnd(data, i+1)
		case ',':
			i = jsonscan.SkipSpace(data, i+1)
		default:
			return 0, errBrackets
		}
	}
}

// checkEnd returns an error unless only white space follows.
func checkEnd(data []byte, i int) error {
	if jsonscan.SkipSpace(data, i) != len(data) {
		return errBrackets
	}
	return nil
}

// valueEnd returns the position after the value at data[i], or -1. It counts
// brackets, but does not check their kinds.
func valueEnd(data []byte, i int) int {
	for depth := 0; i < len(data); {
		switch data[i] {
		case '"':
			if i = jsonscan.StringEnd(data, i); i < 0 {
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
			i += jsonscan.ScalarLen(data[i:])
		}
		if depth <= 0 {
			return endOf(depth, i)
		}
	}
	return -1
}

// endOf returns i, or -1 if more brackets were closed than opened.
func endOf(depth, i int) int {
	if depth < 0 {
		return -1
	}
	return i
}
