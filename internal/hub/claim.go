package hub

import (
	"crypto/rand"
	"slices"
	"sync/atomic"
	"time"
)

// A login moves the connections of a browser's session to a user. Others may know
// the session id, too: somebody may even have planted it. So a connection gets a user
// that it did not have only with a proof that it belongs to the browser that logged
// in. Until then it is nobody's, and has a claim.

// Claim is the identity that a connection gets with a proof. It is immutable, its
// Proof is not.
type Claim struct {
	To   Identified
	From *Binding // what the applications know the connection as
	*Proof
}

// Proof is what a claim waits for. A claim that replaces another keeps its Proof. The
// methods are safe for concurrent use.
type Proof struct {
	Value string // proves that a request belongs to the connection
	since time.Time
	ask   time.Duration // Config.AskTime
	now   func() time.Time
	told  atomic.Int64 // when the client was told the value, after since; 0: not yet
	tried atomic.Bool  // the client has tried
	mute  atomic.Bool  // a poll has come with the new cookies, and polls prove nothing
}

// proofTime is how long a connection may be without a proof. A WebSocket whose page
// does not try, because it does not know how to, does better to reconnect sooner,
// after Config.AskTime.
const proofTime = 5 * time.Second

// Told notes that the client was told the value. It reports whether that is the first
// time.
func (p *Proof) Told() (first bool) {
	return p.told.CompareAndSwap(0, int64(max(p.now().Sub(p.since), 1)))
}

// Tried notes that the client tries to prove its claim. It reports whether that is
// the first time.
func (p *Proof) Tried() (first bool) { return !p.tried.Swap(true) }

// Muted notes that polls of the client prove nothing. It reports whether that is the
// first time.
func (p *Proof) Muted() (first bool) { return !p.mute.Swap(true) }

// Due is when to ask Hub.Lapse next.
func (p *Proof) Due() time.Time {
	told := time.Duration(p.told.Load())
	if p.tried.Load() || told == 0 {
		return p.since.Add(proofTime)
	}
	passed := (p.now().Sub(p.since) - told).Truncate(p.ask)
	return p.since.Add(min(told+passed+p.ask, proofTime))
}

// over reports whether the time for a proof is over. A client that polls always
// tries, unless its polls prove nothing.
func (p *Proof) over(polling bool) bool {
	passed, told := p.now().Sub(p.since), time.Duration(p.told.Load())
	tries := p.tried.Load() || polling && !p.mute.Load()
	return passed >= proofTime || told > 0 && passed-told >= p.ask && !tries
}

// needsProof reports whether a connection that changes from one identity to another
// gets a user that it did not have.
func needsProof(from, to Identity) bool { return to.User != "" && to.User != from.User }

// claims are the connections that have a claim. Hub.mu guards it.
type claims struct {
	byValue map[string]*Conn
	byID    [kinds]index[*Conn] // by the ids of Claim.To
}

func (cs *claims) addLocked(c *Conn, cl *Claim) {
	if cs.byValue == nil {
		cs.byValue = make(map[string]*Conn)
	}
	cs.byValue[cl.Value] = c
	for k := Session; k < kinds; k++ {
		if id := cl.To.Key(k); id != "" {
			cs.byID[k].add(id, c)
		}
	}
}

func (cs *claims) removeLocked(c *Conn, cl *Claim) {
	delete(cs.byValue, cl.Value)
	for k := Session; k < kinds; k++ {
		if id := cl.To.Key(k); id != "" {
			cs.byID[k].remove(id, c)
		}
	}
}

// ofLocked returns the connections that claim an id.
func (cs *claims) ofLocked(k Key) []*Conn { return cs.byID[k.Kind].members(k.ID) }

// claim returns the binding of a connection that has to prove that it is `to`. A
// claim that it has already is changed and keeps its Proof.
func (h *Hub) claim(b *Binding, to Identified) *Binding {
	cl := &Claim{To: to, From: b}
	if b.Claim != nil {
		cl.From, cl.Proof = b.Claim.From, b.Claim.Proof
	} else {
		cl.Proof = &Proof{Value: rand.Text(), since: h.config.Now(), ask: h.config.AskTime, now: h.config.Now}
	}
	next := &Binding{Version: b.Version + 1, Claim: cl}
	if cl.From.User != "" { // the applications are told now that it is nobody's
		cl.From = next
	}
	return next
}

// Claimant returns the connection whose claim has this value, nil if there is none.
func (h *Hub) Claimant(value string) *Conn {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.claims.byValue[value]
}

// Prove binds a connection to what it claims, if `now` is that and still counts. It
// returns the binding that the applications know the connection as, and the new one;
// without a change both are nil.
func (h *Hub) Prove(c *Conn, now Identified) (from, to *Binding, work PresenceWork) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := c.Binding()
	if c.removed || b.Claim == nil || b.Claim.To.Identity != now.Identity {
		return nil, nil, PresenceWork{}
	}
	if _, retired := h.ledger.session(now.Session); retired || !h.ledger.loginCounts(now.Identity, b.Claim.To.Proven) {
		return nil, nil, PresenceWork{}
	}
	to = b.next(b.Claim.To)
	h.bindLocked(c, to)
	return b.Claim.From, to, h.presence.workLocked()
}

// claimantsLocked returns the visible seats that a selector would mean if their
// claims were proven, and does not mean yet.
func (h *Hub) claimantsLocked(sel *Selector) (found []*Seat) {
	several := len(sel.Keys) > 1 // of which one connection can claim more than one
	except := h.exceptionsLocked(sel)
	add := func(c *Conn) {
		b := c.Binding()
		if sel.Means(b.Identity) || !sel.Means(b.Claim.To.Identity) {
			return
		}
		for _, s := range c.seats {
			if s.visible && (sel.Namespace == "" || sel.Namespace == s.namespace.name) && !except.haveLocked(s) && !(several && slices.Contains(found, s)) {
				found = append(found, s)
			}
		}
	}
	if len(sel.Keys) == 0 {
		for _, c := range h.claims.byValue {
			add(c)
		}
		return found
	}
	for _, k := range sel.Keys {
		for _, c := range h.claims.ofLocked(k) {
			add(c)
		}
	}
	return found
}
