package siotest

import (
	"context"
	"net"
)

// outgoing is an item to write: a packet as text, binary data, a WebSocket
// control frame, or the end of a flush. Exactly one field is set.
type outgoing struct {
	text    string
	binary  []byte
	control []byte        // a whole frame; dropped while polling
	flushed chan struct{} // closed when all items before this one are written
}

// Send sends a message with text ("4" + text). Like all methods that send, it
// puts the message into a queue and returns. After the end of the connection it
// drops the message. Flush waits until the queue is written.
func (e *Engine) Send(text string) { e.SendPacket("4" + text) }

// SendBinary sends a binary message.
func (e *Engine) SendBinary(b []byte) {
	e.out.put(outgoing{binary: append([]byte{}, b...)})
}

// SendPacket sends a raw packet, such as "1" or "5".
func (e *Engine) SendPacket(raw string) { e.out.put(outgoing{text: raw}) }

// SendPackets sends raw packets together: in one POST, if maxPayload allows it,
// or as frames in one write.
func (e *Engine) SendPackets(raw ...string) {
	items := make([]outgoing, len(raw))
	for i, r := range raw {
		items[i].text = r
	}
	e.out.put(items...)
}

// Flush waits until everything that was sent before is written to the WebSocket
// or, over polling, the server has answered the POST. It fails the test after
// Site.Limit, or if the connection ends first.
func (e *Engine) Flush() {
	e.t.Helper()
	ctx, cancel := e.site.WithLimit(context.Background())
	defer cancel()
	if err := e.flush(ctx); err != nil {
		e.t.Fatalf("the queue was not written: %v%s", err, e.endText())
	}
}

func (e *Engine) flush(ctx context.Context) error {
	flushed := make(chan struct{})
	e.out.put(outgoing{flushed: flushed})
	select {
	case <-flushed:
		return nil
	case <-e.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// acquire waits for the right to write to the transport. It fails if the
// connection or the context ends first.
func (e *Engine) acquire(ctx context.Context) error {
	select {
	case e.writing <- struct{}{}:
		return nil
	case <-e.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *Engine) release() { <-e.writing }

// sendLoop writes the queued items, in order, to the current transport.
func (e *Engine) sendLoop() {
	for {
		batch, err := e.out.all(e.ctx)
		if err != nil {
			return
		}
		if e.acquire(e.ctx) != nil {
			return
		}
		err = e.write(batch)
		e.release()
		if err != nil {
			e.finishWithError(err)
			return
		}
	}
}

// write sends a batch, in parts if there are flushes in it.
func (e *Engine) write(batch []outgoing) error {
	start := 0
	for i, item := range batch {
		if item.flushed == nil {
			continue
		}
		if err := e.writePart(batch[start:i]); err != nil {
			return err
		}
		close(item.flushed)
		start = i + 1
	}
	return e.writePart(batch[start:])
}

func (e *Engine) writePart(part []outgoing) error {
	if len(part) == 0 {
		return nil
	}
	if ws := e.ws.Load(); ws != nil {
		return ws.writePart(part, &e.opts)
	}
	return e.post(part)
}
