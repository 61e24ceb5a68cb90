package siotest

import (
	"context"
	"io"
	"net/http"
	"strings"
)

func (e *Engine) openPolling(ctx context.Context) error {
	status, header, body, err := e.request(ctx, http.MethodGet, "", "")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return &HTTPError{Status: status, Body: body, Header: header}
	}
	e.Response = header
	packets, err := e.opts.parsePayload(body, header)
	if err != nil {
		return err
	}
	if err := e.readOpenPacket(packets); err != nil {
		return err
	}
	e.receiveAll(packets[1:])
	e.wg.Go(e.sendLoop)
	if e.opts.ManualPoll {
		close(e.polled)
	} else {
		e.wg.Go(e.pollLoop)
	}
	return nil
}

// request sends one HTTP request of the polling transport.
func (e *Engine) request(ctx context.Context, method, body, contentType string) (int, http.Header, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.URL("polling"), strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	e.setHeader(req)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
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
	status, header, body, err := e.request(ctx, http.MethodGet, "", "")
	if err == nil && status != http.StatusOK {
		err = &HTTPError{Status: status, Body: body, Header: header}
	}
	if err != nil {
		return status, body, err
	}
	packets, err := e.opts.parsePayload(body, header)
	if err == nil {
		e.receiveAll(packets)
	}
	return status, body, err
}

// receiveAll receives the packets of a payload.
func (e *Engine) receiveAll(packets []Packet) {
	for _, p := range packets {
		if !e.receive(p) {
			return
		}
	}
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
	status, _, body, err := e.request(ctx, http.MethodPost, payload, contentType(false))
	if err != nil {
		e.t.Fatalf("POST: %v%s", err, e.endText())
	}
	return status, body
}

// post sends the packets of a part in as few POSTs as maxPayload allows.
func (e *Engine) post(part []outgoing) error {
	if e.opts.EIO3 {
		payload, binary := e.opts.join3(part)
		if payload == "" {
			return nil
		}
		return e.postPayload(payload, contentType(binary))
	}
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
			if err := e.postPayload(payload.String(), contentType(false)); err != nil {
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
	return e.postPayload(payload.String(), contentType(false))
}

func (e *Engine) postPayload(payload, contentType string) error {
	status, header, body, err := e.request(e.ctx, http.MethodPost, payload, contentType)
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
