package siotest

import (
	"context"
	"io"
	"net/http"
	"strings"
)

func (e *Engine) openPolling(ctx context.Context) error {
	status, header, body, err := e.request(ctx, http.MethodGet, "")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return &HTTPError{Status: status, Body: body, Header: header}
	}
	e.Response = header
	open, rest, more := strings.Cut(body, separator)
	if err := e.readOpenPacket(open); err != nil {
		return err
	}
	if more {
		if err := e.receivePayload(rest); err != nil {
			return err
		}
	}
	e.wg.Go(e.sendLoop)
	if e.opts.ManualPoll {
		close(e.polled)
	} else {
		e.wg.Go(e.pollLoop)
	}
	return nil
}

// request sends one HTTP request of the polling transport.
func (e *Engine) request(ctx context.Context, method, body string) (int, http.Header, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.URL("polling"), strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	e.setHeader(req)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	res, err := e.http.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(answer), err
}

// SetHeader replaces Options.Header for later requests.
func (e *Engine) SetHeader(h http.Header) { e.header.Store(&h) }

func (e *Engine) setHeader(req *http.Request) {
	for k, v := range *e.header.Load() {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
}

// pollLoop polls until the connection ends or is upgraded.
func (e *Engine) pollLoop() {
	defer close(e.polled)
	for {
		select {
		case <-e.stopPoll:
			return
		case <-e.closed:
			return
		default:
		}
		if _, _, err := e.poll(e.ctx); err != nil {
			e.finishWithError(err)
			return
		}
	}
}

func (e *Engine) poll(ctx context.Context) (int, string, error) {
	status, header, body, err := e.request(ctx, http.MethodGet, "")
	if err == nil && status != http.StatusOK {
		err = &HTTPError{Status: status, Body: body, Header: header}
	}
	if err == nil {
		err = e.receivePayload(body)
	}
	return status, body, err
}

// receivePayload receives the packets of a payload.
func (e *Engine) receivePayload(payload string) error {
	packets, err := parsePayload(payload)
	if err != nil {
		return err
	}
	for _, p := range packets {
		if !e.receive(p) {
			return nil
		}
	}
	return nil
}

// Poll sends one poll, for Options.ManualPoll, and returns the status and the
// payload of the answer. It handles the packets as usual: Next returns the
// messages, and pings are answered. A status other than 200 does not end the
// connection. Poll fails the test if there is no answer within the pingInterval
// plus Site.Limit.
func (e *Engine) Poll() (status int, payload string) {
	e.t.Helper()
	ctx, cancel := e.withPollLimit()
	defer cancel()
	status, payload, err := e.poll(ctx)
	if err != nil && status == 0 {
		e.t.Fatalf("poll: %v%s", err, e.endText())
	}
	if status == http.StatusOK && err != nil {
		e.t.Fatalf("answer to a poll: %v", err)
	}
	return status, payload
}

// Post sends a payload unchanged and immediately, even while another request is
// in progress.
func (e *Engine) Post(payload string) (status int, body string) {
	e.t.Helper()
	ctx, cancel := e.withPollLimit()
	defer cancel()
	status, _, body, err := e.request(ctx, http.MethodPost, payload)
	if err != nil {
		e.t.Fatalf("POST: %v%s", err, e.endText())
	}
	return status, body
}

// post sends the packets of a part in as few POSTs as maxPayload allows.
func (e *Engine) post(part []outgoing) error {
	var payload strings.Builder
	for _, item := range part {
		text := item.text
		if item.binary != nil {
			text = encodeBinary(item.binary)
		}
		if item.control != nil {
			continue
		}
		limit := e.Handshake.MaxPayload
		if payload.Len() > 0 && limit > 0 && payload.Len()+len(separator)+len(text) > limit {
			if err := e.postPayload(payload.String()); err != nil {
				return err
			}
			payload.Reset()
		}
		if payload.Len() > 0 {
			payload.WriteString(separator)
		}
		payload.WriteString(text)
	}
	if payload.Len() == 0 {
		return nil
	}
	return e.postPayload(payload.String())
}

func (e *Engine) postPayload(payload string) error {
	status, header, body, err := e.request(e.ctx, http.MethodPost, payload)
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return &HTTPError{Status: status, Body: body, Header: header}
	case body != "ok":
		return violation(`a POST was answered with %.60q, not "ok"`, body)
	}
	return nil
}
