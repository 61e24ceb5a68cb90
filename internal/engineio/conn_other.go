//go:build !unix

package engineio

import (
	"errors"
	"net"
)

// descriptor is nothing here: connections are read and written by blocking calls.
type descriptor struct{ notOwned }

func (*link) adopt(net.Conn) bool { return false }

func (*link) direct() bool { return false }

func (l *link) readAlone() error { return l.readStream() }

func (*link) tryWrite([]byte) (int, error) { return 0, errors.ErrUnsupported }
