package parser

import "bytes"

// The functions here find where JSON tokens end. They rely on no validity: on anything they
// stay inside the data and move forward.

// skipSpace returns the first position from i on that is not white space.
func skipSpace(data []byte, i int) int {
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

// stringEnd returns the position behind the string that begins at data[i], or -1 if it does
// not end.
func stringEnd(data []byte, i int) int {
	for i++; ; i++ {
		quote := bytes.IndexByte(data[i:], '"')
		if quote < 0 {
			return -1
		}
		i += quote
		if !escaped(data, i) {
			return i + 1
		}
	}
}

// escaped reports whether an odd number of backslashes stands before data[i]. The quote that
// opens the string ends the run, so no backslash is counted for two quotes.
func escaped(data []byte, i int) bool {
	start := i
	for i > 0 && data[i-1] == '\\' {
		i--
	}
	return (start-i)%2 == 1
}

// scalarLen returns the length of the number or literal name that data begins with.
func scalarLen(data []byte) int {
	for i, c := range data {
		switch c {
		case ',', ':', '[', ']', '{', '}', '"', ' ', '\t', '\n', '\r':
			return i
		}
	}
	return len(data)
}
