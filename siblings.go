package mojo

import (
	"hash/maphash"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A browser that has no session yet can send two requests at once, with two tabs for
// instance. Each gets a session, and the browser keeps the one that arrives last. A
// connection that it has opened under the other one in between would stay there for
// ever: nothing that is sent to the browser's session would reach it, and no login
// would find it.
//
// Sessions that the same browser may have got at the same time are siblings.
// Connections under those that no page has been asked for with since are closed by
// their transport, once, and come back with the cookie that their browser has. That
// is done a moment after the answers of two requests that crossed, and when somebody
// logs in who has no connection, though a sibling has.

const (
	siblingTime   = 5 * time.Second // between the beginnings of two siblings
	siblingSettle = time.Second     // from the later answer until browsers have stored it
	freshTime     = 30 * time.Second
	maxFresh      = 4096
)

// freshSession is a session that has just begun.
type freshSession struct {
	id       string
	browser  uint64 // a hash of what tells browsers apart, roughly
	begun    time.Time
	answered time.Time // when its cookie was on its way; zero before
	seen     time.Time // when a request for a page came with it
	first    uint64    // the numbers of what has happened: of the request,
	last     uint64    // and of the answer; zero before
	due      bool      // its siblings are about to be looked at
	settled  bool      // connections of its siblings have come again
}

// freshSessions are the sessions that have begun a moment ago, oldest first. It is
// bounded; the oldest give way.
type freshSessions struct {
	seed maphash.Seed

	mu     sync.Mutex // guards what follows
	events uint64     // requests and answers, to tell which was first
	order  []*freshSession
	byID   map[string]*freshSession
}

func newFreshSessions() *freshSessions {
	return &freshSessions{seed: maphash.MakeSeed(), byID: make(map[string]*freshSession)}
}

// browserOf hashes what a request says of its browser. A client that says the same as
// another can make it come again, once, so none of it needs to be true.
func (f *freshSessions) browserOf(r *http.Request) uint64 {
	var h maphash.Hash
	h.SetSeed(f.seed)
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

// begin notes a session that begins with the answer to r.
func (f *freshSessions) begin(r *http.Request, id string) *freshSession {
	now := time.Now()
	fresh := &freshSession{id: id, browser: f.browserOf(r), begun: now}
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.order) > 0 && (len(f.order) >= maxFresh || now.Sub(f.order[0].begun) > freshTime) {
		delete(f.byID, f.order[0].id)
		f.order[0] = nil
		f.order = f.order[1:]
	}
	f.events++
	fresh.first = f.events
	// A browser that keeps no cookies begins one session after another.
	fresh.settled = slices.ContainsFunc(f.siblings(fresh, false), func(s *freshSession) bool { return s.settled })
	f.order = append(f.order, fresh)
	f.byID[id] = fresh
	return fresh
}

// forget takes back a session that has begun, as no browser gets it. It does nothing
// for nil.
func (f *freshSessions) forget(fresh *freshSession) {
	if fresh == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byID, fresh.id)
	f.order = slices.DeleteFunc(f.order, func(other *freshSession) bool { return other == fresh })
}

// see notes that a request for a page has come with a session.
func (f *freshSessions) see(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fresh := f.byID[id]; fresh != nil {
		fresh.seen = time.Now()
	}
}

// answer notes that the answer which begins a session is on its way.
func (f *freshSessions) answer(fresh *freshSession) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events++
	fresh.answered, fresh.last = time.Now(), f.events
}

// siblings returns a session with its siblings. If they have to cross, each request
// has come before the other was answered. f.mu must be held.
func (f *freshSessions) siblings(of *freshSession, cross bool) (all []*freshSession) {
	for _, fresh := range f.order {
		switch {
		case fresh.browser != of.browser || fresh.begun.Sub(of.begun).Abs() > siblingTime:
		case !cross || !fresh.endedBefore(of) && !of.endedBefore(fresh):
			all = append(all, fresh)
		}
	}
	return all
}

// endedBefore reports whether the answer of one session was on its way before the
// request of another came.
func (fresh *freshSession) endedBefore(other *freshSession) bool {
	return fresh.last != 0 && fresh.last < other.first
}

// doubted returns a session that is to be looked at a moment later, because it has
// siblings, or nil. The caller has to do that.
func (f *freshSessions) doubted(id string) *freshSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh := f.byID[id]
	if fresh == nil || fresh.due || fresh.settled || len(f.siblings(fresh, true)) < 2 {
		return nil
	}
	fresh.due = true
	return fresh
}

// lost returns those of the siblings of a session that have not been seen since the
// last of their answers.
func (f *freshSessions) lost(id string, cross bool) (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	of := f.byID[id]
	if of == nil {
		return nil
	}
	of.due = false
	if of.settled {
		return nil
	}
	var since time.Time
	siblings := f.siblings(of, cross)
	if len(siblings) < 2 {
		return nil
	}
	for _, s := range siblings {
		if s.answered.After(since) {
			since = s.answered
		}
	}
	for _, s := range siblings {
		if !s.seen.After(since.Add(siblingSettle / 4)) { // the request may have left before
			ids = append(ids, s.id)
		}
	}
	return ids
}

// settle notes that connections of the siblings of a session come again.
func (f *freshSessions) settle(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if of := f.byID[id]; of != nil {
		for _, s := range f.siblings(of, false) {
			s.settled = true
		}
	}
}

// beginsElsewhere notes a session that begins with an answer which is not EnsureSession's,
// and that the browser may be without it for a moment.
func (s *Server) beginsElsewhere(r *http.Request, id string) {
	if !isBrowser(r) {
		return
	}
	fresh := s.fresh.begin(r, id)
	time.AfterFunc(siblingSettle, func() {
		s.fresh.answer(fresh)
		s.doubt(id)
	})
}

// isBrowser reports whether a request is a browser's, which keeps one session of
// several that it gets at once. Other clients may keep none.
func isBrowser(r *http.Request) bool {
	return r.Header.Get("Origin")+r.Header.Get("Sec-Fetch-Site") != "" && r.Header.Get("Accept-Language") != ""
}

// isFresh reports whether a session has begun a moment ago.
func (s *Server) isFresh(session cookieValue) bool {
	return session.id != "" && time.Since(s.opts.Cookies.written(session)) < freshTime
}

// doubt has the connections of a session and its siblings come again, if they may be
// under one that their browser does not have.
func (s *Server) doubt(id string) {
	if fresh := s.fresh.doubted(id); fresh != nil {
		time.AfterFunc(siblingSettle, func() { s.comeAgain(id, true) })
	}
}

func (s *Server) comeAgain(id string, cross bool) {
	closed := 0
	for _, lost := range s.fresh.lost(id, cross) {
		closed += s.sio.ComeAgain(lost)
	}
	if closed > 0 {
		s.fresh.settle(id)
	}
}
