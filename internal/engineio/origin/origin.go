// Package origin decides which web pages may talk to a server, by the Origin
// header of their requests.
package origin

import (
	"net/http"
	"net/url"
	"strings"
)

// Policy says which pages of other origins may talk to the server. The zero
// value admits none. A Policy does not change after New, and is safe for
// concurrent use.
type Policy struct {
	any    bool                                      // every origin is admitted
	listed map[string]bool                           // normalized origins and patterns
	ask    func(r *http.Request, origin string) bool // decides about origins that are not listed; may be nil
}

// New returns a Policy. The list has origins as browsers send them,
// scheme://host[:port] or "null", patterns for the leftmost label of a host,
// scheme://*.host[:port], or "*" for any origin. They must be well formed. The
// function ask decides about an origin that is not listed. It may be nil, and
// must not panic.
func New(list []string, ask func(r *http.Request, origin string) bool) Policy {
	p := Policy{listed: make(map[string]bool, len(list)), ask: ask}
	for _, origin := range list {
		if origin == "*" {
			p.any = true
			continue
		}
		p.listed[normalize(origin)] = true
	}
	return p
}

// lists reports whether the list has an origin, or a pattern that matches it.
func (p *Policy) lists(origin string) bool {
	origin = normalize(origin)
	if strings.Contains(origin, "*") {
		return false // browsers do not send this, and it would equal a pattern
	}
	if p.listed[origin] {
		return true
	}
	scheme, host, _ := strings.Cut(origin, "://")
	label, parent, _ := strings.Cut(host, ".")
	return isLabel(label) && p.listed[scheme+"://*."+parent]
}

// isLabel reports whether s, in lower case, can be a label of a host name.
// Browsers send international names in ASCII.
func isLabel(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// normalize returns an origin in lower case, without the default port of its
// scheme. It replaces the schemes ws and wss, which some clients send that are
// not browsers, by http and https.
func normalize(origin string) string {
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

// Admit reports whether the page that made the request may talk to the server,
// and sets the CORS headers of the answer. The answer to a WebSocket handshake
// has no such headers, because scripts cannot read it.
func (p *Policy) Admit(w http.ResponseWriter, r *http.Request, webSocket bool) bool {
	h := w.Header()
	readable := !webSocket || len(r.Header["Upgrade"]) == 0 // a script cannot set this header
	if readable {
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
	listed := p.lists(origin) || sameOrigin(r, origin) || !p.any && p.ask != nil && p.ask(r, origin)
	switch {
	case !readable:
	case listed:
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	case p.any:
		h.Set("Access-Control-Allow-Origin", "*")
	}
	return listed || p.any
}

// AllowCredentials lets a page of any origin read an answer to a request with
// credentials, where Admit has set an asterisk. A browser hides such an answer
// from the page unless it names the origin.
func AllowCredentials(w http.ResponseWriter, r *http.Request) {
	if h := w.Header(); h.Get("Access-Control-Allow-Origin") == "*" {
		h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// crossSite reports whether a browser says that a request without an Origin
// comes from a page of another site. An <img> element makes such requests; it
// must not open a session.
func crossSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// sameOrigin reports whether the origin is that of the server, as the request
// names it. A request without TLS may have an https origin, because a proxy in
// front of the server may terminate TLS.
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

// AnswerPreflight answers a preflight request of a page that Admit has
// admitted.
func AnswerPreflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
