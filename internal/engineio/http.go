package engineio

import (
	"errors"
	"net/http"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/engineio/origin"
	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// ServeHTTP answers every request of the protocol: handshakes, polls, POSTs,
// WebSocket upgrades and preflights.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := parseQuery(r.URL.RawQuery)
	if !e.opts.Origins.Admit(w, r, q.transport.value == string(WebSocket)) {
		e.warnOrigin(r)
		e.refuse(w, r, CauseOrigin, http.StatusForbidden, codeForbidden, textForbidden)
		return
	}
	q.revision = e.revision(&q)
	if q.revision == codec.Revision3 {
		origin.AllowCredentials(w, r) // clients of revision 3 send them unless told otherwise
	}
	if r.Method == http.MethodOptions && !hasUnreadBody(r) {
		origin.AnswerPreflight(w, r)
		return
	}
	if q.transport.count == 0 && e.opts.ServeOther != nil && e.opts.ServeOther(w, r) {
		return
	}
	if q.isEmpty() && asksForScript(r) {
		e.answerScript(w, r)
		return
	}
	transport := Transport(q.transport.value)
	jsonp := q.revision == codec.Revision3 && q.jsonp
	if q.transport.count != 1 || !e.serves(transport) || jsonp {
		e.warnTransport(transport, jsonp)
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
	case q.revision != s.revision:
		e.warnRevision(&q)
		e.refuse(w, r, CauseRevision, http.StatusBadRequest, codeProtocol, "Unsupported protocol version")
	case hasUnreadBody(r):
		e.refuse(w, r, CauseRequest, http.StatusBadRequest, codeBadRequest, textBadRequest)
	case transport == WebSocket && r.Method == http.MethodGet && p.admission != Withheld:
		e.upgrade(w, r, s, q.base64)
	case transport == Polling && r.Method == http.MethodGet:
		s.servePoll(w, r, p, q.base64)
	case transport == Polling && r.Method == http.MethodPost:
		s.servePost(w, r)
	default:
		e.refuse(w, r, CauseRequest, http.StatusBadRequest, codeBadRequest, textBadRequest)
	}
}

// revision returns the revision of the protocol that a request names, 0 if it
// is not served.
func (e *Engine) revision(q *query) codec.Revision {
	switch {
	case !q.eio.isSingle():
	case q.eio.value == "4":
		return codec.Revision4
	case q.eio.value == "3" && e.opts.AllowEIO3:
		return codec.Revision3
	}
	return 0
}

// hasUnreadBody reports whether r has a body that the engine does not read. The
// HTTP server would delay the answer until all of the body has arrived.
func hasUnreadBody(r *http.Request) bool { return r.ContentLength != 0 && r.Method != http.MethodPost }

// find returns the session that a request names, and what the request may do.
// If the handler refuses the request, find returns nil, as for a session that
// does not exist.
func (e *Engine) find(r *http.Request, q query) (*Session, permission) {
	if q.sid.count != 1 {
		return nil, permission{}
	}
	s := e.session(q.sid.value)
	if s == nil {
		return nil, permission{}
	}
	p := s.admits(r)
	if p.admission == Refused {
		return nil, permission{}
	}
	if s.pongIsOverdue() {
		s.end(PingTimeout, endAbruptly, websocket.StatusNormal)
		return nil, permission{}
	}
	s.heard()
	return s, p
}

// handshake opens a session. The code for refused clients is in other
// functions, because otherwise the stack of the goroutine would have to grow
// for all clients.
func (e *Engine) handshake(w http.ResponseWriter, r *http.Request, q *query, transport Transport) {
	if e.refusesHandshake(w, r, q, transport) {
		return
	}
	s, header, err := e.open(r, transport, q.revision)
	switch {
	case err != nil:
		e.refuseHandshake(w, r, err)
	case transport == Polling:
		addHeader(w, header)
		s.callOpened()
		s.servePoll(w, r, s.initialPermission(), q.base64)
	default:
		e.serveWebSocket(w, r, s, q.base64, header)
	}
}

// addHeader is not inlined, to keep the stack of handshake small.
//
//go:noinline
func addHeader(w http.ResponseWriter, header http.Header) {
	for name, lines := range header {
		w.Header()[name] = append(w.Header()[name], lines...)
	}
}

// refusesHandshake answers a request that is not a valid handshake, and reports
// whether it has answered.
func (e *Engine) refusesHandshake(w http.ResponseWriter, r *http.Request, q *query, transport Transport) bool {
	switch {
	case r.Method != http.MethodGet:
		e.refuse(w, r, CauseRequest, http.StatusBadRequest, codeMethod, "Bad handshake method")
		return true
	case q.revision == 0:
		e.warnRevision(q)
		e.refuse(w, r, CauseRevision, http.StatusBadRequest, codeProtocol, "Unsupported protocol version")
		return true
	case hasUnreadBody(r):
		e.refuse(w, r, CauseRequest, http.StatusBadRequest, codeBadRequest, textBadRequest)
		return true
	case transport != WebSocket:
		return false
	}
	err := websocket.CheckHandshake(r)
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

// answerHijack answers a request whose connection could not be taken over.
func (e *Engine) answerHijack(w http.ResponseWriter, r *http.Request, err error) {
	e.opts.Warn.Warn("hijack", "mojo: cannot take over a connection for a WebSocket", "error", err,
		"help", "the ResponseWriter of a middleware around the Server needs an Unwrap method, and http.TimeoutHandler must not be around it")
	refuse(w, r, http.StatusInternalServerError, codeBadRequest, textBadRequest)
}
