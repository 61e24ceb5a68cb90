// Package jsonscan finds the ends of JSON tokens and checks whether data is
// valid JSON. It allocates nothing for data of ordinary depth.
package jsonscan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// SkipSpace, StringEnd and ScalarLen also accept data that is not valid JSON.
// They never read outside of the data.

// SkipSpace returns the first position from i on that has no white space.
func SkipSpace(data []byte, i int) int {
	for i < len(data) {
		switch data[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// StringEnd returns the position after the string that begins at data[i], or
// -1 if it does not end.
func StringEnd(data []byte, i int) int {
	for i++; ; i++ {
		quote := bytes.IndexByte(data[i:], '"')
		if quote < 0 {
			return -1
		}
		i += quote
		if !isEscaped(data, i) {
			return i + 1
		}
	}
}

// isEscaped reports whether an odd number of backslashes precedes data[i]. It
// reads back at most to the quote that opens the string, so StringEnd is
// linear.
func isEscaped(data []byte, i int) bool {
	start := i
	for i > 0 && data[i-1] == '\\' {
		i--
	}
	return (start-i)%2 == 1
}

// ScalarLen returns the length of the number or literal name at the beginning
// of data.
func ScalarLen(data []byte) int {
	for i, c := range data {
		switch c {
		case ',', ':', '[', ']', '{', '}', '"', ' ', '\t', '\n', '\r':
			return i
		}
	}
	return len(data)
}

// IsDigit reports whether c is a decimal digit.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }

// IsPlainString reports whether raw is a JSON string without escapes, in valid
// UTF-8.
func IsPlainString(raw []byte) bool {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return false
	}
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c < 0x20 || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.Valid(inner)
}

// MaxDepth is the greatest depth of nested containers that Valid and
// encoding/json accept.
const MaxDepth = 10000

// Valid reports whether data is one JSON value, perhaps with white space around
// it. It returns the same as json.Valid, but is several times faster for long
// strings, which most large messages have.
func Valid(data []byte) bool {
	v := validator{data: data}
	for v.i = SkipSpace(data, 0); v.value(); {
		if v.depth == 0 {
			return SkipSpace(data, v.i) == len(data)
		}
	}
	return false
}

// validator is the state of Valid. It has checked the data before i, where
// depth containers are open.
type validator struct {
	data  []byte
	i     int
	depth int

	// These have one bit for each open container. It is set for an object.
	outer uint64   // for the outermost 64
	inner []uint64 // for the containers inside them
}

// objectBit returns the bit of the container at a depth, and the word that has
// it.
func (v *validator) objectBit(depth int) (word *uint64, bit uint64) {
	bit = 1 << (depth % 64)
	if depth < 64 {
		return &v.outer, bit
	}
	at := depth/64 - 1
	if at == len(v.inner) {
		v.inner = append(v.inner, 0)
	}
	return &v.inner[at], bit
}

// value checks the value at v.i. Of a container that is not empty it checks
// only the beginning. After a complete value it also checks the ends of
// containers that follow. Then v.i is the position of the next value, if there
// must be one.
func (v *validator) value() bool {
	if v.i == len(v.data) {
		return false
	}
	switch c := v.data[v.i]; c {
	case '"':
		v.i = validStringEnd(v.data, v.i)
	case '{', '[':
		return v.open(c == '{')
	case 't':
		v.literal("true")
	case 'f':
		v.literal("false")
	case 'n':
		v.literal("null")
	default:
		v.i = validNumberEnd(v.data, v.i)
	}
	return v.i >= 0 && v.next()
}

func (v *validator) literal(name string) {
	if !bytes.HasPrefix(v.data[v.i:], []byte(name)) {
		v.i = -1
		return
	}
	v.i += len(name)
}

// open checks the beginning of a container.
func (v *validator) open(object bool) bool {
	if v.depth == MaxDepth {
		return false
	}
	word, bit := v.objectBit(v.depth)
	*word &^= bit
	end := byte(']')
	if object {
		*word |= bit
		end = '}'
	}
	v.depth++
	v.i = SkipSpace(v.data, v.i+1)
	if v.i < len(v.data) && v.data[v.i] == end {
		v.i++
		v.depth--
		return v.next()
	}
	return !object || v.key()
}

// next checks what follows a value: the ends of containers, and the comma
// before another value.
func (v *validator) next() bool {
	for v.depth > 0 {
		v.i = SkipSpace(v.data, v.i)
		if v.i == len(v.data) {
			return false
		}
		word, bit := v.objectBit(v.depth - 1)
		object := *word&bit != 0
		c := v.data[v.i]
		v.i++
		switch {
		case c == ',':
			v.i = SkipSpace(v.data, v.i)
			return !object || v.key()
		case c == '}' && object, c == ']' && !object:
			v.depth--
		default:
			return false
		}
	}
	return true
}

// key checks the key of a member of an object, and the colon.
func (v *validator) key() bool {
	if v.i == len(v.data) || v.data[v.i] != '"' {
		return false
	}
	if v.i = validStringEnd(v.data, v.i); v.i < 0 {
		return false
	}
	v.i = SkipSpace(v.data, v.i)
	if v.i == len(v.data) || v.data[v.i] != ':' {
		return false
	}
	v.i = SkipSpace(v.data, v.i+1)
	return true
}

// validStringEnd returns the position after the string that begins at data[i],
// or -1 if that is not a valid string.
func validStringEnd(data []byte, i int) int {
	for i++; ; {
		for ; i+8 <= len(data); i += 8 {
			if special := specialBits(binary.LittleEndian.Uint64(data[i:])); special != 0 {
				i += bits.TrailingZeros64(special) / 8
				break
			}
		}
		if i == len(data) {
			return -1
		}
		switch c := data[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c != '\\':
			i++
		default:
			n := escapeLen(data[i:])
			if n == 0 {
				return -1
			}
			i += n
		}
	}
}

// specialBits returns a word whose lowest bit belongs to the first of eight
// bytes that is a quote, a backslash or a control character. It may also have
// bits for later bytes, even if they are ordinary.
func specialBits(word uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := word^(ones*'"'), word^(ones*'\\')
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (word-ones*' ')&^word) & tops
}

// escapeLen returns the length of the escape at the beginning of data, or 0.
func escapeLen(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch data[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		const length = 6
		if len(data) >= length && isHex(data[2]) && isHex(data[3]) && isHex(data[4]) && isHex(data[5]) {
			return length
		}
	}
	return 0
}

func isHex(c byte) bool { return IsDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// validNumberEnd returns the position after the number that begins at data[i],
// or -1 if that is not a valid number.
func validNumberEnd(data []byte, i int) int {
	if i < len(data) && data[i] == '-' {
		i++
	}
	start := i
	if i = digitsEnd(data, i); i == start || i > start+1 && data[start] == '0' {
		return -1
	}
	if i < len(data) && data[i] == '.' {
		start = i + 1
		if i = digitsEnd(data, start); i == start {
			return -1
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		start = i + 1
		if start < len(data) && (data[start] == '+' || data[start] == '-') {
			start++
		}
		if i = digitsEnd(data, start); i == start {
			return -1
		}
	}
	return i
}

func digitsEnd(data []byte, i int) int {
	for i < len(data) && IsDigit(data[i]) {
		i++
	}
	return i
}
