// Package buffer joins the parts of messages in pooled buffers.
package buffer

import (
	"math/bits"
	"slices"
	"sync"
)

// The sizes of the pooled buffers are the powers of two with these exponents.
// Without a pool, every few messages would cause a garbage collection. The
// buffer of a slow client is at most twice as large as the bytes that the
// client has sent.
const (
	minExponent = 16 // 64 KiB
	maxExponent = 20 // 1 MiB
)

// pools has a pool of *[]byte for each size.
var pools [maxExponent - minExponent + 1]sync.Pool

// Append appends part to a message and returns the message. If it needs a
// larger buffer, it puts the old one back into the pool, so the old slice must
// not be used again.
func Append(message, part []byte) []byte {
	size := len(message) + len(part)
	if size <= cap(message) {
		return append(message, part...)
	}
	exponent := bits.Len(uint(size - 1))
	if exponent < minExponent || exponent > maxExponent {
		return append(slices.Grow(message, len(part)), part...)
	}
	larger, ok := pools[exponent-minExponent].Get().(*[]byte)
	if !ok {
		buffer := make([]byte, 1<<exponent)
		larger = &buffer
	}
	joined := append(append((*larger)[:0], message...), part...)
	Recycle(message)
	return joined
}

// Recycle puts the buffer of a message back into the pool, if it is a pooled
// one. The message must not be used again.
func Recycle(message []byte) {
	size := cap(message)
	exponent := bits.Len(uint(size)) - 1
	if exponent < minExponent || exponent > maxExponent || size != 1<<exponent {
		return
	}
	buffer := message[:size]
	pools[exponent-minExponent].Put(&buffer)
}
