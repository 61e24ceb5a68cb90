package siotest

import (
	"context"
	"net"
)

// outgoing is something to write: a packet as text, binary data, a WebSocket control frame, or nothing but
// the mark of a flush. Exactly one field is set.
type outgoing struct {
	text    string
	binary  []byte
	control []byte        // a whole frame; left out while polling
	flushed chan struct{} // closed when everything before it was written
}

// Send sends a message with text ("4" + text). Like all that send it queues and returns; what cannot be
// sent because the connection has ended is dropped. Use Flush to wait.
func (e *Engine) Send(text string) { e.SendPacket("4" + text) }

// SendBinary sends a binary message.
func (e *Engine) SendBinary(b []byte) {
	e.out.put(outgoing{binary: append([]byte{}, b...)})
}

// SendPacket sends a raw packet, such as "1" or "5".
func (e *Engine) SendPacket(raw string) { e.out.put(outgoing{text: raw}) }

// SendPackets sends raw packets together: in one POST (within maxPayload), or as frames in one write.
func (e *Engine) SendPackets(raw ...string) {
	items := make([]outgoing, len(raw))
	for i, r := range raw {
		items[i].text = r
	}
	e.out.put(items...)
}

// Flush waits until what was sent before has left: written to the WebSocket, or the POST answered. It
// fails the test after Site.Limit or when the connection ends first.
func (e *Engine) Flush() {
	e.t.Helper()
	ctx, cancel := e.site.WithLimit(context.Background())
	defer cancel()
	if err := e.flush(ctx); err != nil {
		e.t.Fatalf("what was sent did not leave: %v%s", err, e.obituary())
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

// acquire makes the caller the one who writes. It fails when the connection or the context ends first.
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

// sendLoop writes what was queued, in order, on whatever transport there is by then.
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
			e.lost(err)
			return
		}
	}
}

// write sends a batch, part by part if flushes stand in between.
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
		return ws.writePart(part, e.opts.Query.Get("b64") != "")
	}
	return e.post(part)
}
