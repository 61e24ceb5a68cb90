package engineio

import (
	"io"
	"net"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// link is one WebSocket connection. A diagram in link_state.go shows its
// states.
//
// One goroutine at a time reads from it, the reader: a goroutine of the link,
// or that of an event loop. One goroutine at a time writes to it, the writer:
// the one that holds the claim to write, which is the field writing.
//
// There are two ways to do I/O, see platform. Where canTryWrite is true (plain
// TCP on Unix), reads and writes are non-blocking system calls: an idle
// connection has no buffer and, on Linux, no goroutine and no net.Conn. The
// goroutine that sends a message also writes it. Only the bytes that a full
// socket did not take are written by another goroutine. Everywhere else the
// reader keeps a small buffer, and another goroutine, which exists while there
// is something to write, does all writes.
type link struct {
	session *Session // does not change
	socket
	linkSessionMu

	conn    blockingConn      // nil if isOwned and no write has blocked yet; set by newLink or, with session.mu held, by the writer
	decoder websocket.Decoder // guarded by session.inbound
	corked  bool              // the reader holds the claim to write; guarded by session.inbound
	watched watchEntry        // set by adopt; does not change
}

// linkSessionMu has the fields of a link that session.mu guards.
type linkSessionMu struct {
	control  []byte // frames that are written before messages
	inflight int    // bytes of the messages that are being written
	state    atomicLinkState
	reading  readState     // only the reader changes it, and may read it without the lock
	writing  bool          // a goroutine holds the claim to write
	full     bool          // the socket took only a part of the last write
	base64   bool          // binary packets are sent as text; does not change
	pong     uint8         // bytes of a Pong frame at the end of control
	probed   bool          // the client has sent the ping of the probe
	status   uint16        // of the Close frame that the server sends
	closeBy  time.Duration // the time by which a closing link must have written everything
	timer    *time.Timer   // closes a link that does not complete its upgrade, or that drains for too long
}

// blockingConn has the methods that a net.Conn and an os.File have in common.
type blockingConn interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// newLink makes the link of a WebSocket whose handshake has been accepted. The
// answer to the handshake is written first. The caller holds the claim to
// write.
func newLink(s *Session, conn net.Conn, answer []byte, base64 bool) *link {
	l := &link{session: s}
	l.control, l.writing, l.base64 = answer, true, base64
	if !l.adopt(conn) {
		l.conn = conn
	}
	return l
}
