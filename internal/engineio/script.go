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
	if e.opts.ServeScript != nil && e.opts.ServeScript(w, r) {
		return
	}
	e.opts.Warn.Warn("script", "mojo: a page requested a client script, which this server does not serve",
		"file", path.Base(r.URL.Path), "help", scriptHelp)
	_ = reply(w, http.StatusNotFound, textPlain, []byte(strings.ToUpper(scriptHelp[:1])+scriptHelp[1:]+".\n"), writeLimits{idle: refusalTimeout})
}

const scriptHelp = "this server does not serve the client script: set Options.Client to the folder dist of the npm package " +
	"socket.io-client, bundle it with the page, or load socket.io.min.js from a CDN (https://socket.io/docs/v4/client-installation/)"
