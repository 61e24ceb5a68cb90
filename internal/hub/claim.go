package hub

import (
	"crypto/rand"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// A login changes the user of all connections of a session. But an attacker may
// know the session id, or may even have set it (session fixation). So a
// connection gets a new user only after a proof that it belongs to the browser
// that logged in. Until then it has no identity, and it has a claim.

// Claim is the identity that a connection gets after a proof. It is immutable;
// its Proof is not.
type Claim struct {
	To   command.Identified
	From *Binding // the identity that the applications see
	at   command.Clock
	*Proof
}

// Proof is the state of the proof of a claim. A claim that replaces another
// claim keeps its Proof. The methods are safe for concurrent use.
type Proof struct {
	Value         string // a request with this value proves that it belongs to the connection
	since         time.Time
	askTime       time.Duration // Config.AskTime
	now           func() time.Time
	sentAfter     atomic.Int64 // the time from since until the value was sent to the client; 0: not sent
	attempted     atomic.Bool  // the client has tried to prove its claim
	pollsRejected atomic.Bool  // a poll had the new cookies, but did not prove the claim
}

// proofTime is the time that a connection has to prove its claim. A WebSocket
// whose page has not tried within Config.AskTime is closed earlier. Such a page
// does not support proofs, and reconnects with the new cookies.
const proofTime = 5 * time.Second

// ValueSent records that the value was sent to the client. It reports whether
// this is the first call.
func (p *Proof) ValueSent() (first bool) {
	return p.sentAfter.CompareAndSwap(0, int64(max(p.now().Sub(p.since), 1)))
}

// Attempted records that the client tries to prove its claim. It reports
// whether this is the first call.
func (p *Proof) Attempted() (first bool) { return !p.attempted.Swap(true) }

// PollsRejected records that polls of the client do not prove its claim. It
// reports whether this is the first call.
func (p *Proof) PollsRejected() (first bool) { return !p.pollsRejected.Swap(true) }

// Due returns the time at which the caller must call Hub.Lapse next.
func (p *Proof) Due() time.Time {
	sent := time.Duration(p.sentAfter.Load())
	if p.attempted.Load() || sent == 0 {
		return p.since.Add(proofTime)
	}
	passed := (p.now().Sub(p.since) - sent).Truncate(p.askTime)
	return p.since.Add(min(sent+passed+p.askTime, proofTime))
}

// isOver reports whether the time for the proof is over. Each poll is an
// attempt, unless polls were rejected.
func (p *Proof) isOver(polling bool) bool {
	passed, sent := p.now().Sub(p.since), time.Duration(p.sentAfter.Load())
	attempts := p.attempted.Load() || polling && !p.pollsRejected.Load()
	return passed >= proofTime || sent > 0 && passed-sent >= p.askTime && !attempts
}

// needsProof reports whether the change from one identity to another gives a
// connection a new user.
func needsProof(from, to command.Identity) bool { return to.User != "" && to.User != from.User }

// newClaim returns a binding with a claim to the identity `to`, which a command
// with the clock at made. It replaces the claim of b, if there is one, and keeps
// the Proof.
func (h *Hub) newClaim(b *Binding, to command.Identified, at command.Clock) *Binding {
	cl := &Claim{To: to, From: b, at: at}
	if b.Claim != nil {
		cl.From, cl.Proof = b.Claim.From, b.Claim.Proof
	} else {
		cl.Proof = &Proof{Value: h.config.ProofPrefix + rand.Text(), since: h.config.Now(), askTime: h.config.AskTime, now: h.config.Now}
	}
	next := &Binding{Version: b.Version + 1, Claim: cl}
	if cl.From.User != "" { // the applications see now that the connection has no identity
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

// Prove binds a connection to the identity that it claims. It does so only if
// the identity `now` of a request is the same and is still valid. It returns
// the binding that the applications see, and the new one. Without a change both
// are nil.
func (h *Hub) Prove(c *Conn, now command.Identified) (from, to *Binding, work presence.Work) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := c.Binding()
	if c.removed || b.Claim == nil || b.Claim.To.Identity != now.Identity {
		return nil, nil, presence.Work{}
	}
	if _, retired := h.ledger.Session(now.Session); retired {
		return nil, nil, presence.Work{}
	}
	// Rebind may not know the time of the login, but a request with cookies does.
	for _, loginTime := range []time.Time{b.Claim.To.LoginTime, now.LoginTime} {
		if !h.ledger.LoginCounts(now.Identity, loginTime) {
			return nil, nil, presence.Work{}
		}
	}
	to = b.next(b.Claim.To)
	h.startTrailLocked(c, b.Claim.at)
	h.bindLocked(c, to)
	return b.Claim.From, to, h.workLocked()
}

// wouldMatch reports whether a selector matches the claimed identity, but does
// not match the identity of the binding.
func (cl *Claim) wouldMatch(sel *command.Selector, b *Binding) bool {
	return sel.Matches(cl.To.Identity) && !sel.Matches(b.Identity)
}
