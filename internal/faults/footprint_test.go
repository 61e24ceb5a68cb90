package faults

import (
	"context"
	"net"
	"os"
	"runtime"
)

// liveHeap is the bytes in use after a collection. Pools are empty after two.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// descriptors is the number of open files, 0 where the system does not tell.
func descriptors() int {
	open, _ := os.ReadDir("/proc/self/fd")
	return len(open)
}

// smallBuffers is for http.Server.ConnContext.
func smallBuffers(ctx context.Context, c net.Conn) context.Context {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(16 << 10)
	}
	return ctx
}
