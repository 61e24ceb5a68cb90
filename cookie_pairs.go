package mojo

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// A browser keeps several cookies of one name if they differ in path or domain, and
// sends all that fit. That happens when a site changes CookieOptions.Path or Domain.

// maxCookieVerified is how many cookies of one name in one request are looked at.
const maxCookieVerified = 16

// sentCookies is the cookies of a request that are signed by one of the keys and in
// date, in the order in which the browser sent them.
type sentCookies struct {
	sessions, logins []cookieValue
}

// read verifies the cookies of a request, and says what was wrong with others.
func (c *Cookies) read(r *http.Request) (sent sentCookies, faults cookieFaults) {
	sent.sessions, faults = readCookies(r.CookiesNamed(c.sessionName), func(text string) (cookieValue, cookieFaults) {
		value, fault := c.open(c.sessionName, text, c.sessionCodecs)
		if fault == 0 && (value.id == "" || value.sessionID != "") {
			fault = cookieMalformed
		}
		return value, fault
	})
	var loginFaults cookieFaults
	sent.logins, loginFaults = readCookies(r.CookiesNamed(c.loginName), func(text string) (cookieValue, cookieFaults) {
		return c.open(c.loginName, text, c.loginCodecs)
	})
	return sent, faults | loginFaults
}

func readCookies(
	cookies []*http.Cookie, open func(text string) (cookieValue, cookieFaults),
) (values []cookieValue, faults cookieFaults) {
	if len(cookies) > maxCookieVerified {
		cookies, faults = cookies[:maxCookieVerified], cookieDuplicate
	}
	for _, cookie := range cookies {
		value, fault := open(cookie.Value)
		if faults |= fault; fault != 0 {
			continue
		}
		if len(values) > 0 && (values[0].id != value.id || values[0].sessionID != value.sessionID) {
			faults |= cookieDuplicate
		}
		values = append(values, value)
	}
	return values, faults
}

// pick returns the cookies that count: the newest login that is not bound to a session
// which is missing, with that session; and the newest session if there is no such
// login, or if it is not bound to one. Of two that were written in the same second it
// is the one that the browser sent last, which it got last if their paths are equally
// long, and among logins one that says that nobody is logged in.
//
// Sessions for which current returns false count only if there are no others. It may
// be nil.
func (sent sentCookies) pick(current func(sessionID string) bool) (proof, cookieFaults) {
	var p proof
	sessions := sent.sessions
	if len(sessions) > 1 && current != nil {
		sessions = currentSessions(sessions, current)
	}
	for _, session := range sessions {
		if !session.expires.Before(p.session.expires) {
			p.session = session
		}
	}
	var faults cookieFaults
	for _, login := range sent.logins {
		if login.sessionID != "" && newestOf(sessions, login.sessionID).id == "" {
			faults |= cookieUnbound
			continue
		}
		if login.isNewerThan(p.login) {
			p.login = login
		}
	}
	if p.login.sessionID != "" {
		p.session = newestOf(sessions, p.login.sessionID)
	}
	return p, faults
}

// currentSessions returns the sessions that are current, or all if none is.
func currentSessions(sessions []cookieValue, current func(sessionID string) bool) []cookieValue {
	var kept []cookieValue
	for _, session := range sessions {
		if current(session.id) {
			kept = append(kept, session)
		}
	}
	if len(kept) == 0 {
		return sessions
	}
	return kept
}

// newestOf returns the newest cookie of a session id, the zero value if there is none.
func newestOf(sessions []cookieValue, id string) (newest cookieValue) {
	for _, session := range sessions {
		if session.id == id && !session.expires.Before(newest.expires) {
			newest = session
		}
	}
	return newest
}

// isNewerThan reports whether a login takes the place of one that was sent before it.
func (v cookieValue) isNewerThan(earlier cookieValue) bool {
	if v.expires.Equal(earlier.expires) {
		return v.id == "" || earlier.id != ""
	}
	return v.expires.After(earlier.expires)
}

// sessionsBut returns the ids of the sessions other than one.
func (sent sentCookies) sessionsBut(id string) (others []string) {
	for _, session := range sent.sessions {
		if session.id != id {
			others = append(others, session.id)
		}
	}
	return others
}

// maxRemoved is how many bytes the lines may have, together, by which an answer removes
// cookies, and maxRemovedAlone if none is known to be there twice. Proxies refuse an
// answer whose header is long: for some that is 4 KiB.
const (
	maxRemoved      = 2 << 10
	maxRemovedAlone = maxRemoved / 4
)

// place is the path and the domain of a cookie.
type place struct{ path, domain string }

// expireOthers removes from a browser what it has, at other places, of the cookies that
// this answer sets. A request does not say where a cookie is kept, so the places are
// tried from which a browser would have sent it, as many as maxRemoved permits. A cookie
// of the name that does not verify may be another program's: none is removed then, unless
// several verify.
func (c *Cookies) expireOthers(w http.ResponseWriter, r *http.Request, sent sentCookies) {
	var names []string
	several := false
	for _, of := range []struct {
		name     string
		verified int
	}{{c.sessionName, len(sent.sessions)}, {c.loginName, len(sent.logins)}} {
		alone := of.verified == 1 && len(r.CookiesNamed(of.name)) == 1
		if (alone || of.verified > 1) && c.isSetBy(w.Header(), of.name) && !strings.HasPrefix(of.name, "__Host-") {
			names = append(names, of.name)
			several = several || of.verified > 1
		}
	}
	if len(names) == 0 {
		return
	}
	set := w.Header()["Set-Cookie"]
	most := maxRemovedAlone
	if several {
		most = maxRemoved
	}
	removed := c.removals(names, c.otherPlaces(r, several), most)
	if len(removed) == 0 {
		return
	}
	// What is set comes behind them: to some clients a host's own cookie and that of a
	// domain of the same name are one.
	set = slices.DeleteFunc(slices.Clone(set), func(line string) bool { return slices.Contains(removed, line) })
	w.Header()["Set-Cookie"] = append(removed, set...)
}

// isSetBy reports whether a header sets or removes the cookie of a name.
func (c *Cookies) isSetBy(header http.Header, name string) bool {
	cookie := c.cookie(name, "", -1)
	return slices.ContainsFunc(header["Set-Cookie"], func(line string) bool { return sets(line, cookie) })
}

// removals returns the lines that remove cookies of these names from the places, as long
// as they have no more than that many bytes.
func (c *Cookies) removals(names []string, places []place, most int) (lines []string) {
	size := 0
	for _, p := range places {
		for _, name := range names {
			cookie := c.cookie(name, "", -1)
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

// otherPlaces returns the places, but that of the cookies that are set now, from which a
// request's cookies may come, the likely ones first. One that comes alone will come
// beside the new one if it is kept for a parent domain or this very path, and is removed
// then.
func (c *Cookies) otherPlaces(r *http.Request, several bool) (places []place) {
	own := place{c.attributes.Path, c.attributes.Domain}
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

// mostPlaces bounds how many paths or domains are tried.
const mostPlaces = 12

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

// directoriesOf returns the directories that a path is in, from "/" on, first as most
// sites write them, then with a slash at the end.
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
