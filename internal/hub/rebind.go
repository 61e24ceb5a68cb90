package hub

import (
	"errors"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
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
//
// Other processes apply the same commands, and a command may arrive after
// commands with later clocks, or twice. The clocks decide, so that the result is
// the same in any order. The successor of a given-up id is the id that replaced
// it. Its root is found by following the successors up to an id that was not
// given up.
//
//   - The new id was given up already: the connections get the identity of its
//     root. If that was revoked, they end. A command that was made in this
//     process returns ErrGivenUp instead, and changes nothing.
//   - The old id was given up by a later command: this command is the earlier
//     one of two. So the new id is given up, too, and what has replaced the old
//     id replaces it. That applies to commands that are less than CookieDelay
//     apart. The connections that have come to the root stay there. But if the
//     command would have taken the user of such a connection away, it gets a
//     claim; and if the new id was revoked before the later command, it ends.
//   - The old and the new id are the same: if the session was changed in place
//     or given up by a later command, the connections stay as they are. But if
//     the command would have taken the user of a connection away, the connection
//     gets a claim. If the session was revoked, its connections end.
//   - A later Revoke has cut off the logins of the new user: the login is not
//     valid, and a connection gets a claim to it, also the one of SeatID. An
//     earlier Revoke does not affect the login.
//   - A connection that passes through several identities at once needs a proof
//     if it needs one for any of them.
//   - A command that was applied before does nothing.
//
// A connection that has ended or has got a claim does not get back what it was,
// if an earlier command arrives that would have prevented that.
func (h *Hub) Rebind(cmd command.Rebind) (Effects, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, own := h.clockLocked(cmd.At)
	if _, retired := h.ledger.Session(cmd.To.Session); retired && own {
		return Effects{}, ErrGivenUp
	}
	h.ledger.Exempt(ledger.Change{At: at, To: cmd.To})
	r := rebinding{hub: h}
	r.runLocked(&cmd, link{to: cmd.To, at: at, until: cmd.Until})
	r.effects.Presence, r.effects.Journal = h.workLocked(), h.journalLocked(own)
	return r.effects, nil
}

// link is a change to an identity.
type link struct {
	to      command.Identified
	at      command.Clock
	until   time.Time
	inPlace bool // the latest change in place, there may have been others before
}

// rebinding is the state of a running Rebind or Merge.
type rebinding struct {
	hub     *Hub
	named   *Conn // the connection of SeatID, which needs no proof; nil if there is none
	merge   bool  // all connections are outdated
	effects Effects
}

func (r *rebinding) runLocked(cmd *command.Rebind, l link) {
	h, from := r.hub, cmd.From
	if from.Session == "" {
		for _, c := range h.connsLocked(command.Key{Kind: command.User, ID: from.User}) {
			if c.Binding().Session == "" {
				r.effects.Outdated = append(r.effects.Outdated, c)
			}
		}
		h.addChangeLocked(l, false)
		return
	}
	if s := h.visibleLocked("", cmd.SeatID); s != nil && s.conn.Binding().hasSession(from.Session) {
		r.named = s.conn
	}
	if from.Session == l.to.Session {
		r.changeInPlaceLocked(l)
		return
	}
	h.ledger.Journal.GiveUp(from.Session, l.to, l.at, l.until)
	r.giveUpLocked(from.Session, l, true)
	for _, session := range cmd.Others {
		if session != l.to.Session {
			h.ledger.Journal.GiveUp(session, l.to, l.at, l.until)
			r.giveUpLocked(session, l, false)
		}
	}
	h.addChangeLocked(l, false)
}

// addChangeLocked lists the latest change that led to a session. It does
// nothing without Config.Node.
func (h *Hub) addChangeLocked(l link, inPlace bool) (later bool) {
	if h.config.Node == "" || l.to.Session == "" {
		return true
	}
	return h.ledger.AddChange(ledger.Change{At: l.at, To: l.to, InPlace: inPlace}, l.until)
}

// changeInPlaceLocked changes the identity of a session that keeps its id.
func (r *rebinding) changeInPlaceLocked(l link) {
	h, session := r.hub, l.to.Session
	latest, changed := h.ledger.Changed(session)
	retirement, _ := h.ledger.Retirement(session)
	switch {
	case changed && latest.At == l.at:
		return // it was applied before
	case retirement.Ends():
		r.bindAllLocked(session, l, true) // they end
	case !retirement.GivenUp.IsZero() || changed && latest.InPlace && l.at.Before(latest.At):
		r.applyLateLocked(session, []link{l}, false)
	default:
		r.bindAllLocked(session, l, true)
		h.inPlace.Add(session)
	}
	h.addChangeLocked(l, true)
}

// giveUpLocked gives up a session id because of a change, and also the ids that
// replaced it a moment before. If own is false, connections of another user are
// outdated.
func (r *rebinding) giveUpLocked(session string, l link, own bool) {
	h := r.hub
	for range maxLinks {
		if h.leadsToLocked(l.to.Session, session) {
			return
		}
		before, _ := h.ledger.Retirement(session)
		switch {
		case before.GivenUp == l.at:
			return // it was applied before
		case l.at.Before(before.GivenUp):
			r.insertLocked(session, &before, l)
			return
		}
		r.bindAllLocked(session, l, own)
		if before.GivenUp.IsZero() {
			h.ledger.GiveUp(session, l.to, l.at, l.until)
			return
		}
		if h.stopsLocked(&before, l.at) || !follows(l.at, before.GivenUp) || before.To.Session == "" || before.To.Session == l.to.Session {
			return
		}
		session, own = before.To.Session, false
	}
}

// stopsLocked reports whether a session id was revoked before a change, so that
// the change does not affect its successor. With several processes that would
// depend on the order of arrival.
func (h *Hub) stopsLocked(r *ledger.Retirement, at command.Clock) bool {
	return h.config.Node == "" && !r.Revoked.IsZero() && r.Revoked.Before(at)
}

// follows reports whether a change came less than CookieDelay after another.
func follows(at, before command.Clock) bool { return at.Wall().Sub(before.Wall()) < CookieDelay }

// insertLocked makes a change the predecessor of a later one, which has given
// up the session id already.
func (r *rebinding) insertLocked(session string, later *ledger.Retirement, l link) {
	h := r.hub
	path, ended := h.pathLocked(l)
	ends := !ended.IsZero() && ended.Before(later.GivenUp)
	path = slices.DeleteFunc(path, func(l link) bool { return !l.at.Before(later.GivenUp) })
	r.applyLateLocked(session, path, ends)
	h.ledger.GiveUp(session, l.to, l.at, l.until)
	if l.to.Session == "" || l.to.Session == later.To.Session || !follows(later.GivenUp, l.at) || h.stopsLocked(later, l.at) {
		return
	}
	r.giveUpLocked(l.to.Session, link{to: later.To, at: later.GivenUp, until: l.until}, false)
}

// maxLinks is the number of successors that are followed.
const maxLinks = 1 << 10

// rootLocked follows the successors of a session id up to an id that was not
// given up. The result is empty if there is none.
func (h *Hub) rootLocked(session string) string {
	for range maxLinks {
		r, _ := h.ledger.Retirement(session)
		if r.GivenUp.IsZero() {
			return session
		}
		session = r.To.Session
	}
	return ""
}

// leadsToLocked reports whether the successors of a session id include another
// id. Only a site with session ids of its own can use one that was given up for
// a new session.
func (h *Hub) leadsToLocked(session, to string) bool {
	for range maxLinks {
		r, _ := h.ledger.Retirement(session)
		if session = r.To.Session; session == "" || session == to {
			break
		}
	}
	return session != "" && session == to
}

// pathLocked returns a change and the later ones that its session has been
// through. If the last of these sessions was revoked, ended is the clock of
// that.
func (h *Hub) pathLocked(l link) (path []link, ended command.Clock) {
	path = append(make([]link, 0, 1), l)
	for range maxLinks {
		last := path[len(path)-1]
		if last.to.Session == "" {
			return path, ended
		}
		r, retired := h.ledger.Retirement(last.to.Session)
		ch, _ := h.ledger.Changed(last.to.Session)
		if ch.InPlace && last.at.Before(ch.At) && (r.GivenUp.IsZero() || ch.At.Before(r.GivenUp)) {
			path = append(path, link{to: ch.To, at: ch.At, inPlace: true})
		}
		if !retired {
			return path, ended
		}
		if r.Ends() {
			return path, r.Revoked
		}
		path = append(path, link{to: r.To, at: r.GivenUp})
	}
	return path, path[len(path)-1].at
}

// bindAllLocked binds the connections of a session, and the connections that
// claim it. If own is false, connections of another user are outdated instead.
func (r *rebinding) bindAllLocked(session string, l link, own bool) {
	h := r.hub
	claimants := h.claims[command.Session].Members(session) // without the connections that get a claim below
	conns := h.connsLocked(command.Key{Kind: command.Session, ID: session})
	if r.merge {
		r.outdateLocked(session, l)
		return
	}
	if len(conns)+len(claimants) == 0 {
		return
	}
	path, ended := h.pathLocked(l)
	for _, c := range conns {
		switch {
		case l.to.Session == session && h.movedAfterLocked(c, l.at):
			// It came to the session later.
		case !own && (c.Binding().User != l.to.User || l.to.User == ""):
			r.effects.Outdated = append(r.effects.Outdated, c)
		case !ended.IsZero():
			h.removeLocked(c)
			r.effects.Ended = append(r.effects.Ended, c)
		default:
			r.bindLocked(c, path)
		}
	}
	for _, c := range claimants {
		r.bindLocked(c, path)
	}
}

// outdateLocked is bindAllLocked for Merge. If the session keeps its id, it
// outdates only the connections that have or claim another user.
func (r *rebinding) outdateLocked(session string, l link) {
	h, inPlace := r.hub, l.to.Session == session
	for _, c := range h.connsLocked(command.Key{Kind: command.Session, ID: session}) {
		if !inPlace || c.Binding().User != l.to.User && !h.movedAfterLocked(c, l.at) {
			r.effects.Outdated = append(r.effects.Outdated, c)
		}
	}
	for _, c := range h.claims[command.Session].Members(session) {
		if !inPlace || c.Binding().Claim.To.User != l.to.User {
			r.effects.Outdated = append(r.effects.Outdated, c)
		}
	}
}

// bindLocked gives a connection the last identity of a path, or a claim to it.
func (r *rebinding) bindLocked(c *Conn, path []link) {
	h, from := r.hub, c.Binding()
	id, claims, named := from.Identity, from.Claim != nil, false
	for i, l := range path {
		h.addStepLocked(c, id, l.at)
		switch cutOff := h.ledger.IsCutOff(l.to.Identity, l.at); {
		case i == 0 && c == r.named && !cutOff:
			named = claims || needsProof(id, l.to.Identity)
			claims = false
		case needsProof(id, l.to.Identity) || cutOff || l.inPlace && l.to.User != "":
			claims = true
		}
		id = l.to.Identity
		if claims {
			id = command.Identity{}
		}
		if named && i == 0 {
			h.startTrailLocked(c, l.at)
		}
	}
	last := path[len(path)-1]
	to := from.next(last.to)
	if claims {
		to = h.newClaim(from, last.to, last.at)
	}
	r.effects.Moved = append(r.effects.Moved, Moved{c, from, to})
	h.bindLocked(c, to)
}

// applyLateLocked applies a change, and those that followed it, to the
// connections that have left its session by later ones. Those that did not need
// a proof for these, and would have needed one after this change, get a claim.
// If ends is true, all of these connections would have ended before.
func (r *rebinding) applyLateLocked(session string, path []link, ends bool) {
	h, at := r.hub, path[0].at
	for _, c := range h.connsLocked(command.Key{Kind: command.Session, ID: h.rootLocked(session)}) {
		id, was := h.identityAtLocked(c, at)
		if !was || id.Session != session || !h.movedAfterLocked(c, at) {
			continue
		}
		from, takes := c.Binding(), false
		for _, l := range path {
			takes = takes || from.User != "" && (from.User != l.to.User || l.inPlace)
			h.insertStepLocked(c, l, takes)
		}
		switch {
		case ends && from.User != "":
			h.removeLocked(c)
			r.effects.Ended = append(r.effects.Ended, c)
		case !takes:
		case r.merge:
			r.effects.Outdated = append(r.effects.Outdated, c)
		default:
			since := h.sinceLocked(c, from.Identity)
			h.addStepLocked(c, from.Identity, since)
			to := h.newClaim(from, from.Identified, since)
			r.effects.Moved = append(r.effects.Moved, Moved{c, from, to})
			h.bindLocked(c, to)
		}
	}
}
