package siotest

import (
	"context"
	"fmt"
)

// Upgrade changes the transport from polling to a WebSocket: probe, last poll,
// switch. No message is lost, in either direction. It fails the test if the
// server does not accept it.
func (e *Engine) Upgrade() {
	e.t.Helper()
	ctx, cancel := e.patience()
	defer cancel()
	if err := e.upgrade(ctx); err != nil {
		e.t.Fatalf("upgrade: %v%s", err, e.ending())
	}
}

// Upgrade is Engine.Upgrade, but sends the probe when no poll is in progress.
// The server ends a poll that reaches it after the probe only at its next
// check, so otherwise an upgrade can take time in a bubble.
func (c *Client) Upgrade() {
	e := c.Engine
	e.t.Helper()
	ctx, cancel := e.patience()
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

// Probe is an upgrade to which the server has answered "3probe". Polling
// continues beside it.
type Probe struct {
	engine *Engine
	ws     *wsConn
}

// Probe opens a WebSocket and sends "2probe" on it. It fails the test if
// "3probe" does not come.
func (e *Engine) Probe() *Probe {
	e.t.Helper()
	ctx, cancel := e.patience()
	defer cancel()
	p, err := e.probe(ctx)
	if err != nil {
		e.t.Fatalf("probe: %v%s", err, e.ending())
	}
	return p
}

// Complete ends the polling and sends "5".
func (p *Probe) Complete() {
	p.engine.t.Helper()
	ctx, cancel := p.engine.patience()
	defer cancel()
	if err := p.complete(ctx); err != nil {
		p.engine.t.Fatalf("upgrade: %v%s", err, p.engine.ending())
	}
}

// Abandon closes the WebSocket of the probe; the connection stays on polling.
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
		return nil, fmt.Errorf("it is a WebSocket already")
	}
	w, _, err := e.dialWebSocket(ctx, nil)
	if err != nil {
		return nil, err
	}
	err = w.writePart([]outgoing{{text: "2probe"}}, false)
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
		err = violation("%.60q came on the probing WebSocket, not 3probe", data)
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
		return fmt.Errorf("it is a WebSocket already")
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
	if err := p.ws.writePart([]outgoing{{text: "5"}}, false); err != nil {
		return err
	}
	e.ws.Store(p.ws)
	e.http.CloseIdleConnections()
	e.wg.Go(func() { e.readLoop(p.ws) })
	return nil
}

func (e *Engine) stopPolling() { e.stopOnce.Do(func() { close(e.stopPoll) }) }

// patience returns a context that ends after the limit for answers that the
// server holds back: a poll can last until the next ping.
func (e *Engine) patience() (context.Context, context.CancelFunc) {
	return withLimit(context.Background(), e.pollLimit())
}
