package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mojosocket/mojo/internal/parser/jsonscan"
)

// ErrReservedEvent is the error for an event name that Reserved reports.
var ErrReservedEvent = errors.New("event name is reserved")

var errEventName = errors.New("event name is neither a string nor a number")

// Reserved reports whether an application must not use an event name. Some
// names belong to the life cycle of a connection; the official parser refuses
// them in both directions. Names that begin with "mojo:" belong to the server.
// Clients trust these events, so an application must not forward one from
// another client.
func Reserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return strings.HasPrefix(event, "mojo:")
}

// EventName returns the name of an event, given its first element ("Sending and
// receiving data"): a string, or a number as JavaScript writes it.
func EventName(raw []byte) (string, error) {
	if jsonscan.IsPlainString(raw) {
		return string(raw[1 : len(raw)-1]), nil
	}
	if len(raw) > 0 && (raw[0] == '-' || jsonscan.IsDigit(raw[0])) {
		var number float64
		if err := json.Unmarshal(raw, &number); err != nil {
			return "", fmt.Errorf("event name: %w", err)
		}
		return formatNumber(number), nil
	}
	if len(raw) == 0 || raw[0] != '"' {
		return "", errEventName
	}
	var name string
	if err := json.Unmarshal(raw, &name); err != nil {
		return "", fmt.Errorf("event name: %w", err)
	}
	return name, nil
}

// formatNumber formats a number like String in JavaScript, because clients use
// that name for their own listeners.
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
