// Package setcookie edits the Set-Cookie lines of a response, and the headers
// that tell caches not to store them.
package setcookie

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// Set adds a cookie to the header of a response. It replaces a cookie of the
// same name, domain and path.
func Set(header http.Header, cookie http.Cookie) {
	header["Set-Cookie"] = append(slices.DeleteFunc(slices.Clone(header["Set-Cookie"]), func(line string) bool {
		return isFor(line, cookie)
	}), cookie.String())
}

// isFor reports whether a Set-Cookie line has the name, domain and path of the
// cookie.
func isFor(line string, cookie http.Cookie) bool {
	if !strings.HasPrefix(line, cookie.Name+"=") {
		return false
	}
	parsed, err := http.ParseSetCookie(line)
	return err == nil && parsed.Path == cookie.Path && strings.EqualFold(strings.TrimPrefix(parsed.Domain, "."), cookie.Domain)
}

// The lines that remove cookies have at most maxRemovedBytes bytes in total,
// and at most maxRemovedBytesSingle if the browser sent no cookie twice.
// Proxies refuse responses with long headers; the limit of some is 4 KiB.
const (
	maxRemovedBytes       = 2 << 10
	maxRemovedBytesSingle = maxRemovedBytes / 4

	maxScopes = 12 // the number of paths, and of domains
)

// RequestCookie is a cookie of a request.
type RequestCookie struct {
	Cookie   http.Cookie // the name, and the attributes with which the site sets the cookie
	Verified int         // how many cookies of this name in the request have a valid signature
}

// scope is the path and the domain of a cookie.
type scope struct{ path, domain string }

// RemoveOtherScopes removes old cookies from a browser: those that have the
// name of a cookie that the response sets, but another path or domain. A
// request does not tell the path and the domain of a cookie. So
// RemoveOtherScopes removes the cookie from all scopes in which the browser
// would have sent it.
//
// A cookie of the same name without a valid signature may belong to another
// program. Then RemoveOtherScopes removes no cookie of this name, unless
// several have a valid signature.
func RemoveOtherScopes(header http.Header, r *http.Request, requestCookies ...RequestCookie) {
	var cookies []http.Cookie
	several := false
	for _, c := range requestCookies {
		single := c.Verified == 1 && len(r.CookiesNamed(c.Cookie.Name)) == 1
		if (single || c.Verified > 1) && isSetBy(header, c.Cookie) && !strings.HasPrefix(c.Cookie.Name, "__Host-") {
			cookies = append(cookies, c.Cookie)
			several = several || c.Verified > 1
		}
	}
	if len(cookies) == 0 {
		return
	}
	maxBytes := maxRemovedBytesSingle
	if several {
		maxBytes = maxRemovedBytes
	}
	removed := removeLines(cookies, otherScopes(r, scope{cookies[0].Path, cookies[0].Domain}, several), maxBytes)
	if len(removed) == 0 {
		return
	}
	// The lines that set cookies come last. Some clients treat a cookie of a
	// host and a cookie of the domain with the same name as one cookie.
	other := slices.DeleteFunc(slices.Clone(header["Set-Cookie"]), func(line string) bool { return slices.Contains(removed, line) })
	header["Set-Cookie"] = append(removed, other...)
}

func isSetBy(header http.Header, cookie http.Cookie) bool {
	return slices.ContainsFunc(header["Set-Cookie"], func(line string) bool { return isFor(line, cookie) })
}

// removeLines returns lines that remove the cookies from the scopes. It stops
// before the lines have more than maxBytes bytes.
func removeLines(cookies []http.Cookie, scopes []scope, maxBytes int) (lines []string) {
	size := 0
	for _, s := range scopes {
		for _, cookie := range cookies {
			cookie.Value, cookie.MaxAge = "", -1
			cookie.Path, cookie.Domain = s.path, s.domain
			line := cookie.String()
			if size += len(line); size > maxBytes {
				return lines
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// otherScopes returns the scopes other than the site's own from which the
// cookies of a request may come, the most likely ones first. If the request has
// a single cookie, the list is short. An old cookie that it misses comes again
// in the next request, beside the new cookie, and is removed then.
func otherScopes(r *http.Request, own scope, several bool) (scopes []scope) {
	domains, paths := []string{"", own.domain}, directoriesOf(r.URL.EscapedPath())
	if several {
		domains = append(domains, domainsOf(r.Host)...)
		paths = append(paths, r.URL.EscapedPath())
	}
	for _, path := range paths {
		for _, domain := range domains {
			s := scope{path, domain}
			valid := (&http.Cookie{Name: "x", Path: path, Domain: domain}).Valid() == nil
			if valid && s != own && !slices.Contains(scopes, s) {
				scopes = append(scopes, s)
			}
		}
	}
	return scopes
}

// domainsOf returns the domains for which a host can set cookies, beginning
// with the host itself.
func domainsOf(host string) (domains []string) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return nil
	}
	for host = strings.ToLower(host); strings.Contains(host, ".") && len(domains) < maxScopes; {
		domains = append(domains, host)
		_, host, _ = strings.Cut(host, ".")
	}
	return domains
}

// directoriesOf returns the parent directories of a path, from "/" on: first
// all without a slash at the end, as most sites set them, then all with one.
func directoriesOf(path string) []string {
	directories := []string{"/"}
	var withSlash []string
	for i := 1; i < len(path) && len(directories) < maxScopes; i++ {
		if path[i] == '/' {
			directories = append(directories, path[:i])
			withSlash = append(withSlash, path[:i+1])
		}
	}
	return append(directories, withSlash...)
}
