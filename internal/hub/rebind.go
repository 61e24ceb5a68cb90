package hub

import (
	"errors"

	"github.com/mojosocket/mojo/internal/command"
)

// ErrGivenUp is returned by Rebind for a new session id that was given up or
// revoked.
var ErrGivenUp = errors.New("session id was given up")

// Rebind binds the connections of a session to another identity, whatever their
// state. Those that would get a user that they did not have get a claim in
// place of the identity. A session id that changes opens nothing new from then
// on, until its time is up.
//
// Two requests can leave a browser with one session id, on a double click for
// instance, and each gives it a new one. The browser keeps the later of these,
// so the earlier is given up with the id that it replaced. Its connections are
// bound to the new identity if they belong to the same user. Otherwise they are
// outdated, to come back with their own cookies: an id that others knew before
// a login must not log them in. This holds for ids that were given up less than
// Settling ago.
//
// A login without a session cannot be told from other logins of the same user:
// connections of these are outdated.
func (h *Hub) Rebind(cmd command.Rebind) (Effects, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, retired := h.ledger.Session(cmd.To.Session); retired {
		return Effects{}, ErrGivenUp
	}
	h.ledger.Exempt(cmd.To)
	r := rebinding{hub: h, cmd: &cmd}
	r.runLocked()
	r.effects.Presence = h.presence.Work()
	return r.effects, nil
}

// rebinding is the state of a running Rebind.
type rebinding struct {
	hub     *Hub
	cmd     *command.Rebind
	named   *Conn // the connection of SeatID, if it counts
	effects Effects
}

func (r *rebinding) runLocked() {
	h, from, to := r.hub, r.cmd.From, r.cmd.To
	if from.Session == "" {
		for _, c := range h.connsLocked(command.Key{Kind: command.User, ID: from.User}) {
			if c.Binding().Session == "" {
				r.effects.Outdated = append(r.effects.Outdated, c)
			}
		}
		return
	}
	if s := h.visibleLocked("", r.cmd.SeatID); s != nil && s.conn.Binding().isOf(from.Session) {
		r.named = s.conn
	}
	r.bindAllLocked(from.Session, true)
	if from.Session == to.Session {
		h.inPlace.Note(from.Session)
		return
	}
	r.giveUpLocked(from.Session)
	for _, session := range r.cmd.Others {
		if session != to.Session {
			r.bindAllLocked(session, false)
			r.giveUpLocked(session)
		}
	}
}

// bindAllLocked binds the connections of a session, and those that claim it.
// Unless own is set, connections that do not belong to the user are outdated
// instead.
func (r *rebinding) bindAllLocked(session string, own bool) {
	key := command.Key{Kind: command.Session, ID: session}
	claimants := r.hub.claims[command.Session].Members(session) // before others get a claim to it
	for _, c := range r.hub.connsLocked(key) {
		if own || c.Binding().User == r.cmd.To.User && r.cmd.To.User != "" {
			r.bindLocked(c)
		} else {
			r.effects.Outdated = append(r.effects.Outdated, c)
		}
	}
	for _, c := range claimants {
		r.bindLocked(c)
	}
}

func (r *rebinding) bindLocked(c *Conn) {
	from := c.Binding()
	to := from.next(r.cmd.To)
	if c != r.named && (from.Claim != nil || needsProof(from.Identity, r.cmd.To.Identity)) {
		to = r.hub.claim(from, r.cmd.To)
	}
	r.effects.Moved = append(r.effects.Moved, Moved{c, from, to})
	r.hub.bindLocked(c, to)
}

// giveUpLocked lists a session id as replaced by the new one, and the ids that
// replaced it a moment ago.
func (r *rebinding) giveUpLocked(session string) {
	h, to := r.hub, r.cmd.To.Session
	before, listed := h.ledger.GiveUp(session, to, r.cmd.Until)
	for listed && before.Successor != "" && before.Successor != to && h.config.Now().Sub(before.Since) < Settling {
		old := before.Successor
		r.bindAllLocked(old, false)
		before, listed = h.ledger.GiveUp(old, to, r.cmd.Until)
	}
}
