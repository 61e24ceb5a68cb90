// Package siblings finds sessions that one browser may have got at the same
// time.
//
// A browser that has no session yet can send two requests at once, with two
// tabs for instance. Each gets a session, and the browser keeps the one that
// arrives last. A connection that was opened under the other one in between
// would stay there: nothing that is sent to the browser's session would reach
// it, and no login would find it.
//
// Sessions that the same browser may have got at the same time are siblings.
// Connections under those siblings with which no page was requested since then
// have to be closed by their transport, once, so that they come back with the
// cookie that their browser has. The caller does that a moment after the
// answers of two requests that crossed, and when a user logs in who has no
// connection although a sibling has.
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
	// Settle is the time from an answer until its browser has stored the
	// cookie.
	Settle = time.Second
	// FreshTime is how long a session is remembered after it began.
	FreshTime = 30 * time.Second

	betweenSiblings = 5 * time.Second // the most between the beginnings of two siblings
	mostSessions    = 4096            // that are remembered
)

// Session is a session that has just begun.
type Session struct {
	id      string
	browser uint64 // a hash of what tells browsers apart, roughly
	begun   time.Time
	sessionByMu
}

// sessionByMu is guarded by List.mu.
type sessionByMu struct {
	answered     time.Time // when its cookie was sent; zero before
	seen         time.Time // when a page was requested with it
	requestEvent uint64    // the number of the event of the request
	answerEvent  uint64    // and of the answer; zero before
	scheduled    bool      // its siblings are about to be looked at
	settled      bool      // connections of its siblings were closed to come back
}

// ID returns the id of the session.
func (s *Session) ID() string { return s.id }

// List remembers the sessions that began a moment ago, a bounded number. Make
// one with New. It is safe for concurrent use.
type List struct {
	seed maphash.Seed

	mu sync.Mutex
	listByMu
}

// listByMu is guarded by List.mu.
type listByMu struct {
	events uint64     // the number of requests and answers so far, which orders them
	order  []*Session // oldest first
	byID   map[string]*Session
}

// New returns an empty List.
func New() *List {
	return &List{seed: maphash.MakeSeed(), listByMu: listByMu{byID: make(map[string]*Session)}}
}

// browserOf hashes what a request says about its browser. A client that says
// the same as another can make that one reconnect, once, so none of it needs to
// be true.
func (l *List) browserOf(r *http.Request) uint64 {
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

// IsBrowser reports whether a request is a browser's, which keeps one of
// several sessions that it gets at once. Other clients may keep none.
func IsBrowser(r *http.Request) bool {
	return r.Header.Get("Origin")+r.Header.Get("Sec-Fetch-Site") != "" && r.Header.Get("Accept-Language") != ""
}

// Begin adds a session that begins with the answer to r.
func (l *List) Begin(r *http.Request, id string) *Session {
	now := time.Now()
	s := &Session{id: id, browser: l.browserOf(r), begun: now}
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.order) > 0 && (len(l.order) >= mostSessions || now.Sub(l.order[0].begun) > FreshTime) {
		delete(l.byID, l.order[0].id)
		l.order[0] = nil
		l.order = l.order[1:]
	}
	l.events++
	s.requestEvent = l.events
	// A browser that keeps no cookies begins one session after another.
	s.settled = slices.ContainsFunc(l.siblingsLocked(s, false), func(s *Session) bool { return s.settled })
	l.order = append(l.order, s)
	l.byID[id] = s
	return s
}

// Forget removes a session that no browser will get. It does nothing for nil.
func (l *List) Forget(s *Session) {
	if s == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, s.id)
	l.order = slices.DeleteFunc(l.order, func(other *Session) bool { return other == s })
}

// Seen notes that a page was requested with a session.
func (l *List) Seen(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.byID[id]; s != nil {
		s.seen = time.Now()
	}
}

// Answered notes that the answer with which a session begins was sent.
func (l *List) Answered(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events++
	s.answered, s.answerEvent = time.Now(), l.events
}

// siblingsLocked returns a session with its siblings. If they have to cross,
// each request came before the other one was answered. l.mu must be held.
func (l *List) siblingsLocked(of *Session, crossing bool) (all []*Session) {
	for _, s := range l.order {
		switch {
		case s.browser != of.browser || s.begun.Sub(of.begun).Abs() > betweenSiblings:
		case !crossing || !s.endedBefore(of) && !of.endedBefore(s):
			all = append(all, s)
		}
	}
	return all
}

// endedBefore reports whether the answer with s was sent before the request of
// the other session came. List.mu must be held.
func (s *Session) endedBefore(other *Session) bool {
	return s.answerEvent != 0 && s.answerEvent < other.requestEvent
}

// Schedule returns a session that has siblings whose requests crossed, nil if
// it has none. The caller calls Lost when Settle has passed; until then
// Schedule returns nil for it.
func (l *List) Schedule(id string) *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.byID[id]
	if s == nil || s.scheduled || s.settled || len(l.siblingsLocked(s, true)) < 2 {
		return nil
	}
	s.scheduled = true
	return s
}

// Lost returns the ids among a session and its siblings with which no page was
// requested since the last of their answers.
func (l *List) Lost(id string, crossing bool) (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.byID[id]
	if of == nil {
		return nil
	}
	of.scheduled = false
	if of.settled {
		return nil
	}
	var since time.Time
	siblings := l.siblingsLocked(of, crossing)
	if len(siblings) < 2 {
		return nil
	}
	for _, s := range siblings {
		if s.answered.After(since) {
			since = s.answered
		}
	}
	for _, s := range siblings {
		if !s.seen.After(since.Add(Settle / 4)) { // the request may have left before
			ids = append(ids, s.id)
		}
	}
	return ids
}

// Settled notes that connections of the siblings of a session were closed to
// come back. They are not looked at again.
func (l *List) Settled(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if of := l.byID[id]; of != nil {
		for _, s := range l.siblingsLocked(of, false) {
			s.settled = true
		}
	}
}
