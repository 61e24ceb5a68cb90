package mojo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mojosocket/mojo/internal/cluster"
	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/persist"
	"github.com/mojosocket/mojo/internal/socketio"
)

// The errors that callers can tell apart with errors.Is.
var (
	// ErrServerClosed is returned by methods that cannot do their work after
	// Shutdown or Close.
	ErrServerClosed = socketio.ErrServerClosed
	// ErrNotConnected is returned by methods of a Conn that has ended or, where
	// they say so, is still in OnConnect.
	ErrNotConnected = socketio.ErrNotConnected
	// ErrReservedEvent is returned for event names of the protocol: connect,
	// connect_error, disconnect, disconnecting, newListener and removeListener;
	// and for names that begin with "mojo:", which are the Server's.
	ErrReservedEvent = parser.ErrReservedEvent
	// ErrTooManyAttachments is returned for a message with more than 10 binary
	// attachments, the most that clients accept.
	ErrTooManyAttachments = parser.ErrTooManyAttachments
	// ErrTooLarge is returned for a message of more than Limits.MaxQueue bytes.
	// It is also the Err of an Answer that was dropped, see Answers.
	ErrTooLarge = socketio.ErrTooLarge
	// ErrQueueFull is returned for a message that does not fit into the queue
	// of its client, see Limits.MaxQueue. The client is closed then.
	ErrQueueFull = socketio.ErrQueueFull
	// ErrTooManyAcks is returned by Conn.EmitWithAck while
	// Limits.MaxPendingAcks answers of the client are missing. For a Broadcast it
	// is the Err of an Answer.
	ErrTooManyAcks = socketio.ErrTooManyAcks
	// ErrNoAnswer is the Err of an Answer that has not come.
	ErrNoAnswer = errors.New("no answer")
	// ErrSkipped is the Err of an Answer if a volatile event was not sent to a
	// client that is behind.
	ErrSkipped = errors.New("skipped, because the client is behind")
	// ErrNoFunction is the Err of an Answer to Server.NotifyWithAck from a process
	// without a function for it.
	ErrNoFunction = errors.New("no function for the notification")
	// ErrNodeLost is the Err of an Answer of a connection whose process has left
	// the cluster, and is returned by Answers.Err.
	ErrNodeLost = errors.New("a node of the cluster was lost")
	// ErrTooManyRooms is returned by Join for more than Limits.MaxRooms rooms.
	ErrTooManyRooms = socketio.ErrTooManyRooms
	// ErrRoomName is returned by Join for a name of more than
	// Limits.MaxRoomName bytes, and for one that looks like the id of a
	// connection: 26 characters of A to Z and 2 to 7. It is also returned for a name that begins with
	// "~", by everything that takes the names of rooms: these are reserved for
	// users and sessions on the wire of a cluster.
	ErrRoomName = socketio.ErrRoomName
	// ErrAlreadyAcked is returned by Message.Ack if the message was answered
	// before.
	ErrAlreadyAcked = socketio.ErrAlreadyAcked
	// ErrNotStored is returned by LogIn, LogOut, Rebind, Revoke and RevokeExcept
	// if Options.Ledger has not stored the change: it returned an error, or did
	// not answer within two seconds or before the context ended. The change
	// stands, in all processes of the cluster and in the cookies, and the Server
	// tries again to store it until it closes. Only if all processes end before
	// that is the change forgotten. It is wrapped together with the cause.
	ErrNotStored = persist.ErrNotStored
)

// wrapError adds the package's name to an error of a layer below.
func wrapError(err error) error {
	if err == nil {
		return nil
	}
	internal, ok := errors.AsType[*cluster.UnconfirmedError](err)
	if !ok {
		return fmt.Errorf("mojo: %w", err)
	}
	unconfirmed := &UnconfirmedError{Nodes: internal.Nodes, err: internal.Unwrap()}
	if notStored, ok := errors.AsType[*persist.NotStoredError](err); ok {
		return fmt.Errorf("%w; %w", unconfirmed, notStored)
	}
	return unconfirmed
}

// ClientError is an error for the client. Returned by OnConnect it becomes the
// message and data of the client's connect_error; returned by a function of
// Events, the answer to the event. It may be wrapped. The text of any other
// error never reaches a client.
type ClientError struct {
	Message string // for the client
	Data    any    // a value for encoding/json; nil: left out
}

// Error returns the message.
func (e ClientError) Error() string { return e.Message }

// clientError returns the part of err that a client may get, and whether err is
// a ClientError.
func clientError(err error) (ClientError, bool) {
	if p := (*ClientError)(nil); errors.As(err, &p) && p != nil {
		return *p, true
	}
	if v := (ClientError{}); errors.As(err, &v) {
		return v, true
	}
	return ClientError{Message: "internal error"}, false
}

// ShutdownError is the error of Server.Shutdown if its context ended first. It
// names what had not ended by then, and unwraps to the error of the context.
type ShutdownError struct {
	// Connections is the number of connections that were still open because
	// their clients had not received the close.
	Connections int
	// Handlers are the callbacks that had not returned, such as "OnMessage
	// "say" on /ChatSocket, connection abc".
	Handlers []string

	err error
}

// Error names the first ten of the handlers.
func (e *ShutdownError) Error() string {
	const limit = 10
	text := fmt.Sprintf("mojo: Shutdown: %v with %d connections open and %d handlers running", e.err, e.Connections, len(e.Handlers))
	if len(e.Handlers) > 0 {
		text += ": " + strings.Join(e.Handlers[:min(limit, len(e.Handlers))], "; ")
	}
	return text
}

// Unwrap returns the error of the context.
func (e *ShutdownError) Unwrap() error { return e.err }
