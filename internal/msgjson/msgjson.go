// Package msgjson converts between JSON and MessagePack, so that a JavaScript
// program sees the same values on both sides. Binary content is inline in
// MessagePack, and an attachment with a placeholder in JSON.
//
// MessagePack is read and written as notepack.io does, which is the encoding of
// the official adapters.
package msgjson

import (
	"errors"
	"math"
	"strconv"
)

// MaxDepth is how deep containers may be nested in both directions. A Node
// server does not survive values that are nested some thousand times.
const MaxDepth = 1000

var (
	errDepth     = errors.New("msgjson: containers are nested too deep")
	errMalformed = errors.New("msgjson: MessagePack is malformed")
	errJSON      = errors.New("msgjson: JSON is malformed")
	// errAmbiguous: a receiver could not tell the data from a placeholder.
	errAmbiguous  = errors.New("msgjson: data looks like a placeholder for an attachment")
	errAttachment = errors.New("msgjson: placeholders and attachments do not match")
)

// The keys of a placeholder.
const (
	markKey = "_placeholder"
	numKey  = "num"
)

// appendNumber appends a number as JavaScript writes it in JSON, but keeps the
// sign of zero.
func appendNumber(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(dst, "null"...)
	case f == 0 && math.Signbit(f):
		return append(dst, "-0"...)
	case abs == 0 || 1e-6 <= abs && abs < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'e', -1, 64)
}
