package mojo

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// warnOfPlainHTTP says that the browser drops the cookies of the answer to r, if it
// does: with Secure they are for https alone. That is not to be seen on the server
// behind a proxy that ends TLS, so it goes by what the browser says of its page.
func (s *Server) warnOfPlainHTTP(r *http.Request) {
	if !s.opts.Cookies.attributes.Secure || r.TLS != nil || !isPlainHTTP(r) {
		return
	}
	s.warn.Warn("Insecure", "mojo: a browser is sent cookies with Secure by plain HTTP, and drops them: nobody can log in there; "+
		"serve the site by https or, for development, set CookieOptions.Insecure", "host", r.Host)
}

// isPlainHTTP reports whether a request is of a page that was loaded by plain HTTP,
// from another machine. Most browsers take Secure cookies of their own machine.
func isPlainHTTP(r *http.Request) bool {
	for _, name := range []string{"Origin", "Referer"} {
		page, err := url.Parse(r.Header.Get(name))
		if err == nil && page.Scheme == "http" && strings.EqualFold(page.Host, r.Host) {
			return !isLoopback(page.Hostname())
		}
	}
	return false
}

func isLoopback(host string) bool {
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}
