package engineio

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errorCode is the code in the body of an HTTP error, which clients act upon:
// after an unknown session id they open a new session.
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

// refuse answers an error. The text says little: it goes to strangers. If there is
// a body, which may not have come yet, the server is not to wait for it before the
// answer, and behind it for a moment only.
func refuse(w http.ResponseWriter, r *http.Request, status int, code errorCode, text string) {
	body, _ := json.Marshal(struct {
		Code    errorCode `json:"code"`
		Message string    `json:"message"`
	}{code, text}) // cannot fail
	answerRefusal(w, r, status, "application/json", body)
}

// refuseTooLarge refuses a body above MaxPayload. Like the official server's, the
// answer has no body.
func refuseTooLarge(w http.ResponseWriter, r *http.Request) {
	answerRefusal(w, r, http.StatusRequestEntityTooLarge, textPlain, nil)
}

func answerRefusal(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	if h := w.Header(); !slices.Contains(h["Vary"], "Origin") {
		h.Add("Vary", "Origin")
	}
	if r.ContentLength != 0 && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusalPatience))
	}
	_ = reply(w, status, contentType, body, patience{still: refusalPatience}) // whoever asked may be gone
}

// refuse is refuse, and counts it.
func (e *Engine) refuse(w http.ResponseWriter, r *http.Request, why Cause, status int, code errorCode, text string) {
	e.counters.refuse(why)
	refuse(w, r, status, code, text)
}

// refusalPatience is how long the writing of a refusal may take, and how long a
// connection is kept for the rest of what was refused.
const refusalPatience = 5 * time.Second

const textPlain = "text/plain; charset=UTF-8"

// patience is how long an answer may take.
type patience struct {
	still time.Duration // without progress
	total time.Duration // whatever progress is made; 0: as long as it takes

	progress func() // called when a part was written and more follows, if not nil
}

// reply writes an answer. The site's own write deadline may have been lifted to
// wait for it; what counts here is the patience: os.ErrDeadlineExceeded says that it
// has ended.
func reply(w http.ResponseWriter, status int, contentType string, body []byte, p patience) error {
	h := w.Header()
	h.Set("Content-Type", contentType)
	if !hasToken(h["Cache-Control"], "no-store") {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	rc := http.NewResponseController(w)
	begun := time.Now()
	for len(body) > 0 {
		n := min(len(body), writeChunk)
		by := time.Now().Add(p.still)
		if end := begun.Add(p.total); p.total > 0 && end.Before(by) {
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
		if body = body[n:]; len(body) > 0 && p.progress != nil {
			p.progress()
		}
	}
	return nil // the deadline ends with the request
}

// query is what the query string of a request says to an engine.
type query struct {
	eio, transport, sid parameter
	b64                 bool
}

type parameter struct {
	value   string
	count   int
	differs bool // it came with two values
}

// single reports whether there is one value, however often it came: some clients add
// a parameter that the URL they were given has already.
func (p *parameter) single() bool { return p.count > 0 && !p.differs }

// parseQuery looks at the parameters that matter and no others, of which there
// may be many.
func parseQuery(raw string) query {
	var q query
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		var p *parameter
		switch name {
		case "EIO":
			p = &q.eio
		case "transport":
			p = &q.transport
		case "sid":
			p = &q.sid
		case "b64":
			q.b64 = value != "" && value != "0" && value != "false"
			continue
		default:
			continue
		}
		value, _ = url.QueryUnescape(value) // malformed: empty, which is no valid value of any
		p.differs = p.differs || p.count > 0 && value != p.value
		p.count++
		p.value = value
	}
	return q
}

// ServeHTTP answers every request of the protocol: handshakes, polls, posts,
// WebSocket upgrades and preflights.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := parseQuery(r.URL.RawQuery)
	if !e.opts.Origins.admit(w, r, q.transport.value == string(WebSocket)) {
		e.warnOrigin(r)
		e.refuse(w, r, CauseOrigin, http.StatusForbidden, codeForbidden, textForbidden)
		return
	}
	if r.Method == http.MethodOptions && !hasUnreadBody(r) {
		answerPreflight(w, r)
		return
	}
	if q.transport.count == 0 && e.opts.Aside != nil && e.opts.Aside(w, r) {
		return
	}
	if q.isEmpty() && asksForScript(r) {
		e.answerScript(w, r)
		return
	}
	transport := Transport(q.transport.value)
	if q.transport.count != 1 || !e.serves(transport) {
		e.warnTransport(transport)
		e.refuse(w, r, CauseRequest, http.StatusBadRequest, codeTransport, "Transport unknown")
		return
	}
	if q.sid.count == 0 {
		e.handshake(w, r, &q, transport)
		return
	}
	s, p := e.find(r, q)
	switch {
	case s == nil:
		e.warnUnknown()
		e.refuse(w, r, CauseUnknown, http.StatusBadRequest, codeUnknownSID, textUnknownSID)
	case !q.revisionKnown():
		e.warnRevision(&q)
		e.refuse(w, r, CauseRevision, http.StatusBadRequest, codeProtocol, "Unsupported protocol version")
	case hasUnreadBody(r):
		e.refuse(w, r, CauseRequest, http.StatusBadRequest, codeBadRequest, textBadRequest)
	case transport == WebSocket && r.Method == http.MethodGet && p.admission != Withheld:
		e.upgrade(w, r, s, q.b64)
	case transport == Polling && r.Method == http.MethodGet:
		s.servePoll(w, r, p)
	case transport == Polling && r.Method == http.MethodPost:
		s.servePost(w, r)
	default:
		e.refuse(w, r, CauseRequest, http.StatusBadRequest, codeBadRequest, textBadRequest)
	}
}

