package engineio

import (
	"math/bits"
	"slices"
	"sync"
)

// Large messages are assembled in buffers of these sizes, which are used again: as
// garbage, and grown by append, they would cost a collection for every few messages.
// A client that is slow has a buffer of at most twice what it has sent.
const (
	leastAssembly = 16 // 64 KiB, as a power of two
	mostAssembly  = 20
)

var assemblyBuffers [mostAssembly - leastAssembly + 1]sync.Pool // of *[]byte

// assemble appends part to a message under way, from whose buffer it may move to
// another one.
func assemble(message, part []byte) []byte {
	size := len(message) + len(part)
	if size <= cap(message) {
		return append(message, part...)
	}
	power := bits.Len(uint(size - 1))
	if power < leastAssembly || power > mostAssembly {
		return append(slices.Grow(message, len(part)), part...)
	}
	larger, ok := assemblyBuffers[power-leastAssembly].Get().(*[]byte)
	if !ok {
		fresh := make([]byte, 1<<power)
		larger = &fresh
	}
	whole := append(append((*larger)[:0], message...), part...)
	recycle(message)
	return whole
}

// recycle gives up the buffer of a message that was handled.
func recycle(message []byte) {
	size := cap(message)
	power := bits.Len(uint(size)) - 1
	if power < leastAssembly || power > mostAssembly || size != 1<<power {
		return
	}
	buffer := message[:size]
	assemblyBuffers[power-leastAssembly].Put(&buffer)
}
