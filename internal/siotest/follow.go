package siotest

import (
	"encoding/json"
	"net/http"
	"time"
)

// identityEvent asks a page to prove that it is of the browser that has logged in,
// and identityHeader is the header of the proof. See mojo.IdentityEvent.
const (
	identityEvent  = "mojo:identity"
	identityHeader = "X-Mojo-Identity"
)

// follows reports whether f is an identityEvent that the client answers by itself,
// as a page with mojo.js does.
func (c *Client) follows(f *frame) bool {
	if c.Engine.opts.Page == nil || f.kind != typeEvent {
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
	c.Engine.wg.Go(func() { c.prove(told.Proof) })
	return true
}

// prove sends the proof with the cookies that the browser has, until these are the
// ones of the login.
func (c *Client) prove(value string) {
	const pause = 10 * time.Millisecond
	e := c.Engine
	for {
		e.SetHeader(e.opts.Page())
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

// Prove sends the value of an identity event with the header of the requests to
// come, and returns the status of the answer.
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
