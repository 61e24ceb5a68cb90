package siotest

import (
	"context"
	"errors"
	"fmt"
)

// Pause stops reading from the sockets, as a client that hangs does. The
// server's messages stay in the buffers of the network (see
// Options.ReadBuffer), and so do answers to POSTs. Sending continues.
func (e *Engine) Pause() { e.dialer.pauseReads() }

// Resume continues reading after Pause.
func (e *Engine) Resume() { e.dialer.resumeReads() }

// The reasons why a connection ended.
const (
	ReasonClosePacket = "close packet"    // the server sent packet 1
	ReasonCloseFrame  = "close frame"     // the server sent a Close frame: Err is a *CloseError
	ReasonLost        = "connection lost" // the connection ended without a protocol message
	ReasonError       = "error"           // Err is an *HTTPError if the server refused a request; otherwise the server broke the protocol
	ReasonClientClose = "client close"    // Close was called
	ReasonClientDrop  = "client drop"     // Drop was called, or the test ended
)

// Closed returns a channel that is closed when the connection has ended, for
// any reason. The test can still read the messages that arrived before.
func (e *Engine) Closed() <-chan struct{} { return e.closed }

// AwaitClosed waits for the end of the connection and returns its reason. It
// fails the test after Site.Limit.
func (e *Engine) AwaitClosed() string {
	e.t.Helper()
	ctx, cancel := e.site.WithLimit(context.Background())
	defer cancel()
	select {
	case <-e.closed:
	case <-ctx.Done():
		e.t.Fatalf("the connection did not end")
	}
	return e.reason
}

// CloseReason returns one of the Reason constants, "" while the connection is
// open.
func (e *Engine) CloseReason() string {
	select {
	case <-e.closed:
		return e.reason
	default:
		return ""
	}
}

// Err returns the error that ended the connection, or nil.
func (e *Engine) Err() error {
	select {
	case <-e.closed:
		return e.err
	default:
		return nil
	}
}

func (e *Engine) endText() string {
	reason := e.CloseReason()
	if reason == "" {
		return ""
	}
	return fmt.Sprintf(" (the connection ended: %s, error: %v)", reason, e.err)
}

// Close writes everything that was sent before and closes the connection. Over
// polling it sends packet 1. On a WebSocket it sends a Close frame and waits
// for the server's.
func (e *Engine) Close() {
	e.closing.Store(true)
	ctx, cancel := e.site.WithLimit(context.Background())
	defer cancel()
	if e.ws.Load() == nil {
		e.out.put(outgoing{text: "1"})
		e.flush(ctx)
	} else {
		e.out.put(outgoing{control: closeFrame(1000, "")})
		if e.flush(ctx) == nil && e.dialer.paused() == nil {
			select {
			case <-e.closed:
			case <-ctx.Done():
			}
		}
	}
	e.finish(ReasonClientClose, nil)
	e.wg.Wait()
}

// Drop cuts the connections of this Engine without a protocol message.
func (e *Engine) Drop() {
	e.finish(ReasonClientDrop, nil)
	e.wg.Wait()
	e.site.forget(e)
}

// finish ends the connection and makes its goroutines return. Only the first
// call has an effect.
func (e *Engine) finish(reason string, err error) {
	e.once.Do(func() {
		var broken *protocolError
		if e.closing.Load() && !errors.As(err, &broken) {
			reason, err = ReasonClientClose, nil // the server may have ended the session before our last poll
		}
		e.reason, e.err = reason, err
		e.in.close()
		e.pings.close()
		e.out.close()
		e.cancel()
		e.dialer.cut()
		e.http.CloseIdleConnections()
		close(e.closed)
	})
}

// finishWithError ends the connection after a read or write has failed.
func (e *Engine) finishWithError(err error) {
	var status *HTTPError
	var broken *protocolError
	switch {
	case errors.As(err, &status), errors.As(err, &broken):
		e.finish(ReasonError, err)
	default:
		e.finish(ReasonLost, err)
	}
}

// protocolError says how the server has violated a protocol.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return e.text }

func violation(format string, args ...any) error {
	return &protocolError{fmt.Sprintf(format, args...)}
}
