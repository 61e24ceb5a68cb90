package engineio

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// When the engine refuses a client, it logs a line with the level Warn, at most
// one a minute for each cause. The line says which option or setting helps. It
// contains no secret.

// warnOrigin logs that the origin of a request was not admitted.
func (e *Engine) warnOrigin(r *http.Request) {
	const text = "mojo: refused a request by its Origin"
	origins := r.Header.Values("Origin")
	switch len(origins) {
	case 0:
		e.opts.Warn.Warn("no-origin "+r.Host, text, "origin", "", "host", r.Host, "sec-fetch-site", r.Header.Get("Sec-Fetch-Site"),
			"help", "the request is from another site and names no Origin, like that of an image; pages that connect with "+
				"socket.io-client send an Origin, which Options.Origins can list")
	case 1:
		e.opts.Warn.Warn("origin "+origins[0]+" "+r.Host, text, "origin", origins[0], "host", r.Host,
			"help", "if pages of this origin may connect, list it in Options.Origins or admit it by Options.OriginFunc; "+
				"if it is the server's own, the proxy has to pass on the Host header of the browser "+
				"(nginx: proxy_set_header Host $http_host)")
	default:
		e.opts.Warn.Warn("origins", text, "origins", len(origins), "host", r.Host,
			"help", "a request has one Origin header; a proxy may have added another")
	}
}

func (e *Engine) warnTransport(t Transport, jsonp bool) {
	help := "clients ask with the query parameter transport, once, as polling or websocket"
	switch {
	case jsonp:
		help = "JSONP, the client's option forceJSONP, is not served; browsers since Internet Explorer 10 need none"
	case t == Polling || t == WebSocket:
		help = "Options.Transports decides which transports are served; the client's option transports has to match"
	}
	e.opts.Warn.Warn("transport "+string(t), "mojo: refused a request by its transport", "transport", string(t), "help", help)
}

func (e *Engine) warnRevision(q *query) {
	help := "clients ask with the query parameter EIO=4, and name the same in each request of a connection"
	if q.eio.value == "3" && !e.opts.AllowEIO3 {
		help = "socket.io-client 1.x and 2.x and other clients of Engine.IO 3 are served with Options.AllowEIO3"
	}
	e.opts.Warn.Warn("revision "+q.eio.value, "mojo: refused a request by its protocol revision", "EIO", q.eio.value, "help", help)
}

// warnUpgrade logs the error of websocket.CheckHandshake.
func (e *Engine) warnUpgrade(r *http.Request, err error) {
	help := "the client, or a proxy in front of the server, sent no valid WebSocket handshake"
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		help = "WebSockets are served over HTTP/1.1; a proxy has to speak it to the server (nginx: proxy_http_version 1.1)"
	case len(r.Header["Upgrade"]) == 0 || !websocket.HasToken(r.Header["Connection"], "upgrade"):
		help = "a proxy in front of the server has to pass on Upgrade and Connection " +
			"(nginx: proxy_set_header Upgrade $http_upgrade and proxy_set_header Connection \"upgrade\")"
	}
	e.opts.Warn.Warn("upgrade "+err.Error(), "mojo: refused a WebSocket handshake", "error", err, "help", help)
}

// eventRate counts events that are normal if they are rare, and a fault if they
// are frequent.
type eventRate struct {
	mu    sync.Mutex // guards the fields below
	begun time.Duration
	n     int
}

// isFrequent counts an event, and reports whether there were many events within
// a minute.
func (r *eventRate) isFrequent(now time.Duration) bool {
	const many = 10
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == 0 || now-r.begun >= time.Minute {
		r.begun, r.n = now, 0
	}
	r.n++
	return r.n >= many
}

// warnUnknown logs that requests name sessions that the engine does not have.
// After a restart of the server, or after its own computer has slept, each
// client makes one such request.
func (e *Engine) warnUnknown() {
	if !e.unknownSessions.isFrequent(e.now()) {
		return
	}
	e.opts.Warn.Warn("unknown session", "mojo: refused many requests for sessions that are unknown here",
		"help", "after a restart this is normal; if it goes on, several processes serve the clients and the load "+
			"balancer needs sticky sessions, or requests come with another identity than their handshake")
}

// warnWrapped logs that a handler around the Server has ended a poll.
func (e *Engine) warnWrapped() {
	e.opts.Warn.Warn("wrapped", "mojo: a poll was ended by a deadline that a handler around the Server has set",
		"help", "a poll waits for up to Options.Timeouts.PingInterval; mount the Server outside of http.TimeoutHandler "+
			"and of middleware that gives requests a deadline")
}

// warnSubprotocol logs that Options.Subprotocol has chosen a subprotocol that
// the client has not offered.
func (e *Engine) warnSubprotocol(chosen string) {
	e.opts.Warn.Warn("subprotocol", "mojo: Options.Subprotocol chose a subprotocol that the client has not offered, so the answer has none",
		"chosen", chosen)
}

// warnStall logs that a stall has ended a session.
func (e *Engine) warnStall() {
	e.opts.Warn.Warn("stall", "mojo: closed a connection whose handlers did not catch up",
		"help", "Options.Limits.MaxInbound limits the bytes that wait for handlers; a handler should not block")
}

// warnQueueFull logs that clients were closed because of Options.MaxQueue. It
// does not wait for the Logger.
func (e *Engine) warnQueueFull(clients int) {
	go e.opts.Warn.Warn("MaxQueue", "mojo: closing clients that read too slowly: more than Options.Limits.MaxQueue would be queued for each",
		"maxQueue", e.opts.MaxQueue, "clients", clients)
}

// warnTotalFull logs that clients were closed because of
// Options.MaxQueuedTotal. It does not wait for the Logger.
func (e *Engine) warnTotalFull(clients int) {
	go e.opts.Warn.Warn("MaxQueuedTotal", "mojo: closing the clients that are furthest behind: more than Options.Limits.MaxQueuedTotal is queued for all clients",
		"maxQueuedTotal", e.opts.MaxQueuedTotal, "clients", clients)
}

// logProtocolError logs why a session or a probing WebSocket ends. The text of
// err is one of a few, and contains nothing that the client sent.
func (e *Engine) logProtocolError(s *Session, err error) {
	args := []any{"transport", string(s.Transport()), "error", err}
	if errors.Is(err, errTooLarge) || errors.Is(err, websocket.ErrTooBig) {
		args = append(args, "help", "Options.Limits.MaxPayload is what a client may send at once")
	}
	e.opts.Warn.Warn("protocol "+err.Error(), "mojo: closed a connection whose client broke the protocol", args...)
}
