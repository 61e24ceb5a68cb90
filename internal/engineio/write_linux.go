//go:build linux && !mojo_noepoll && !race

package engineio

import (
	"syscall"
	"unsafe"
)

// shortWrite is syscall.Write for what takes a few microseconds and never waits: the
// scheduler is not told, as it is of whatever may block. That takes a fifteenth of a
// broadcast's time and more, see BenchmarkShortWrite.
func shortWrite(fd int, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
