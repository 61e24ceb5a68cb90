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

// maxExpired is how many cookies of one name are removed by one answer. A proxy may
// refuse an answer whose header is long.
const maxExpired = 12

// expireOthers removes from a browser what it has, under other paths and domains, of
// the cookies that this answer sets. A request does not say which these are, so those
// that a browser would have sent with it are tried. A cookie of the name that does not
// verify may be another program's: none is removed then, unless several verify.
func (c *Cookies) expireOthers(w http.ResponseWriter, r *http.Request) {
	sent, _ := c.read(r)
	c.expireOthersOf(w, r, c.sessionName, len(sent.sessions))
	c.expireOthersOf(w, r, c.loginName, len(sent.logins))
}

func (c *Cookies) expireOthersOf(w http.ResponseWriter, r *http.Request, name string, verified int) {
	set := c.cookie(name, "", -1)
	lines := w.Header()["Set-Cookie"]
	at := slices.IndexFunc(lines, func(line string) bool { return sets(line, set) })
	several, alone := verified > 1, verified == 1 && len(r.CookiesNamed(name)) == 1
	if at < 0 || !several && !alone || strings.HasPrefix(name, "__Host-") {
		return
	}
	domains, paths := []string{"", set.Domain}, directoriesOf(r.URL.EscapedPath())
	if several { // one alone that has such a domain or path will come beside the new one
		domains = append(domains, domainsOf(r.Host)...)
		paths = append(paths, r.URL.EscapedPath())
	}
	var others []http.Cookie
	for _, path := range paths {
		for i, domain := range domains {
			other := set
			other.Path, other.Domain = path, domain
			again := slices.Contains(domains[:i], domain) || path == set.Path && domain == set.Domain
			if !again && other.Valid() == nil {
				others = append(others, other)
			}
		}
	}
	if len(others) == 0 {
		return
	}
	for _, other := range others[:min(len(others), maxExpired)] {
		c.write(w, other)
	}
	// What is set comes behind them: to some clients a host's own cookie and that of a
	// domain of the same name are one.
	line := lines[at]
	lines = slices.DeleteFunc(w.Header()["Set-Cookie"], func(l string) bool { return l == line })
	w.Header()["Set-Cookie"] = append(lines, line)
}

// domainsOf returns the domains that a host can set cookies for, its own first.
func domainsOf(host string) (domains []string) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return nil
	}
	for host = strings.ToLower(host); strings.Contains(host, ".") && len(domains) < maxExpired; {
		domains = append(domains, host)
		_, host, _ = strings.Cut(host, ".")
	}
	return domains
}

// directoriesOf returns the directories that a path is in, from "/" on, each with and
// without a slash at its end.
func directoriesOf(path string) []string {
	directories := []string{"/"}
	for i := 1; i < len(path) && len(directories) < maxExpired; i++ {
		if path[i] == '/' {
			directories = append(directories, path[:i], path[:i+1])
		}
	}
	return directories
}