// hasUnreadBody reports whether r has a body where there is nothing to read. It
// would hold up the answer until all of it has come.
func hasUnreadBody(r *http.Request) bool { return r.ContentLength != 0 && r.Method != http.MethodPost }

func (q *query) isEmpty() bool { return q.eio.count+q.transport.count+q.sid.count == 0 }

func (q *query) revisionKnown() bool { return q.eio.single() && q.eio.value == "4" }

// find returns the session that the request names, if it is the requester's, and
// what the request may do. A session of somebody else is as unknown as one that
// does not exist.
func (e *Engine) find(r *http.Request, q query) (*Session, pass) {
	if q.sid.count != 1 {
		return nil, pass{}
	}
	s := e.session(q.sid.value)
	if s == nil {
		return nil, pass{}
	}
	p := s.admits(r)
	if p.admission == Refused {
		return nil, pass{}
	}
	if s.expired() {
		s.end(PingTimeout, abruptly, statusNormal)
		return nil, pass{}
	}
	return s, p
}

// handshake opens a session. What it does for a client that is refused is in functions of
// their own, or the stacks of the goroutines that all others run on would have to grow.
func (e *Engine) handshake(w http.ResponseWriter, r *http.Request, q *query, transport Transport) {
	if e.refusesHandshake(w, r, q, transport) {
		return
	}
	s, header, err := e.open(r, transport)
	switch {
	case err != nil:
		e.refuseHandshake(w, r, err)
	case transport == Polling:
		addHeader(w, header)
		s.servePoll(w, r, s.newPass())
	default:
		e.serveWebSocket(w, r, s, q.b64, header)
	}
}

// addHeader is not inlined, for the stack's sake, see handshake.
//
//go:noinline
func addHeader(w http.ResponseWriter, header http.Header) {
	for name, lines := range header {
		w.Header()[name] = append(w.Header()[name], lines...)
	}
}

// refusesHandshake answers a handshake that is none, and reports whether it was.
func (e *Engine) refusesHandshake(w http.ResponseWriter, r *http.Request, q *query, transport Transport) bool {
	switch {
	case r.Method != http.MethodGet:
		e.refuse(w, r, CauseRequest, http.StatusBadRequest, codeMethod, "Bad handshake method")
		return true
	case !q.revisionKnown():
		e.warnRevision(q)
		e.refuse(w, r, CauseRevision, http.StatusBadRequest, codeProtocol, "Unsupported protocol version")
		return true
	case hasUnreadBody(r):
		e.refuse(w, r, CauseRequest, http.StatusBadRequest, codeBadRequest, textBadRequest)
		return true
	case transport != WebSocket:
		return false
	}
	err := checkUpgrade(r)
	if err != nil {
		e.warnUpgrade(r, err)
		e.refuse(w, r, CauseRequest, http.StatusBadRequest, codeBadRequest, err.Error())
	}
	return err != nil
}

// refuseHandshake answers an error of Options.Open.
func (e *Engine) refuseHandshake(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *Refusal
	switch {
	case errors.Is(err, ErrClosed):
		e.refuse(w, r, CauseClosed, http.StatusServiceUnavailable, codeForbidden, "Server closed")
	case errors.As(err, &refusal):
		e.opts.Warn.Warn("refused "+string(refusal.Cause), "mojo: refused a handshake", "cause", string(refusal.Cause), "help", refusal.Help)
		e.refuse(w, r, refusal.Cause, refusal.Status, codeForbidden, refusal.Text)
	default:
		e.refuse(w, r, CauseForbidden, http.StatusForbidden, codeForbidden, textForbidden)
	}
}

// serveWebSocket takes the connection over for a session that was just opened. The
// header is for its answer.
func (e *Engine) serveWebSocket(w http.ResponseWriter, r *http.Request, s *Session, b64 bool, header http.Header) {
	conn, answer, early, err := takeOver(w, r, e.subprotocol(r), header)
	if err != nil {
		s.end(TransportError, brokenly, statusNormal)
		e.answerHijack(w, r, err)
		return
	}
	l := newLink(s, conn, b64)
	l.control, l.writing = answer, true
	e.addLink(l)
	s.mu.Lock()
	live := s.state == open
	if live {
		s.link = l
	} else {
		l.beginClose(statusGoingAway)
	}
	s.mu.Unlock()
	l.flush(nil)
	// From here on the HTTP server's buffers and this goroutine's stack are free.
	l.beginReading(early)
}

// answerHijack answers a request whose connection could not be taken over.
func (e *Engine) answerHijack(w http.ResponseWriter, r *http.Request, err error) {
	e.opts.Warn.Warn("hijack", "mojo: cannot take over a connection for a WebSocket", "error", err,
		"help", "the ResponseWriter of a middleware around the Server needs an Unwrap method, and http.TimeoutHandler must not be around it")
	refuse(w, r, http.StatusInternalServerError, codeBadRequest, textBadRequest)
}

// logProtocolError says why a session ends, or a WebSocket that probes. The text of
// err is one of a few and never the client's.
func (e *Engine) logProtocolError(s *Session, err error) {
	args := []any{"transport", string(s.Transport()), "error", err}
	if errors.Is(err, errTooLarge) || errors.Is(err, errWSTooBig) {
		args = append(args, "help", "Options.Limits.MaxPayload is what a client may send at once")
	}
	e.opts.Warn.Warn("protocol "+err.Error(), "mojo: closed a connection whose client broke the protocol", args...)
}
