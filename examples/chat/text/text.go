// Package text checks texts of users before other users receive them.
package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Max is the largest number of characters in a message.
const Max = 500

// Line returns s without the spaces around it. It returns an error if s has no
// visible character, or more than limit characters. It also refuses characters
// that could disturb the page: line breaks, other control characters, and
// characters that change the direction of the surrounding text. The error is
// for the user; it begins with what.
func Line(what, s string, limit int) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, isControl):
		return "", fmt.Errorf("%s cannot have control characters", what)
	case !strings.ContainsFunc(s, isVisible):
		return "", fmt.Errorf("%s cannot be empty", what)
	case utf8.RuneCountInString(s) > limit:
		return "", fmt.Errorf("%s has at most %d characters", what, limit)
	}
	return s, nil
}

func isVisible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

func isControl(r rune) bool {
	lineBreak := r == '\u2028' || r == '\u2029'
	direction := '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
	return unicode.IsControl(r) || lineBreak || direction
}
