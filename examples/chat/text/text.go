// Package text checks what people write, before others get to read it.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Max is how many characters people may write at once.
const Max = 500

// Line returns s without the spaces around it. It returns an error for the
// person who wrote it, which begins with what, if nothing visible is left or
// more than limit characters, or if s has characters that could disturb the
// page of a reader: line breaks and other control characters, and those that
// turn the direction of the text around them.
func Line(what, s string, limit int) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, disturbing):
		return "", fmt.Errorf("%s cannot have control characters", what)
	case !strings.ContainsFunc(s, visible):
		return "", fmt.Errorf("%s cannot be empty", what)
	case utf8.RuneCountInString(s) > limit:
		return "", fmt.Errorf("%s has at most %d characters", what, limit)
	}
	return s, nil
}

func visible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

func disturbing(r rune) bool {
	lineBreak := r == '\u2028' || r == '\u2029'
	turning := '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
	return unicode.IsControl(r) || lineBreak || turning
}
