package socketio

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// A login moves the connections of a browser's session to a user. Others may know
// the session id, too: somebody may even have planted it. So a connection gets an
// identity that it did not have only with a proof that it belongs to the browser
// that logged in. Until then it is nobody's, and has a claim.
//
// The proof is a request with the new cookies: one of the connection itself, over
// polling, or one that carries the value that was sent on the connection as the
// event ClaimEvent. A login request can also name one connection of its session.
// Without a proof the connection is closed by its transport, so that its client
// comes back with the cookies that its browser has.

// claim is the identity that a connection gets with a proof. It is immutable.
type claim struct {
	to   Identified
	from *standing // what the Apps know the connection as
	*proof
}

// proof is what a claim waits for. A claim that takes the place of another has the
// same one.
type proof struct {
	value string // what proves that a request belongs to the connection
	since time.Time
	ask   time.Duration // Options.AskTime
	told  atomic.Int64  // when the client was told the value, after since; 0: not yet
	asked atomic.Bool   // the page has tried
	mute  atomic.Bool   // a poll has come with the new cookies, and polls prove nothing
}

// due is when to look next whether the time for a proof is over.
func (p *proof) due() time.Time {
	told := time.Duration(p.told.Load())
	if p.asked.Load() || told == 0 {
		return p.since.Add(proofTime)
	}
	passed := (time.Since(p.since) - told).Truncate(p.ask)
	return p.since.Add(min(told+passed+p.ask, proofTime))
}

// over reports whether the time for a proof is over. A client that polls always
// tries, unless its polls prove nothing.
func (p *proof) over(polling bool) bool {
	passed, told := time.Since(p.since), time.Duration(p.told.Load())
	tries := p.asked.Load() || polling && !p.mute.Load()
	return passed >= proofTime || told > 0 && passed-told >= p.ask && !tries
}

// ClaimEvent is the event that tells a client the value of its claim.
const ClaimEvent = "mojo:identity"

// proofTime is how long a connection may be without a proof. A WebSocket whose page
// does not try, because it does not know how to, is better off when it comes back
// sooner, after Options.AskTime.
const proofTime = 5 * time.Second

// needsProof reports whether a connection that changes from one identity to another
// becomes a user whom it was not.
func needsProof(from, to Identity) bool { return to.User != "" && to.User != from.User }

// claims are the connections that have a claim. registry.mu guards it.
type claims struct {
	byValue map[string]*client
	byID    [kinds]index[*client] // by the ids of claim.to
}

func (cs *claims) add(c *client, cl *claim) {
	if cs.byValue == nil {
		cs.byValue = make(map[string]*client)
	}
	cs.byValue[cl.value] = c
	for k := Session; k < kinds; k++ {
		if id := cl.to.key(k); id != "" {
			cs.byID[k].add(id, c)
		}
	}
}

func (cs *claims) remove(c *client, cl *claim) {
	delete(cs.byValue, cl.value)
	for k := Session; k < kinds; k++ {
		if id := cl.to.key(k); id != "" {
			cs.byID[k].remove(id, c)
		}
	}
}

// of returns the connections that claim an id.
func (cs *claims) of(k Kind, id string) []*client { return cs.byID[k].members(id) }

// newClaim returns the standing of a connection that has to prove that it is `to`.
// A claim that it has already is changed and keeps its value.
func (is *standing) newClaim(to Identified, ask time.Duration) *standing {
	cl := &claim{to: to, from: is}
	if is.claim != nil {
		cl.from, cl.proof = is.claim.from, is.claim.proof
	} else {
		cl.proof = &proof{value: newID(), since: time.Now(), ask: ask}
	}
	next := &standing{version: is.version + 1, claim: cl}
	if cl.from.User != "" { // the Apps are told now that it is nobody's
		cl.from = next
	}
	return next
}

// isOwnPoll reports whether a request is one that the client of the connection has made
// by itself. Another one of its browser may only be made to look like that: by an image
// of somebody else's in a page of the site, or by a link. Browsers say what makes a
// request, at least by https; of one that does not say it nothing is known.
func (c *client) isOwnPoll(r *http.Request) bool {
	if r.Method != http.MethodGet || c.session.Transport() != engineio.Polling {
		return false
	}
	switch mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest"); mode {
	case "":
		return r.Header.Get("Origin") != "" || !strings.Contains(r.UserAgent(), "Mozilla/")
	case "cors", "websocket":
		return dest == "empty" || dest == "websocket"
	}
	return false
}

