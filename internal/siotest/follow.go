package siotest

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// identityEvent asks a page to prove that it belongs to the browser that has
// logged in, and identityHeader is the header of the proof. See
// mojo.IdentityEvent.
const (
	identityEvent  = "mojo:identity"
	identityHeader = "X-Mojo-Identity"
)

// follows reports whether f is an identityEvent that the client answers by
// itself, as a page with mojo.js does.
func (c *Client) follows(f *frame) bool {
	if c.Engine.opts.Page == nil && !c.Engine.opts.Follow || f.kind != typeEvent {
		return false
	}
	name, args, err := f.event()
	if err != nil || name != identityEvent || len(args) != 1 {
		return false
	}
	var told struct{ Proof string }
	if json.Unmarshal(args[0], &told) != nil {
		return false
	}
	c.proofs.begin()
	c.Engine.wg.Go(func() {
		defer c.proofs.end()
		c.prove(told.Proof)
	})
	return true
}

// AwaitProofs waits until the server has answered the proofs that it had asked
// for before the call, or the connection has ended.
func (c *Client) AwaitProofs() error {
	ctx, cancel := c.Engine.site.WithLimit(context.Background())
	defer cancel()
	if err := c.tryBarrier(ctx); err != nil {
		return err
	}
	select {
	case <-c.proofs.none():
		return nil
	case <-c.Engine.closed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// proofs counts the proofs that the server has not answered.
type proofs struct {
	mu    sync.Mutex // guards the fields below
	count int
	ended chan struct{} // closed when count becomes 0; nil while it is
}

func (p *proofs) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count++; p.count == 1 {
		p.ended = make(chan struct{})
	}
}

func (p *proofs) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count--; p.count == 0 {
		close(p.ended)
		p.ended = nil
	}
}

// none returns a channel that is closed when the count is 0.
func (p *proofs) none() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return p.ended
	}
	none := make(chan struct{})
	close(none)
	return none
}

// prove sends the proof with the cookies of the browser, until these are the
// cookies of the login.
func (c *Client) prove(value string) {
	const pause = 10 * time.Millisecond
	e := c.Engine
	for {
		if e.opts.Page != nil {
			e.SetHeader(e.opts.Page())
		}
		status, err := e.Prove(value)
		if err != nil || status != http.StatusConflict {
			return
		}
		select {
		case <-e.closed:
			return
		case <-time.After(pause):
		}
	}
}

// Prove sends the value of an identity event, with the headers of the
// connection, and returns the status of the answer.
func (e *Engine) Prove(value string) (status int, err error) {
	r, err := http.NewRequestWithContext(e.ctx, http.MethodPost, e.site.URL+e.opts.Path, nil)
	if err != nil {
		return 0, err
	}
	e.setHeader(r)
	r.Header.Set(identityHeader, value)
	resp, err := e.http.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
