package siotest

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// identityEvent is the event that asks a page to prove that its browser has
// logged in. identityHeader is the header of the proof. See mojo.IdentityEvent.
const (
	identityEvent  = "mojo:identity"
	identityHeader = "X-Mojo-Identity"
)

// answersIdentityEvent reports whether f is an identityEvent that the client
// must answer, as a page with mojo.js does, and begins to answer it.
func (c *Client) answersIdentityEvent(f *frame) bool {
	if c.Engine.opts.Page == nil && !c.Engine.opts.Follow || f.kind != typeEvent {
		return false
	}
	name, args, err := f.event()
	if err != nil || name != identityEvent || len(args) != 1 {
		return false
	}
	var event struct{ Proof string }
	if json.Unmarshal(args[0], &event) != nil {
		return false
	}
	c.proofs.begin()
	c.Engine.wg.Go(func() {
		defer c.proofs.end()
		c.prove(event.Proof)
	})
	return true
}

// AwaitProofs waits for the server's answers to all proofs that it asked for
// before the call. It returns early if the connection ends.
func (c *Client) AwaitProofs() error {
	ctx, cancel := c.Engine.site.WithLimit(context.Background())
	defer cancel()
	if err := c.tryBarrier(ctx); err != nil {
		return err
	}
	select {
	case <-c.proofs.allAnswered():
		return nil
	case <-c.Engine.closed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// proofs counts the proofs that the server has not answered.
type proofs struct {
	mu       sync.Mutex // guards the fields below
	count    int
	answered chan struct{} // closed when count becomes 0; nil while count is 0
}

func (p *proofs) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count++; p.count == 1 {
		p.answered = make(chan struct{})
	}
}

func (p *proofs) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count--; p.count == 0 {
		close(p.answered)
		p.answered = nil
	}
}

// allAnswered returns a channel that is closed when no proof is unanswered.
func (p *proofs) allAnswered() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answered != nil {
		return p.answered
	}
	allAnswered := make(chan struct{})
	close(allAnswered)
	return allAnswered
}

// prove sends the proof with the cookies of the browser. It sends it again
// until the browser has the cookies of the login.
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
