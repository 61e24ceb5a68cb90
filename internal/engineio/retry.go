//go:build unix

package engineio

import (
	"errors"
	"syscall"
)

// retry repeats a read or write that a signal has interrupted.
func retry(call func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		n, err := call(fd, p)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
