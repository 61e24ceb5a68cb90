package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrReservedEvent is the error for an event name that Reserved reports.
var ErrReservedEvent = errors.New("event name is reserved")

// Reserved reports whether an event name belongs to the life cycle of a connection, where the
// official parser refuses it in either direction, or is one of the server's own, which begin with
// "mojo:". A client believes what these say, so no application may pass on another client's.
func Reserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return strings.HasPrefix(event, "mojo:")
}

// EventName returns the text of the first element of an event ("Sending and receiving data"):
// a string, or a number, which reads as JavaScript writes it.
func EventName(raw []byte) (string, error) {
	if isPlainString(raw) {
		return string(raw[1 : len(raw)-1]), nil
	}
	if len(raw) > 0 && (raw[0] == '-' || isDigit(raw[0])) {
		var number float64
		if err := json.Unmarshal(raw, &number); err != nil {
			return "", fmt.Errorf("event name: %w", err)
		}
		return formatNumber(number), nil
	}
	if len(raw) == 0 || raw[0] != '"' {
		return "", errEvent
	}
	var name string
	if err := json.Unmarshal(raw, &name); err != nil {
		return "", fmt.Errorf("event name: %w", err)
	}
	return name, nil
}

// isPlainString reports whether raw is a JSON string that stands for its own bytes.
func isPlainString(raw []byte) bool {
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

// formatNumber writes a number as JavaScript's String does, since that is the name under which
// the sender registered its own listeners.
func formatNumber(number float64) string {
	abs := math.Abs(number)
	if abs == 0 {
		return "0"
	}
	if 1e-6 <= abs && abs < 1e21 {
		return strconv.FormatFloat(number, 'f', -1, 64)
	}
	text := strconv.AppendFloat(nil, number, 'e', -1, 64)
	return string(bytes.Replace(text, []byte("e-0"), []byte("e-"), 1)) // Go pads the exponent
}
