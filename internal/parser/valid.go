package parser

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// valid reports whether data is one JSON value, with white space around it or not. It
// answers as json.Valid does, and takes a fraction of its time for long strings, which
// are what a large message is made of.
func valid(data []byte) bool {
	v := validator{data: data}
	for v.i = skipSpace(data, 0); v.value(); {
		if v.depth == 0 {
			return skipSpace(data, v.i) == len(data)
		}
	}
	return false
}

// validator is at data[i], inside of depth containers.
type validator struct {
	data  []byte
	i     int
	depth int

	// A bit for each container, which is set for an object: of the first 64, and of those
	// further in.
	outer uint64
	inner []uint64
}

// place returns where the bit of the container at a depth is.
func (v *validator) place(depth int) (word *uint64, bit uint64) {
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

// value takes a scalar or an empty container and all that end behind it, or the
// beginning of another container. It goes on to the next value, if there is to be one.
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

// open takes the bracket that begins a container.
func (v *validator) open(object bool) bool {
	if v.depth == maxDepth {
		return false
	}
	word, bit := v.place(v.depth)
	*word &^= bit
	end := byte(']')
	if object {
		*word |= bit
		end = '}'
	}
	v.depth++
	v.i = skipSpace(v.data, v.i+1)
	if v.i < len(v.data) && v.data[v.i] == end {
		v.i++
		v.depth--
		return v.next()
	}
	return !object || v.key()
}

// next takes what follows a value: the ends of containers, and the comma in front of
// another value.
func (v *validator) next() bool {
	for v.depth > 0 {
		v.i = skipSpace(v.data, v.i)
		if v.i == len(v.data) {
			return false
		}
		word, bit := v.place(v.depth - 1)
		object := *word&bit != 0
		c := v.data[v.i]
		v.i++
		switch {
		case c == ',':
			v.i = skipSpace(v.data, v.i)
			return !object || v.key()
		case c == '}' && object, c == ']' && !object:
			v.depth--
		default:
			return false
		}
	}
	return true
}

// key takes the key of a member of an object, and the colon.
func (v *validator) key() bool {
	if v.i == len(v.data) || v.data[v.i] != '"' {
		return false
	}
	if v.i = validStringEnd(v.data, v.i); v.i < 0 {
		return false
	}
	v.i = skipSpace(v.data, v.i)
	if v.i == len(v.data) || v.data[v.i] != ':' {
		return false
	}
	v.i = skipSpace(v.data, v.i+1)
	return true
}

// validStringEnd returns the position behind the string that begins at data[i], or -1 if
// that is none.
func validStringEnd(data []byte, i int) int {
	for i++; ; {
		for ; i+8 <= len(data); i += 8 {
			if special := specials(binary.LittleEndian.Uint64(data[i:])); special != 0 {
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

// specials marks the first of eight bytes that ends a plain part of a string, and maybe
// some behind it: a quote, a backslash, or a control character.
func specials(word uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := word^(ones*'"'), word^(ones*'\\')
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (word-ones*' ')&^word) & tops
}

// escapeLen returns the length of the escape that data begins with, or 0.
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

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// validNumberEnd returns the position behind the number that begins at data[i], or -1 if
// that is none.
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
	for i < len(data) && isDigit(data[i]) {
		i++
	}
	return i
}
