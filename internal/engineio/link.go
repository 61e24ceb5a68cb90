package engineio

import (
	"io"
	"net"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// link is one WebSocket connection. Its states are drawn in link_state.go.
//
// One goroutine at a time reads from it: its own, or that of an event loop. One
// goroutine at a time writes to it: the one that holds the claim to write,
// which is the field writing.
//
// There are two ways to do I/O, see platform. Where canTryWrite is true (plain
// TCP on Unix), reads and writes are non-blocking system calls: an idle
// connection has no buffer and, on Linux, no goroutine and no net.Conn. The
// goroutine that sends a message also writes it, and leaves to another one only
// the bytes that a full socket did not take. Everywhere else a reader keeps a
// small buffer, and all writes are left to a goroutine that lives while there
// is something to write.
type link struct {
	session *Session
	socket
	linkSessionMu

	conn    blockingConn // nil while the link owns its socket and no write had to block
	decoder websocket.Decoder
	corked  bool // the reader holds the claim to write; guarded by session.inbound
	watched watchEntry
}

// linkSessionMu has the fields of a link that session.mu guards.
type linkSessionMu struct {
	control  []byte // frames that go out ahead of messages
	inflight int    // bytes of the messages that are being written
	state    atomicLinkState
	reading  readState // written by the reader alone, which may read it without the lock
	writing  bool      // a goroutine holds the claim to write
	full     bool      // the socket has taken only a part of the last write
	base64   bool      // binary packets are sent as text; does not change
	pong     uint8     // bytes at the end of control that answer a ping
	probed   bool      // the probe of an upgrade has come
	status   uint16    // of our Close frame
	closeBy  time.Duration
	timer    *time.Timer // of the upgrade, or of the draining
}

// blockingConn has the methods that a net.Conn and an os.File have in common.
type blockingConn interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// newLink makes the link of a WebSocket whose handshake has been accepted. The
// answer to the handshake is the first thing that it writes; the caller holds
// the claim to do so.
func newLink(s *Session, conn net.Conn, answer []byte, base64 bool) *link {
	l := &link{session: s}
	l.control, l.writing, l.base64 = answer, true, base64
	if !l.adopt(conn) {
		l.conn = conn
	}
	return l
}
