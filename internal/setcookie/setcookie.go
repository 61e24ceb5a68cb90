// Package setcookie edits the Set-Cookie lines of an answer and tells caches
// about them.
package setcookie

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// Set adds a cookie to a header. It replaces one that differs in value and age
// alone.
func Set(header http.Header, cookie http.Cookie) {
	header["Set-Cookie"] = append(slices.DeleteFunc(slices.Clone(header["Set-Cookie"]), func(line string) bool {
		return sets(line, cookie)
	}), cookie.String())
}

// sets reports whether a Set-Cookie line is about the cookie of that name,
// domain and path.
func sets(line string, cookie http.Cookie) bool {
	if !strings.HasPrefix(line, cookie.Name+"=") {
		return false
	}
	set, err := http.ParseSetCookie(line)
	return err == nil && set.Path == cookie.Path && strings.EqualFold(strings.TrimPrefix(set.Domain, "."), cookie.Domain)
}

// The lines by which an answer removes cookies have at most mostRemoved bytes
// together, and mostRemovedAlone if no cookie is known to be there twice.
// Proxies refuse an answer whose header is long: for some that is 4 KiB.
const (
	mostRemoved      = 2 << 10
	mostRemovedAlone = mostRemoved / 4

	mostPlaces = 12 // paths or domains that are tried
)

// Sent is a cookie that a browser sent.
type Sent struct {
	Cookie   http.Cookie // its name, and the attributes with which the site sets it
	Verified int         // how many cookies of its name the request has that verify
}

// place is the path and the domain of a cookie.
type place struct{ path, domain string }

// RemoveElsewhere removes from a browser the cookies of the same names that it
// keeps for other paths and domains, if the header of the answer sets them. A
// request does not say where a cookie is kept, so the places are tried from
// which a browser would have sent it. A cookie of the name that does not verify
// may belong to another program: none is removed then, unless several verify.
func RemoveElsewhere(header http.Header, r *http.Request, sent ...Sent) {
	var cookies []http.Cookie
	several := false
	for _, s := range sent {
		alone := s.Verified == 1 && len(r.CookiesNamed(s.Cookie.Name)) == 1
		if (alone || s.Verified > 1) && isSetBy(header, s.Cookie) && !strings.HasPrefix(s.Cookie.Name, "__Host-") {
			cookies = append(cookies, s.Cookie)
			several = several || s.Verified > 1
		}
	}
	if len(cookies) == 0 {
		return
	}
	most := mostRemovedAlone
	if several {
		most = mostRemoved
	}
	removed := removals(cookies, otherPlaces(r, place{cookies[0].Path, cookies[0].Domain}, several), most)
	if len(removed) == 0 {
		return
	}
	// The lines that set cookies stand behind these: for some clients a host's
	// own cookie and that of a domain of the same name are one.
	set := slices.DeleteFunc(slices.Clone(header["Set-Cookie"]), func(line string) bool { return slices.Contains(removed, line) })
	header["Set-Cookie"] = append(removed, set...)
}

func isSetBy(header http.Header, cookie http.Cookie) bool {
	return slices.ContainsFunc(header["Set-Cookie"], func(line string) bool { return sets(line, cookie) })
}

// removals returns the lines that remove these cookies from the places, as long
// as they have at most that many bytes.
func removals(cookies []http.Cookie, places []place, most int) (lines []string) {
	size := 0
	for _, p := range places {
		for _, cookie := range cookies {
			cookie.Value, cookie.MaxAge = "", -1
			cookie.Path, cookie.Domain = p.path, p.domain
			line := cookie.String()
			if size += len(line); size > most {
				return lines
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// otherPlaces returns the places other than the site's own from which a
// request's cookies may come, the likely ones first. A cookie that comes alone
// will come beside the new one if it is kept for a parent domain or this very
// path, and is removed then.
func otherPlaces(r *http.Request, own place, several bool) (places []place) {
	domains, paths := []string{"", own.domain}, directoriesOf(r.URL.EscapedPath())
	if several {
		domains = append(domains, domainsOf(r.Host)...)
		paths = append(paths, r.URL.EscapedPath())
	}
	for _, path := range paths {
		for _, domain := range domains {
			p := place{path, domain}
			valid := (&http.Cookie{Name: "x", Path: path, Domain: domain}).Valid() == nil
			if valid && p != own && !slices.Contains(places, p) {
				places = append(places, p)
			}
		}
	}
	return places
}

// domainsOf returns the domains that a host can set cookies for, its own first.
func domainsOf(host string) (domains []string) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return nil
	}
	for host = strings.ToLower(host); strings.Contains(host, ".") && len(domains) < mostPlaces; {
		domains = append(domains, host)
		_, host, _ = strings.Cut(host, ".")
	}
	return domains
}

// directoriesOf returns the directories that a path is in, from "/" on, first
// as most sites write them, then with a slash at the end.
func directoriesOf(path string) []string {
	directories := []string{"/"}
	var slashed []string
	for i := 1; i < len(path) && len(directories) < mostPlaces; i++ {
		if path[i] == '/' {
			directories = append(directories, path[:i])
			slashed = append(slashed, path[:i+1])
		}
	}
	return append(directories, slashed...)
}
