package hub

import (
	"crypto/rand"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// A login moves the connections of a browser's session to a user. Others may
// know the session id, too: somebody may even have planted it. So a connection
// gets a user that it did not have only with a proof that it belongs to the
// browser that logged in. Until then it is nobody's, and has a claim.

// Claim is the identity that a connection gets with a proof. It is immutable,
// its Proof is not.
type Claim struct {
	To   command.Identified
	From *Binding // what the applications know the connection as
	*Proof
}

// Proof is what a claim waits for. A claim that replaces another keeps its
// Proof. The methods are safe for concurrent use.
type Proof struct {
	Value string // proves that a request belongs to the connection
	since time.Time
	ask   time.Duration // Config.AskTime
	now   func() time.Time
	told  atomic.Int64 // when the client was told the value, after since; 0: not yet
	tried atomic.Bool  // the client has tried
	mute  atomic.Bool  // a poll has come with the new cookies, and polls prove nothing
}

// proofTime is how long a connection may take to prove its claim. A WebSocket
// whose page does not try within Config.AskTime is closed sooner: the page does
// not know how to, and is connected again sooner that way.
const proofTime = 5 * time.Second

// Told notes that the client was told the value. It reports whether that is the
// first time.
func (p *Proof) Told() (first bool) {
	return p.told.CompareAndSwap(0, int64(max(p.now().Sub(p.since), 1)))
}

// Tried notes that the client tries to prove its claim. It reports whether that
// is the first time.
func (p *Proof) Tried() (first bool) { return !p.tried.Swap(true) }

// Muted notes that polls of the client prove nothing. It reports whether that
// is the first time.
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

// needsProof reports whether a connection that changes from one identity to
// another gets a user that it did not have.
func needsProof(from, to command.Identity) bool { return to.User != "" && to.User != from.User }

// claim returns the binding of a connection that has to prove that it is `to`.
// A claim that it has already is changed and keeps its Proof.
func (h *Hub) claim(b *Binding, to command.Identified) *Binding {
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

// Claimant returns the connection whose claim has this value, nil if there is
// none.
func (h *Hub) Claimant(value string) *Conn {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.claimants[value]
}

// Prove binds a connection to what it claims, if `now` is that and still
// counts. It returns the binding that the applications know the connection as,
// and the new one; without a change both are nil.
func (h *Hub) Prove(c *Conn, now command.Identified) (from, to *Binding, work presence.Work) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := c.Binding()
	if c.removed || b.Claim == nil || b.Claim.To.Identity != now.Identity {
		return nil, nil, presence.Work{}
	}
	if _, retired := h.ledger.Session(now.Session); retired || !h.ledger.LoginCounts(now.Identity, b.Claim.To.Proven) {
		return nil, nil, presence.Work{}
	}
	to = b.next(b.Claim.To)
	h.bindLocked(c, to)
	return b.Claim.From, to, h.presence.Work()
}

// means reports whether a selector is for the identity that is claimed and not
// for the one that the connection is bound to.
func (cl *Claim) means(sel *command.Selector, b *Binding) bool {
	return sel.Means(cl.To.Identity) && !sel.Means(b.Identity)
}
