// Package setcookie edits the Set-Cookie lines of an answer and tells caches
// about them.
package setcookie

import (
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

// uncachedCookie is the directive of Cache-Control that keeps caches from
// storing the Set-Cookie lines of an answer.
const uncachedCookie = `no-cache="Set-Cookie"`

// KeepFromCaches tells caches that an answer is for one browser: they must not
// give its Set-Cookie lines to anybody else.
func KeepFromCaches(header http.Header) {
	if !hasToken(header["Vary"], "Cookie") && !hasToken(header["Vary"], "*") {
		header.Add("Vary", "Cookie")
	}
	// "no-cache" alone says more, and a cache might believe the last of the
	// two.
	if !hasToken(header["Cache-Control"], uncachedCookie) && !hasToken(header["Cache-Control"], "no-cache") {
		header.Add("Cache-Control", uncachedCookie)
	}
}

// hasToken reports whether a comma-separated header has the token, in any case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}
