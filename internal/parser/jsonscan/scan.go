// Package jsonscan finds the ends of JSON tokens and checks whether data is
// valid JSON. It allocates nothing for data of ordinary depth.
package jsonscan

import (
	"bytes"
	"unicode/utf8"
)

// SkipSpace, StringEnd and ScalarLen may be called with data that is not valid
// JSON: they never leave the data, and never move backwards.

// SkipSpace returns the first position, from i on, that is not white space.
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

// StringEnd returns the position behind the string that begins at data[i], or
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

// isEscaped reports whether an odd number of backslashes stands before data[i].
// The quote that opens the string ends the run, so no backslash is counted for
// two quotes.
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
