package socketio

import (
	"net/http"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/engineio"
)

// The refusals of handshakes.
var (
	errNoSession = &engineio.Refusal{
		Status: http.StatusForbidden, Cause: CauseNoSession, Text: "Forbidden",
		Help: "Options.RequireSession refuses clients without a valid session; wrap the site with EnsureSession, and check that its cookies reach the server",
	}
	errRevoked = &engineio.Refusal{
		Status: http.StatusForbidden, Cause: CauseRevoked, Text: "Forbidden",
		Help: "the session was ended by Revoke or Options.Revalidation.Check; a new login gives the browser another one",
	}
	errUnconnected = &engineio.Refusal{
		Status: http.StatusServiceUnavailable, Cause: CauseUnconnected, Text: "Too many connections",
		Help: "Options.Limits.MaxUnconnected is the number of connections that may be on no app yet",
	}
	errPanicked = &engineio.Refusal{
		Status: http.StatusInternalServerError, Cause: CausePanic, Text: "Internal server error",
		Help: "Options.Identify panicked, see the error in the log",
	}
)

// The causes that handshakes are refused for here.
const (
	CauseNoSession   engineio.Cause = "no session"
	CauseRevoked     engineio.Cause = "session revoked"
	CauseUnconnected engineio.Cause = "too many unfinished handshakes"
	CausePanic       engineio.Cause = "panic in Identify"
)

// welcome is how a connection is taken in.
type welcome uint8

const (
	admitted welcome = iota
	early            // as nobody, who should come again when the browser has its new cookies
)

// Guarded calls a site's own function for Options.Identify. A panic of it is an error,
// and counted.
func (s *Server) Guarded(identify func(*http.Request) (Identified, error), r *http.Request) (id Identified, err error) {
	returned := false
	defer func() {
		if !returned {
			s.panicked("Identify", recover())
			id, err = Identified{}, errPanicked
		}
	}()
	id, err = identify(r)
	returned = true
	return id, err
}

// admit finds out whose a connection is and enters it under that. It looks again if
// its session has changed meanwhile in a way that left no trace in the ledgers. The
// header is for the answer.
func (s *Server) admit(c *client, r *http.Request) (welcome, http.Header, error) {
	for {
		if err := r.Context().Err(); err != nil {
			return 0, nil, err
		}
		seen := s.registry.changesInPlace()
		is := new(standing)
		var err error
		if is.Identified, err = s.opts.Identify(r); err != nil {
			return 0, nil, err
		}
		begun := s.begin(c, r, &is.Identified)
		w, again, err := s.registry.admit(c, is, seen, &s.opts)
		if again {
			continue
		}
		s.warnCrowded(c.refusal)
		if begun == nil || err != nil || c.refusal != nil {
			return w, nil, err
		}
		begun.Taken()
		return w, begun.Header, nil
	}
}

// begin gives a connection that is about to be admitted a session, if Options.Begin
// does. A client that polls and keeps no cookies goes on as it came.
func (s *Server) begin(c *client, r *http.Request, id *Identified) *Begun {
	if s.opts.Begin == nil {
		return nil
	}
	begun := s.opts.Begin(r, *id)
	if begun == nil {
		return nil
	}
	if r.URL.Query().Get("transport") == string(engineio.Polling) {
		c.former = []former{{Identity: id.Identity}}
	}
	*id = begun.Identified
	return begun
}

func (r *registry) changesInPlace() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.inPlace.n
}

// changesInPlace is the latest sessions that became somebody else's and kept their
// id, for handshakes that may have been looked at before. registry.mu guards it.
type changesInPlace struct {
	n      int // of all
	latest [64]string
}

func (ch *changesInPlace) note(session string) {
	ch.latest[ch.n%len(ch.latest)] = session
	ch.n++
}

// since reports whether the session may be among those from the n-th change on.
func (ch *changesInPlace) since(n int, session string) bool {
	if ch.n-n > len(ch.latest) {
		return true
	}
	for ; n < ch.n; n++ {
		if ch.latest[n%len(ch.latest)] == session {
			return true
		}
	}
	return false
}

