package engineio

import (
	"net/http"
	"path"
	"strings"
)

// asksForScript reports whether a page requests a client script. Other servers
// of the protocol serve one.
func asksForScript(r *http.Request) bool {
	switch path.Ext(r.URL.Path) {
	case ".js", ".mjs", ".map":
		return (r.Method == http.MethodGet || r.Method == http.MethodHead) && !hasUnreadBody(r)
	}
	return false
}

func (e *Engine) answerScript(w http.ResponseWriter, r *http.Request) {
	e.opts.Warn.Warn("script", "mojo: a page requested the client script, which this server does not serve",
		"file", path.Base(r.URL.Path), "help", scriptHelp)
	_ = reply(w, http.StatusNotFound, textPlain, []byte(strings.ToUpper(scriptHelp[:1])+scriptHelp[1:]+".\n"), writeLimits{idle: refusalTimeout})
}

const scriptHelp = "this server does not serve the client script: install socket.io-client from npm and bundle it, " +
	"or load its socket.io.min.js from your own files or from a CDN (https://socket.io/docs/v4/client-installation/)"