// proves makes a connection what it claims, if `now` is that and still counts.
func (c *client) proves(now Identified) bool {
	s := c.server
	s.changes.Lock()
	defer s.changes.Unlock()
	from, to := s.registry.grant(c, now)
	if to == nil {
		return false
	}
	c.session.RenewPoll()
	for _, socket := range c.liveSockets() {
		socket.identityChanged(from, to)
	}
	c.watchExpiry()
	return true
}

// grant is the part of proves that happens at once, for all indexes. It returns
// what the Apps know the connection as, and what it is now.
func (r *registry) grant(c *client, now Identified) (from, to *standing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := c.standing.Load()
	if c.evicted || is.claim == nil || is.claim.to.Identity != now.Identity {
		return nil, nil
	}
	if _, listed := r.retired.look(now.Session); listed || !r.loginCounts(now.Identity, is.claim.to.Proven) {
		return nil, nil
	}
	to = &standing{Identified: is.claim.to, version: is.version + 1}
	r.move(c, to)
	return is.claim.from, to
}

// Proof is what becomes of a request that carries the value of a claim.
type Proof uint8

const (
	// NoClaim is for a value that is not known, or not any more.
	NoClaim Proof = iota
	// NotProven is for a request that does not come with the identity that is
	// claimed: its browser may not have the new cookies yet.
	NotProven
	// Proven is for a connection that has become what it claims.
	Proven
)

// Prove is called for a request that carries the value of a claim. While
// Options.Identify returns an error for it, it is not proven.
func (s *Server) Prove(value string, r *http.Request) Proof {
	s.registry.mu.RLock()
	c := s.registry.claims.byValue[value]
	s.registry.mu.RUnlock()
	if c == nil {
		return NoClaim
	}
	now, err := s.opts.Identify(r)
	if err == nil && (c.proves(now) || c.is(now.Identity)) { // a poll was faster
		return Proven
	}
	c.tries()
	return NotProven
}

// is reports whether a connection has this identity and no claim to another.
func (c *client) is(id Identity) bool {
	is := c.standing.Load()
	return is.claim == nil && is.Identity == id
}

// tries notes that the client of a claim tries to prove it.
func (c *client) tries() {
	if cl := c.standing.Load().claim; cl != nil && !cl.asked.Swap(true) {
		c.watchExpiry()
	}
}

// sendClaim tells the client the value of its claim, on each namespace that it is
// on, as it is not known which one its page listens on.
func (c *client) sendClaim() {
	var b engineio.Batch
	defer b.Flush()
	for _, s := range c.liveSockets() {
		s.mu.Lock()
		first := s.queueClaimLocked(&b)
		s.mu.Unlock()
		if first {
			c.watchExpiry()
		}
	}
}

// queueClaimLocked is sendClaim for one socket, and reports whether it is the first that
// is told. It does nothing without a claim, and for a socket that is not connected, which
// is told when it is.
func (s *Socket) queueClaimLocked(b *engineio.Batch) (first bool) {
	cl := s.client.standing.Load().claim
	if cl == nil || s.state != connected {
		return false
	}
	payload, _ := parser.EncodeOwnEvent(ClaimEvent, []any{struct {
		Proof string `json:"proof"`
	}{cl.value}}) // cannot fail
	_ = s.session.Queue(packet(parser.Event, s.namespace.name, payload), Delivery{Owner: s.namespace}, b)
	return cl.told.CompareAndSwap(0, int64(max(time.Since(cl.since), 1)))
}

// claimants returns the visible sockets that a target would mean if their claims
// were proven, and does not mean yet. registry.mu must be held.
func (r *registry) claimants(t *Target) (found []*Socket) {
	several := len(t.Keys) > 1 // of which one connection can claim more than one
	add := func(c *client) {
		is := c.standing.Load()
		if t.means(is.Identity) || !t.means(is.claim.to.Identity) {
			return
		}
		for _, s := range c.shown {
			if (t.View.Namespace == nil || t.View.Namespace == s.namespace) && !t.excepts(s) && !(several && slices.Contains(found, s)) {
				found = append(found, s)
			}
		}
	}
	if len(t.Keys) == 0 {
		for _, c := range r.claims.byValue {
			add(c)
		}
		return found
	}
	for _, k := range t.Keys {
		for _, c := range r.claims.of(k.Kind, k.ID) {
			add(c)
		}
	}
	return found
}