// admit enters a connection as it is, which it may change. One that comes with a session
// id that was given up is nobody, with a revoked one it is refused, and a login that does
// not count any more is none. `again` tells that whom it comes as may not be true any
// more.
func (r *registry) admit(c *client, is *standing, seen int, opts *Options) (w welcome, again bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inPlace.since(seen, is.Session) {
		return 0, true, nil
	}
	c.expected = is.Identity
	if gone, listed := r.retired.look(is.Session); listed {
		if gone.revoked {
			return 0, false, errRevoked
		}
		if time.Since(gone.since) < Settling {
			w = early
		}
		*is = standing{}
	}
	if !r.loginCounts(is.Identity, is.Proven) {
		is.User = ""
	}
	if opts.RequireSession && is.Session == "" {
		return 0, false, errNoSession
	}
	if !opts.CloseOldest {
		if c.refusal = r.crowded(is.Identity, opts); c.refusal != nil {
			*is = standing{}
		}
	}
	c.standing.Store(is)
	r.validity.moved(Identity{}, is.Identity)
	for k := Session; k < kinds; k++ {
		if id := is.key(k); id != "" {
			r.clients[k].add(id, c)
		}
	}
	return w, false, nil
}

// crowded says why no more connections of this identity are taken, nil if they are.
// It needs mu.
func (r *registry) crowded(id Identity, opts *Options) *Refusal {
	for _, l := range opts.limits() {
		if l.most > 0 && id.key(l.kind) != "" && r.clients[l.kind].count(id.key(l.kind)) >= l.most {
			return &Refusal{Message: l.text, Data: map[string]int{"limit": l.most}}
		}
	}
	return nil
}

// limit is how many connections there may be of one id.
type limit struct {
	kind Kind
	most int // 0: any number
	text string
}

func (o *Options) limits() [2]limit {
	return [...]limit{
		{Session, o.MaxPerSession, "too many connections of this session"},
		{User, o.MaxPerUser, "too many connections of this user"},
	}
}

// closeOldest closes the oldest connections of an identity that are above a limit, when
// another one, c, has asked for its first namespace. Before that a connection does not
// count: anybody can make a browser begin one, with an image for instance.
func (s *Server) closeOldest(c *client) {
	closed := s.registry.evictOldest(c, &s.opts)
	if len(closed) == 0 {
		return
	}
	s.warn.Later("replaced", "mojo: closed a connection for a newer one",
		"help", "Options.Limits.MaxConnsPerSession and Options.Limits.MaxConnsPerUser limit connections, and Options.Limits.ConnPolicy chooses")
	s.dismiss(closed, Revocation{Code: CodeReplaced, Reason: Replaced})
}

// evictOldest takes the oldest connections that are above a limit of the identity of c
// out of every index, and returns them. c is the newest.
func (r *registry) evictOldest(c *client, opts *Options) (evicted []*client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.numbered++; r.numbered == 0 {
		r.numbered++
	}
	c.number = r.numbered
	id := c.standing.Load().Identity
	for _, l := range opts.limits() {
		key := id.key(l.kind)
		if c.evicted || l.most == 0 || key == "" || r.clients[l.kind].count(key) <= l.most {
			continue
		}
		numbered := slices.DeleteFunc(slices.Clone(r.connections(l.kind, key)), func(c *client) bool { return c.number == 0 })
		slices.SortFunc(numbered, func(a, b *client) int { return int(int32(a.number - b.number)) })
		for _, old := range numbered[:max(len(numbered)-l.most, 0)] {
			r.evict(old)
			evicted = append(evicted, old)
		}
	}
	return evicted
}

// warnCrowded says that a connection is refused because of others, unless refusal is
// nil. It is not inlined: handshakes fit on the stack that net/http begins with.
//
//go:noinline
func (s *Server) warnCrowded(refusal *Refusal) {
	if refusal != nil {
		s.warn.Warn("crowded "+refusal.Message, "mojo: refused a connection", "cause", refusal.Message,
			"help", "Options.Limits.MaxConnsPerSession and Options.Limits.MaxConnsPerUser limit connections")
	}
}

// forget takes a connection that has ended out of every index.
func (r *registry) forget(c *client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.evict(c)
}

// drop needs mu.
func (r *registry) drop(c *client) {
	if c.evicted {
		return
	}
	c.evicted = true
	is := c.standing.Load()
	if is.claim != nil {
		r.claims.remove(c, is.claim)
	}
	r.validity.moved(is.Identity, Identity{})
	for k := Session; k < kinds; k++ {
		if id := is.key(k); id != "" {
			r.clients[k].remove(id, c)
		}
	}
}
