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
	ReasonError       = "error"           // Err says which: *HTTPError for a refused poll or POST, or the server broke the protocol
	ReasonClientClose = "client close"    // Close
	ReasonClientDrop  = "client drop"     // Drop, or the end of the test
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

func (e *Engine) ending() string {
	reason := e.CloseReason()
	if reason == "" {
		return ""
	}
	return fmt.Sprintf(" (the connection ended: %s, error: %v)", reason, e.err)
}

// Close closes the connection: by packet 1 over polling, or by a Close frame,
// after which it waits for the server's. Everything that was sent before is
// written first.
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
func (e *Engine) Drop() { e.shut() }

func (e *Engine) shut() {
	e.finish(ReasonClientDrop, nil)
	e.wg.Wait()
	e.site.forget(e)
}

// finish ends the connection, once, and makes all its goroutines return.
func (e *Engine) finish(reason string, err error) {
	e.once.Do(func() {
		var broken *protocolError
		if e.closing.Load() && !errors.As(err, &broken) {
			reason, err = ReasonClientClose, nil // also if the server forgot the session before our last poll
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

// lost ends the connection after an error of reading or writing.
func (e *Engine) lost(err error) {
	var status *HTTPError
	var broken *protocolError
	switch {
	case errors.As(err, &status), errors.As(err, &broken):
		e.finish(ReasonError, err)
	default:
		e.finish(ReasonLost, err)
	}
}

// protocolError is a violation of a protocol by the server.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return "" + e.text }

func violation(format string, args ...any) error {
	return &protocolError{fmt.Sprintf(format, args...)}
}
