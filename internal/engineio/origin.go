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
}

// NewOrigins takes origins as browsers send them, scheme://host[:port], or "*" for
// any. They are trusted to be well formed.
func NewOrigins(list []string) Origins {
	o := Origins{listed: make(map[string]bool, len(list))}
	for _, origin := range list {
		if origin == "*" {
			o.any = true
			continue
		}
		o.listed[normalOrigin(origin)] = true
	}
	return o
}

// normalOrigin is the origin in lower case without the scheme's default port.
func normalOrigin(origin string) string {
	scheme, host, ok := strings.Cut(strings.ToLower(origin), "://")
	if !ok {
		return origin
	}
	return scheme + "://" + withoutDefaultPort(scheme, host)
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
// so in the headers of the answer: but for that to the handshake of a WebSocket, which no
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
	listed := o.listed[normalOrigin(origin)] || sameOrigin(r, origin)
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
	if u.Scheme != "https" && (u.Scheme != "http" || r.TLS != nil) {
		return false
	}
	host := strings.ToLower(r.Host)
	return withoutDefaultPort(u.Scheme, strings.ToLower(u.Host)) == withoutDefaultPort(u.Scheme, host)
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
