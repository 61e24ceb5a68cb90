package siotest

import (
	"context"
	"fmt"
)

// Upgrade changes the transport from polling to a WebSocket. It loses no
// message in either direction. It fails the test if the server does not accept
// it.
func (e *Engine) Upgrade() {
	e.t.Helper()
	ctx, cancel := e.withPollLimit()
	defer cancel()
	if err := e.upgrade(ctx); err != nil {
		e.t.Fatalf("upgrade: %v%s", err, e.endText())
	}
}

// Upgrade is Engine.Upgrade, but sends the probe while no poll is in progress.
// The server answers a poll that arrives after the probe only at its next
// check, which would take time in a bubble.
func (c *Client) Upgrade() {
	e := c.Engine
	e.t.Helper()
	ctx, cancel := e.withPollLimit()
	defer cancel()
	e.stopPolling()
	c.SendConnect(barrier, nil) // the answer ends the poll in progress
	select {
	case <-e.polled:
	case <-ctx.Done():
		e.t.Fatalf("upgrade: the last poll was not answered")
	}
	e.Upgrade()
	if err := c.awaitBarrier(ctx); err != nil {
		e.t.Fatalf("upgrade: %v", err)
	}
}

// Probe is an upgrade after the server's "3probe" and before our "5". Polling
// continues meanwhile.
type Probe struct {
	engine *Engine
	ws     *wsConn
}

// Probe opens a WebSocket and sends "2probe" on it. It fails the test if
// "3probe" does not come.
func (e *Engine) Probe() *Probe {
	e.t.Helper()
	ctx, cancel := e.withPollLimit()
	defer cancel()
	p, err := e.probe(ctx)
	if err != nil {
		e.t.Fatalf("probe: %v%s", err, e.endText())
	}
	return p
}

// Complete ends the polling and sends "5".
func (p *Probe) Complete() {
	p.engine.t.Helper()
	ctx, cancel := p.engine.withPollLimit()
	defer cancel()
	if err := p.complete(ctx); err != nil {
		p.engine.t.Fatalf("upgrade: %v%s", err, p.engine.endText())
	}
}

// Abandon closes the WebSocket of the probe. The connection keeps polling.
func (p *Probe) Abandon() { p.ws.conn.Close() }

func (e *Engine) upgrade(ctx context.Context) error {
	p, err := e.probe(ctx)
	if err != nil {
		return err
	}
	if err := p.complete(ctx); err != nil {
		p.Abandon()
		return err
	}
	return nil
}

func (e *Engine) probe(ctx context.Context) (*Probe, error) {
	if e.ws.Load() != nil {
		return nil, fmt.Errorf("the transport is already a WebSocket")
	}
	w, _, err := e.dialWebSocket(ctx, nil)
	if err != nil {
		return nil, err
	}
	err = w.writePart([]outgoing{{text: "2probe"}}, &e.opts)
	if err == nil {
		err = w.awaitProbe(ctx)
	}
	if err != nil {
		w.conn.Close()
		return nil, err
	}
	return &Probe{engine: e, ws: w}, nil
}

func (w *wsConn) awaitProbe(ctx context.Context) error {
	binary, data, err := w.readBefore(ctx)
	if err == nil && (binary || string(data) != "3probe") {
		err = violation("got %.60q on the probing WebSocket; want 3probe", data)
	}
	return err
}

// complete stops sending, waits for the last poll, and switches to the
// WebSocket.
func (p *Probe) complete(ctx context.Context) error {
	e := p.engine
	if err := e.acquire(ctx); err != nil {
		return err
	}
	defer e.release()
	if e.ws.Load() != nil {
		return fmt.Errorf("the transport is already a WebSocket")
	}
	e.stopPolling()
	select {
	case <-e.polled:
	case <-ctx.Done():
		return fmt.Errorf("the last poll was not answered: %w", context.Cause(ctx))
	}
	if e.CloseReason() != "" {
		return fmt.Errorf("the connection ended")
	}
	if err := p.ws.writePart([]outgoing{{text: "5"}}, &e.opts); err != nil {
		return err
	}
	e.ws.Store(p.ws)
	e.http.CloseIdleConnections()
	e.wg.Go(func() { e.readLoop(p.ws) })
	return nil
}

func (e *Engine) stopPolling() { e.stopOnce.Do(func() { close(e.stopPoll) }) }

// withPollLimit returns a context that ends after pollLimit: the server may
// hold back the answer to a poll until the next ping.
func (e *Engine) withPollLimit() (context.Context, context.CancelFunc) {
	return withLimit(context.Background(), e.pollLimit())
}
