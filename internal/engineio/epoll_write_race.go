//go:build linux && !mojo_noepoll && race

package engineio

import "syscall"

// shortWrite calls package syscall, which tells the race detector that what
// happens before a write happens before the read of the same bytes.
func shortWrite(fd int, p []byte) (int, error) { return syscall.Write(fd, p) }
