// Package buffer joins the parts of messages in buffers that are used again.
package buffer

import (
	"math/bits"
	"slices"
	"sync"
)

// Large messages are joined in pooled buffers of these sizes. Without a pool, a
// garbage collection would be due after every few messages. The buffer of a
// slow client has at most twice the bytes that the client has sent.
const (
	minPower = 16 // 64 KiB
	maxPower = 20 // 1 MiB
)

var pools [maxPower - minPower + 1]sync.Pool // of *[]byte

// Append appends part to a message and returns the message. If it needs a
// larger buffer, the old one goes back to the pool, so the old slice must not
// be used again.
func Append(message, part []byte) []byte {
	size := len(message) + len(part)
	if size <= cap(message) {
		return append(message, part...)
	}
	power := bits.Len(uint(size - 1))
	if power < minPower || power > maxPower {
		return append(slices.Grow(message, len(part)), part...)
	}
	larger, ok := pools[power-minPower].Get().(*[]byte)
	if !ok {
		fresh := make([]byte, 1<<power)
		larger = &fresh
	}
	whole := append(append((*larger)[:0], message...), part...)
	Recycle(message)
	return whole
}

// Recycle puts the buffer of a message back into the pool, if it is a pooled
// one. The message must not be used again.
func Recycle(message []byte) {
	size := cap(message)
	power := bits.Len(uint(size)) - 1
	if power < minPower || power > maxPower || size != 1<<power {
		return
	}
	buffer := message[:size]
	pools[power-minPower].Put(&buffer)
}
