package engineio

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// What shuts a client out leaves a Warn line, at most one a minute for each cause,
// that says which option or setting helps. No line holds a secret.

// warnOrigin says why Origins.admit refused a request.
func (e *Engine) warnOrigin(r *http.Request) {
	const text = "mojo: refused a request by its Origin"
	origins := r.Header.Values("Origin")
	switch len(origins) {
	case 0:
		e.opts.Warn.Warn("no-origin "+r.Host, text, "origin", "", "host", r.Host, "sec-fetch-site", r.Header.Get("Sec-Fetch-Site"),
			"help", "a page of another site asked without saying which, as an image does; pages that connect with "+
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

func (e *Engine) warnTransport(t Transport) {
	help := "clients ask with the query parameter transport, once, as polling or websocket"
	if t == Polling || t == WebSocket {
		help = "Options.Transports decides which transports are served; the client's option transports has to match"
	}
	e.opts.Warn.Warn("transport "+string(t), "mojo: refused a request by its transport", "transport", string(t), "help", help)
}

func (e *Engine) warnRevision(q *query) {
	help := "clients ask with the query parameter EIO=4"
	if q.eio.value == "3" {
		help = "Engine.IO 3 clients (socket.io-client 1.x and 2.x) are not served; socket.io-client 3 and later are"
	}
	e.opts.Warn.Warn("revision "+q.eio.value, "mojo: refused a request by its protocol revision", "EIO", q.eio.value, "help", help)
}

// warnUpgrade says why checkUpgrade refused a request.
func (e *Engine) warnUpgrade(r *http.Request, err error) {
	help := "the client, or a proxy in front of the server, sent no valid WebSocket handshake"
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		help = "WebSockets are served over HTTP/1.1; a proxy has to speak it to the server (nginx: proxy_http_version 1.1)"
	case len(r.Header["Upgrade"]) == 0 || !hasToken(r.Header["Connection"], "upgrade"):
		help = "a proxy in front of the server has to pass on Upgrade and Connection " +
			"(nginx: proxy_set_header Upgrade $http_upgrade and proxy_set_header Connection \"upgrade\")"
	}
	e.opts.Warn.Warn("upgrade "+err.Error(), "mojo: refused a WebSocket handshake", "error", err, "help", help)
}

// rush counts what is normal now and then and a fault when it is often.
type rush struct {
	mu    sync.Mutex // guards what follows
	begun time.Duration
	n     int
}

// often reports whether there were many within a minute, this one included.
func (r *rush) often(now time.Duration) bool {
	const many = 10
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == 0 || now-r.begun >= time.Minute {
		r.begun, r.n = now, 0
	}
	r.n++
	return r.n >= many
}

// warnUnknown says that requests name sessions that the engine does not have. After a
// restart, or the sleep of a computer, each client makes one.
func (e *Engine) warnUnknown() {
	if !e.unknown.often(e.now()) {
		return
	}
	e.opts.Warn.Warn("unknown session", "mojo: refused many requests for sessions that are unknown here",
		"help", "after a restart this is normal; if it goes on, several processes serve the clients and the load "+
			"balancer needs sticky sessions, or requests come with another identity than their handshake")
}

// warnWrapped says that a handler around the Server has ended a poll.
func (e *Engine) warnWrapped() {
	e.opts.Warn.Warn("wrapped", "mojo: a poll was cut by a deadline that a handler around the Server has set",
		"help", "long-polling waits on purpose, up to Options.Timeouts.PingInterval; mount the Server outside of http.TimeoutHandler "+
			"and of middleware that gives requests a deadline")
}

// subprotocol chooses the subprotocol that is answered to a WebSocket handshake, ""
// for none.
func (e *Engine) subprotocol(r *http.Request) string {
	if len(r.Header["Sec-Websocket-Protocol"]) == 0 {
		return ""
	}
	offered := subprotocols(r)
	switch {
	case len(offered) == 0:
		return ""
	case e.opts.Subprotocol == nil:
		return offered[0]
	}
	chosen := e.opts.Subprotocol(r, slices.Clone(offered))
	if chosen != "" && !slices.Contains(offered, chosen) {
		e.opts.Warn.Warn("subprotocol", "mojo: Options.Subprotocol chose what the client has not offered, so none is answered",
			"chosen", chosen)
		return ""
	}
	return chosen
}

// asksForScript reports whether a page wants a client script, which other servers of
// the protocol have under their mount.
func asksForScript(r *http.Request) bool {
	switch path.Ext(r.URL.Path) {
	case ".js", ".mjs", ".map":
		return (r.Method == http.MethodGet || r.Method == http.MethodHead) && !hasUnreadBody(r)
	}
	return false
}

func (e *Engine) answerScript(w http.ResponseWriter, r *http.Request) {
	e.opts.Warn.Warn("script", "mojo: a page asked for the client script, which this server does not serve",
		"file", path.Base(r.URL.Path), "help", scriptHelp)
	_ = reply(w, http.StatusNotFound, textPlain, []byte(strings.ToUpper(scriptHelp[:1])+scriptHelp[1:]+".\n"), patience{still: refusalPatience})
}

const scriptHelp = "this server does not serve the client script: install socket.io-client from npm and bundle it, " +
	"or load its socket.io.min.js from your own files or from a CDN (https://socket.io/docs/v4/client-installation/)"
