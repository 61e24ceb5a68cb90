// Package siblings finds sessions that the server gave to one browser at the
// same time.
//
// A browser that has no session yet can send two requests at once, for instance
// from two tabs. The server begins a session for each, and the browser keeps
// the one whose response arrives last. Meanwhile the browser may have opened a
// connection with the other session. That connection would never receive what
// is sent to the browser's session, and a login would not change it.
//
// Sessions that the same browser may have received at the same time are called
// siblings. A sibling with which no page was requested since is unused. The
// caller closes the transports of its connections once, so that their clients
// reconnect with the cookie that the browser has kept. It does so soon after
// the responses to two crossing requests, and when a user logs in whose session
// has no connection although a sibling has one.
package siblings

import (
	"hash/maphash"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// CookieDelay is the time after a response in which a browser stores the
	// cookie.
	CookieDelay = time.Second
	// MaxAge is the time for which a List remembers a session.
	MaxAge = 30 * time.Second

	maxInterval = 5 * time.Second // between the beginnings of two siblings
	maxSessions = 4096            // in a List
)

// Session is a session that has just begun.
type Session struct {
	id      string
	browser uint64 // see List.hashBrowser
	begun   time.Time
	sessionByMu
}

// sessionByMu is guarded by List.mu.
type sessionByMu struct {
	responseSent   time.Time // when the response with its cookie was sent; zero before that
	pageRequested  time.Time // the last time at which a page was requested with it
	requestEvent   uint64    // listByMu.events at the request
	responseEvent  uint64    // listByMu.events at the response; zero before that
	checkScheduled bool      // the caller will call Unused
	reconnected    bool      // connections of its siblings were closed, so that they reconnect
}

// ID returns the id of the session.
func (s *Session) ID() string { return s.id }

// List remembers new sessions. Their number is bounded. Make a List with New.
// It is safe for concurrent use.
type List struct {
	seed maphash.Seed

	mu sync.Mutex
	listByMu
}

// listByMu is guarded by List.mu.
type listByMu struct {
	events uint64     // counts requests and responses, to know their order
	order  []*Session // oldest first
	byID   map[string]*Session
}

// New returns an empty List.
func New() *List {
	return &List{seed: maphash.MakeSeed(), listByMu: listByMu{byID: make(map[string]*Session)}}
}

// hashBrowser returns a hash of the client's address and of headers that differ
// between browsers. A client can forge them. It can then only make another
// client reconnect once.
func (l *List) hashBrowser(r *http.Request) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	for _, s := range []string{
		host, r.Header.Get("X-Forwarded-For"), r.Header.Get("Forwarded"), r.UserAgent(), r.Header.Get("Accept-Language"),
	} {
		_, _ = h.WriteString(s)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// IsBrowser reports whether a request comes from a browser. A browser that
// receives several sessions at once keeps one. Other clients may keep none.
func IsBrowser(r *http.Request) bool {
	return r.Header.Get("Origin")+r.Header.Get("Sec-Fetch-Site") != "" && r.Header.Get("Accept-Language") != ""
}

// Begin adds a session that begins with the response to r.
func (l *List) Begin(r *http.Request, id string) *Session {
	now := time.Now()
	s := &Session{id: id, browser: l.hashBrowser(r), begun: now}
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.order) > 0 && (len(l.order) >= maxSessions || now.Sub(l.order[0].begun) > MaxAge) {
		delete(l.byID, l.order[0].id)
		l.order[0] = nil
		l.order = l.order[1:]
	}
	l.events++
	s.requestEvent = l.events
	// A client that keeps no cookies begins many sessions. It must not
	// reconnect after each.
	s.reconnected = slices.ContainsFunc(l.siblingsLocked(s, false), func(s *Session) bool { return s.reconnected })
	l.order = append(l.order, s)
	l.byID[id] = s
	return s
}

// Forget removes a session whose cookie will not be sent. It does nothing for
// nil.
func (l *List) Forget(s *Session) {
	if s == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, s.id)
	l.order = slices.DeleteFunc(l.order, func(other *Session) bool { return other == s })
}

// PageRequested records that a page was requested with a session.
func (l *List) PageRequested(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.byID[id]; s != nil {
		s.pageRequested = time.Now()
	}
}

// ResponseSent records that the response that begins a session was sent.
func (l *List) ResponseSent(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events++
	s.responseSent, s.responseEvent = time.Now(), l.events
}

// siblingsLocked returns a session and its siblings. With crossing, it returns
// only siblings that crossed with the session: each of the two requests arrived
// before the response to the other was sent. l.mu must be held.
func (l *List) siblingsLocked(session *Session, crossing bool) (all []*Session) {
	for _, s := range l.order {
		switch {
		case s.browser != session.browser || s.begun.Sub(session.begun).Abs() > maxInterval:
		case !crossing || !s.endedBefore(session) && !session.endedBefore(s):
			all = append(all, s)
		}
	}
	return all
}

// endedBefore reports whether the response that began s was sent before the
// request of the other session arrived. List.mu must be held.
func (s *Session) endedBefore(other *Session) bool {
	return s.responseEvent != 0 && s.responseEvent < other.requestEvent
}

// ScheduleCheck returns the session if it has siblings whose requests crossed,
// and nil otherwise. The caller must call Unused after CookieDelay. Until then
// ScheduleCheck returns nil for the session.
func (l *List) ScheduleCheck(id string) *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.byID[id]
	if s == nil || s.checkScheduled || s.reconnected || len(l.siblingsLocked(s, true)) < 2 {
		return nil
	}
	s.checkScheduled = true
	return s
}

// Unused returns the unused ones among a session and its siblings: no page was
// requested with them since the last of their responses.
func (l *List) Unused(id string, crossing bool) (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	session := l.byID[id]
	if session == nil {
		return nil
	}
	session.checkScheduled = false
	if session.reconnected {
		return nil
	}
	var since time.Time
	siblings := l.siblingsLocked(session, crossing)
	if len(siblings) < 2 {
		return nil
	}
	for _, s := range siblings {
		if s.responseSent.After(since) {
			since = s.responseSent
		}
	}
	for _, s := range siblings {
		if !s.pageRequested.After(since.Add(CookieDelay / 4)) { // the browser may have sent the request before it stored the cookie
			ids = append(ids, s.id)
		}
	}
	return ids
}

// Reconnected records that connections of the siblings of a session were
// closed, so that they reconnect. Unused returns nothing for these siblings
// from then on.
func (l *List) Reconnected(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if session := l.byID[id]; session != nil {
		for _, s := range l.siblingsLocked(session, false) {
			s.reconnected = true
		}
	}
}
