package engineio

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// errorCode is the code in the body of an HTTP error. Clients act upon it:
// after codeUnknownSID they open a new session.
type errorCode int

const (
	codeTransport  errorCode = 0
	codeUnknownSID errorCode = 1
	codeMethod     errorCode = 2
	codeBadRequest errorCode = 3
	codeForbidden  errorCode = 4
	codeProtocol   errorCode = 5
)

const (
	textUnknownSID = "Session ID unknown"
	textBadRequest = "Bad request"
	textForbidden  = "Forbidden"
)

// refuse answers with an error. The text says little, because strangers may
// read it. If the body of the request has not arrived yet, the server answers
// without waiting for it, and waits only for refusalTimeout afterwards.
func refuse(w http.ResponseWriter, r *http.Request, status int, code errorCode, text string) {
	body, _ := json.Marshal(struct {
		Code    errorCode `json:"code"`
		Message string    `json:"message"`
	}{code, text}) // cannot fail
	answerRefusal(w, r, status, "application/json", body)
}

// refuseTooLarge refuses a body above MaxPayload. The answer has no body, like
// that of the official server.
func refuseTooLarge(w http.ResponseWriter, r *http.Request) {
	answerRefusal(w, r, http.StatusRequestEntityTooLarge, textPlain, nil)
}

func answerRefusal(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	if h := w.Header(); !slices.Contains(h["Vary"], "Origin") {
		h.Add("Vary", "Origin")
	}
	if r.ContentLength != 0 && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusalTimeout))
	}
	_ = reply(w, status, contentType, body, writeLimits{idle: refusalTimeout}) // the client may have disconnected
}

// refuse refuses a request and counts it.
func (e *Engine) refuse(w http.ResponseWriter, r *http.Request, cause Cause, status int, code errorCode, text string) {
	e.counters.refuse(cause)
	refuse(w, r, status, code, text)
}

// refusalTimeout is the time that writing a refusal may take. It is also the
// time for which the server reads what remains of the refused body.
const refusalTimeout = 5 * time.Second

// The Content-Types of payloads.
const (
	textPlain   = "text/plain; charset=UTF-8"
	octetStream = "application/octet-stream"
)

// writeLimits is the time that writing an answer may take.
type writeLimits struct {
	idle  time.Duration // without progress
	total time.Duration // for the whole answer; 0: no limit

	onProgress func() // called when a part was written and more follows, if not nil
}

// reply writes an answer. It sets write deadlines by the limits, because the
// deadline of the site may have been removed. The error is
// os.ErrDeadlineExceeded when a limit is exceeded.
func reply(w http.ResponseWriter, status int, contentType string, body []byte, limits writeLimits) error {
	h := w.Header()
	h.Set("Content-Type", contentType)
	if !websocket.HasToken(h["Cache-Control"], "no-store") {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	rc := http.NewResponseController(w)
	begun := time.Now()
	for len(body) > 0 {
		n := min(len(body), writeChunk)
		by := time.Now().Add(limits.idle)
		if end := begun.Add(limits.total); limits.total > 0 && end.Before(by) {
			by = end
		}
		_ = rc.SetWriteDeadline(by)
		_, err := w.Write(body[:n])
		if err == nil {
			err = rc.Flush()
		}
		switch {
		case err == nil, errors.Is(err, http.ErrNotSupported):
		case !time.Now().Before(by): // HTTP/2 reports a closed stream
			return os.ErrDeadlineExceeded
		default:
			return err
		}
		if body = body[n:]; len(body) > 0 && limits.onProgress != nil {
			limits.onProgress()
		}
	}
	return nil // the deadline ends with the request
}
