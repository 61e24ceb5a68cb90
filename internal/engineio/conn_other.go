//go:build !unix

package engineio

import (
	"errors"
	"net"
	"syscall"
)

// rawOf returns nil: connections are read and written by blocking calls here.
func rawOf(net.Conn) syscall.RawConn { return nil }

func (l *link) readRaw(func(*readBuffer, []byte) bool) error { return errors.ErrUnsupported }

func (l *link) tryWrite([]byte) (int, error) { return 0, errors.ErrUnsupported }
