package hub

import (
	"errors"

	"github.com/mojosocket/mojo/internal/command"
)

// ErrGivenUp is returned by Rebind for a new session id that was given up or
// revoked.
var ErrGivenUp = errors.New("session id was given up")

// Rebind binds the connections of a session to another identity. Connections
// that would get a new user get a claim to the identity instead. If the session
// id changes, the old id is not valid any more; the ledger lists it until
// Rebind.Until.
//
// A browser can send two requests with the same session id, for instance after
// a double click, and each response sets a new id. The browser keeps the id of
// the later response. So Rebind gives up the earlier id together with the id
// that it replaced. The connections of the earlier id are bound to the new
// identity if they belong to the same user. Otherwise they are outdated and
// reconnect with their own cookies, because an attacker who knew the id before
// the login must not be logged in. This applies to ids that were given up less
// than CookieDelay ago.
//
// The hub cannot distinguish logins of the same user without a session. So
// their connections are outdated.
func (h *Hub) Rebind(cmd command.Rebind) (Effects, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, retired := h.ledger.Session(cmd.To.Session); retired {
		return Effects{}, ErrGivenUp
	}
	h.ledger.Exempt(cmd.To)
	r := rebinding{hub: h, cmd: &cmd}
	r.runLocked()
	r.effects.Presence = h.workLocked()
	return r.effects, nil
}

// rebinding is the state of a running Rebind.
type rebinding struct {
	hub     *Hub
	cmd     *command.Rebind
	named   *Conn // the connection of SeatID, which needs no proof; nil if there is none
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
	if s := h.visibleLocked("", r.cmd.SeatID); s != nil && s.conn.Binding().hasSession(from.Session) {
		r.named = s.conn
	}
	r.bindAllLocked(from.Session, true)
	if from.Session == to.Session {
		h.inPlace.Add(from.Session)
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

// bindAllLocked binds the connections of a session, and the connections that
// claim it. If own is false, connections of another user are outdated instead.
func (r *rebinding) bindAllLocked(session string, own bool) {
	key := command.Key{Kind: command.Session, ID: session}
	claimants := r.hub.claims[command.Session].Members(session) // without the connections that get a claim below
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
		to = r.hub.newClaim(from, r.cmd.To)
	}
	r.effects.Moved = append(r.effects.Moved, Moved{c, from, to})
	r.hub.bindLocked(c, to)
}

// giveUpLocked gives up a session id, and also the ids that replaced it a
// moment ago.
func (r *rebinding) giveUpLocked(session string) {
	h, to := r.hub, r.cmd.To.Session
	before, listed := h.ledger.GiveUp(session, to, r.cmd.Until)
	for listed && before.Successor != "" && before.Successor != to && h.config.Now().Sub(before.Since) < CookieDelay {
		successor := before.Successor
		r.bindAllLocked(successor, false)
		before, listed = h.ledger.GiveUp(successor, to, r.cmd.Until)
	}
}
