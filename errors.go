package mojo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/socketio"
)

// The errors that callers can tell apart with errors.Is.
var (
	// ErrServerClosed is returned by what cannot be done after Shutdown or Close.
	ErrServerClosed = socketio.ErrServerClosed
	// ErrNotConnected is returned by methods of a Conn that has ended or, where it
	// says so, is not yet accepted.
	ErrNotConnected = socketio.ErrNotConnected
	// ErrReservedEvent is returned for event names that belong to the protocol:
	// connect, connect_error, disconnect, disconnecting, newListener and
	// removeListener; and for those that begin with "mojo:", which are the Server's.
	ErrReservedEvent = parser.ErrReservedEvent
	// ErrTooManyAttachments is returned for a message with more than 10 pieces of
	// binary, which is what clients accept.
	ErrTooManyAttachments = parser.ErrTooManyAttachments
	// ErrTooLarge is returned for a message above Limits.MaxQueue.
	ErrTooLarge = socketio.ErrTooLarge
	// ErrQueueFull is returned for the message that did not fit into the queue of a
	// client, see Limits.MaxQueue. The client is closed for that.
	ErrQueueFull = socketio.ErrQueueFull
	// ErrTooManyAcks is returned by Conn.EmitWithAck when the client owes
	// Limits.MaxPendingAcks answers.
	ErrTooManyAcks = socketio.ErrTooManyAcks
	// ErrTooManyRooms is returned by Conn.Join above Limits.MaxRooms.
	ErrTooManyRooms = socketio.ErrTooManyRooms
	// ErrRoomName is returned by Conn.Join for a name longer than
	// Limits.MaxRoomName.
	ErrRoomName = socketio.ErrRoomName
	// ErrAlreadyAcked is returned by a second Message.Ack.
	ErrAlreadyAcked = socketio.ErrAlreadyAcked
)

// wrapError puts the package's name in front of an error that leaves it.
func wrapError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("mojo: %w", err)
}

// ClientError is an error that the client is meant to see: returned by OnConnect
// it becomes the message and data of the client's connect_error, returned by a
// function of Events the answer to a call. It may be wrapped. Other errors never
// reach a client.
type ClientError struct {
	Message string // what the client reads
	Data    any    // a value for encoding/json; left out if nil
}

// Error returns the message.
func (e ClientError) Error() string { return e.Message }

// clientError returns what a client may see of err, and whether that is a
// ClientError.
func clientError(err error) (ClientError, bool) {
	if p := (*ClientError)(nil); errors.As(err, &p) && p != nil {
		return *p, true
	}
	if v := (ClientError{}); errors.As(err, &v) {
		return v, true
	}
	return ClientError{Message: "internal error"}, false
}

// ShutdownError is the error of Server.Shutdown when its context ended before
// everything else had. It says what was still there, and unwraps to the context's
// error.
type ShutdownError struct {
	// Connections is how many had not gone: their clients did not take the close.
	Connections int
	// Handlers are the callbacks that had not returned, as "OnMessage "say" on
	// /ChatSocket, connection abc".
	Handlers []string

	err error
}

// Error names what was still there, of many handlers the first ten.
func (e *ShutdownError) Error() string {
	const named = 10
	text := fmt.Sprintf("mojo: Shutdown: %v with %d connections open and %d handlers running", e.err, e.Connections, len(e.Handlers))
	if len(e.Handlers) > 0 {
		text += ": " + strings.Join(e.Handlers[:min(named, len(e.Handlers))], "; ")
	}
	return text
}

// Unwrap returns the context's error.
func (e *ShutdownError) Unwrap() error { return e.err }
