package engineio

import (
	"net/http"
	"net/url"
	"strings"
)

// Origins says which sites' pages may talk to the engine besides its own. The
// zero value admits none.
type Origins struct {
	any    bool
	listed map[string]bool
	ask    func(r *http.Request, origin string) bool
}

// NewOrigins takes origins as browsers send them, scheme://host[:port] or "null",
// patterns of one leftmost label, scheme://*.host[:port], or "*" for any. They are
// trusted to be well formed. Origins that are not listed are admitted if ask returns
// true, unless it is nil; it must not panic.
func NewOrigins(list []string, ask func(r *http.Request, origin string) bool) Origins {
	o := Origins{listed: make(map[string]bool, len(list)), ask: ask}
	for _, origin := range list {
		if origin == "*" {
			o.any = true
			continue
		}
		o.listed[normalOrigin(origin)] = true
	}
	return o
}

// lists reports whether an origin is listed, or its host with any first label.
func (o *Origins) lists(origin string) bool {
	origin = normalOrigin(origin)
	if strings.Contains(origin, "*") {
		return false // it is no browser's, and would pass for a pattern
	}
	if o.listed[origin] {
		return true
	}
	scheme, host, _ := strings.Cut(origin, "://")
	label, parent, _ := strings.Cut(host, ".")
	return isLabel(label) && o.listed[scheme+"://*."+parent]
}

// isLabel reports whether s, in lower case, can be a label of a host name. Browsers
// send international names in ASCII.
func isLabel(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// normalOrigin is the origin in lower case without the scheme's default port. The
// schemes of WebSockets, which some clients outside of browsers send, are as those of
// HTTP.
func normalOrigin(origin string) string {
	scheme, host, ok := strings.Cut(strings.ToLower(origin), "://")
	if !ok {
		return origin
	}
	scheme = httpScheme(scheme)
	return scheme + "://" + withoutDefaultPort(scheme, host)
}

func httpScheme(scheme string) string {
	switch scheme {
	case "ws":
		return "http"
	case "wss":
		return "https"
	}
	return scheme
}

func withoutDefaultPort(scheme, host string) string {
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// admit decides whether the page that made the request may, and tells its browser
// so in the headers of the answer, except to the handshake of a WebSocket, which no
// script sees.
func (o *Origins) admit(w http.ResponseWriter, r *http.Request, webSocket bool) bool {
	h := w.Header()
	seen := !webSocket || len(r.Header["Upgrade"]) == 0 // a script's request cannot have that
	if seen {
		h.Add("Vary", "Origin")
	}
	values := r.Header.Values("Origin")
	switch {
	case len(values) == 0:
		return webSocket || !crossSite(r)
	case len(values) > 1:
		return false
	}
	origin := values[0]
	listed := o.lists(origin) || sameOrigin(r, origin) || !o.any && o.ask != nil && o.ask(r, origin)
	switch {
	case !seen:
	case listed:
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	case o.any:
		h.Set("Access-Control-Allow-Origin", "*")
	}
	return listed || o.any
}

// crossSite reports whether a browser says that another site's page made a request
// that has no Origin: an <img>, for instance, which must not open a session.
func crossSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// sameOrigin reports whether the origin is the one the request was sent to. Over
// plain HTTP it may still be https: then a proxy in front of us speaks TLS.
func sameOrigin(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Path != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	scheme := httpScheme(u.Scheme)
	if scheme != "https" && (scheme != "http" || r.TLS != nil) {
		return false
	}
	host := strings.ToLower(r.Host)
	return withoutDefaultPort(scheme, strings.ToLower(u.Host)) == withoutDefaultPort(scheme, host)
}

// answerPreflight answers a browser that asks what a permitted origin may do.
func answerPreflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
