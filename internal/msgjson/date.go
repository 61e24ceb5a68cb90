package msgjson

import (
	"encoding/binary"
	"fmt"
	"time"
)

// millis returns the milliseconds in a date of notepack.io 2.
func millis(content string) float64 {
	return float64(int64(binary.BigEndian.Uint64([]byte(content))))
}

// appendTimestamp appends a timestamp, the extension of MessagePack.
func appendTimestamp(dst []byte, content string) ([]byte, error) {
	var seconds, nanos float64
	switch b := []byte(content); len(b) {
	case 4:
		seconds = float64(binary.BigEndian.Uint32(b))
	case 8:
		n := binary.BigEndian.Uint64(b)
		seconds, nanos = float64(n&(1<<34-1)), float64(n>>34)
	case 12:
		seconds, nanos = float64(int64(binary.BigEndian.Uint64(b[4:]))), float64(binary.BigEndian.Uint32(b))
	default:
		return nil, errMalformed
	}
	return appendDate(dst, seconds*1e3+nanos/1e6), nil
}

// appendDate appends a date, in milliseconds since 1970, as JSON.stringify
// writes it. One that JavaScript cannot represent is null.
func appendDate(dst []byte, ms float64) []byte {
	const limit = 8.64e15
	if ms < -limit || ms > limit {
		return append(dst, "null"...)
	}
	t := time.UnixMilli(int64(ms)).UTC()
	year := fmt.Sprintf("%04d", t.Year())
	if t.Year() < 0 || t.Year() > 9999 {
		year = fmt.Sprintf("%+07d", t.Year())
	}
	return t.AppendFormat(append(append(dst, '"'), year...), `-01-02T15:04:05.000Z"`)
}
