package mojo

import (
	"context"
	"fmt"
	"strings"

	"github.com/mojosocket/mojo/internal/socketio"
)

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

// Shutdown refuses new connections with 503 and closes the live ones by their
// transport, so that clients come back by themselves, to another process or after
// the restart: a thousand in a tenth of a second, or faster if ctx has a deadline,
// by when it takes half of the time at most. What was emitted before still goes out,
// and answers to EmitWithAck may arrive until a connection is closed. It returns
// when all clients have gone and all handlers have returned, or with a
// *ShutdownError when ctx ends. A second call does the same.
//
// http.Server.Shutdown does not close WebSockets; call this beside it.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.sio.Shutdown(ctx)
	if err == nil {
		return nil
	}
	e := &ShutdownError{Connections: s.sio.Live(), err: err}
	for _, r := range s.sio.Running() {
		e.Handlers = append(e.Handlers, describe(r))
	}
	return e
}

func describe(r socketio.Running) string {
	text := r.Callback
	if r.Event != "" {
		text += fmt.Sprintf(" %q", r.Event)
	}
	return text + " on " + r.Namespace + ", connection " + r.SocketID
}

// Close is Shutdown without patience: it cuts every connection and waits for
// nothing. Handlers are still told of each end. It returns nil.
func (s *Server) Close() error {
	s.sio.Close()
	return nil
}
