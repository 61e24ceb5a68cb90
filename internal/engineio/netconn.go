//go:build !unix

package engineio

import (
	"errors"
	"net"
)

// socket is empty here: reads and writes are blocking calls.
type socket struct{ notOwned }

func (*link) adopt(net.Conn) bool { return false }

func (*link) canTryWrite() bool { return false }

func (*link) tryWrite([]byte) (int, error) { return 0, errors.ErrUnsupported }

func (l *link) readBlocking() error { return l.readStream() }
