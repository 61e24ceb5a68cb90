package hub

import (
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// model is a simple hub without indexes. It searches lists for each query.
type model struct {
	clock       *clock
	config      Config
	conns       []*modelConn
	commands    int                    // the number of commands that were applied
	changed     map[string]modelChange // with Config.Node
	retired     map[string]modelRetired
	cutoffs     map[string]modelCutoff
	inPlace     []string // sessions, in the order of their changes
	arrivals    int
	online      map[presence.Transition]time.Time // Online is true; the value is the end of the grace period, zero while connected
	transitions []presence.Transition             // that the hub must return
}

type modelConn struct {
	conn    *Conn
	bound   command.Identified
	version int32
	claim   *modelClaim
	seats   []*modelSeat
	removed bool
	arrival int
}

type modelClaim struct {
	to        command.Identified
	visibleAs command.Identity // the identity that the applications see
	*modelProof
}

type modelProof struct {
	since                    time.Time
	sent                     time.Time // zero: not sent
	attempted, pollsRejected bool
}

type modelSeat struct {
	seat             *Seat
	conn             *modelConn
	namespace        string
	rooms            map[string]bool
	visible, removed bool
}

type modelRetired struct {
	givenUp   time.Time // zero: it was not given up
	successor string
	revoked   bool
	until     time.Time
}

type modelCutoff struct {
	since, until time.Time
	exempt       map[string]bool
	number       int // of the command
}

// modelChange is the latest Rebind that led to a session.
type modelChange struct {
	user   string
	number int // of the command
	until  time.Time
}

func newModel(c *clock, config Config) *model {
	return &model{
		clock: c, config: config, changed: make(map[string]modelChange), retired: make(map[string]modelRetired), cutoffs: make(map[string]modelCutoff),
		online: make(map[presence.Transition]time.Time),
	}
}

func (m *model) isRetired(session string) (modelRetired, bool) {
	r, listed := m.retired[session]
	if listed && !r.until.IsZero() && m.clock.now.After(r.until) {
		return modelRetired{}, false
	}
	return r, listed
}

func (m *model) loginCounts(id command.Identity, loginTime time.Time) bool {
	cut, listed := m.cutoffs[id.User]
	if !listed || !cut.until.IsZero() && m.clock.now.After(cut.until) || loginTime.IsZero() || loginTime.After(cut.since) {
		return true
	}
	ch, listed := m.changed[id.Session]
	after := listed && ch.user == id.User && ch.number > cut.number && (ch.until.IsZero() || !m.clock.now.After(ch.until))
	return cut.exempt[id.Session] || after
}

// admit admits a connection. It returns the same error as Hub.Admit.
func (m *model) admit(c *modelConn, id command.Identified) error {
	if r, retired := m.isRetired(id.Session); retired {
		if r.revoked {
			return ErrRevoked
		}
		id = command.Identified{}
	}
	if !m.loginCounts(id.Identity, id.LoginTime) {
		id.User = ""
	}
	if m.config.RequireSession && id.Session == "" {
		return ErrNoSession
	}
	if !m.config.CloseOldest && (m.exceeds(command.Key{Kind: command.Session, ID: id.Session}, m.config.MaxPerSession) || m.exceeds(command.Key{Kind: command.User, ID: id.User}, m.config.MaxPerUser)) {
		id = command.Identified{}
	}
	c.bound = id
	m.conns = append(m.conns, c)
	return nil
}

func (m *model) exceeds(k command.Key, limit int) bool {
	return limit > 0 && k.ID != "" && len(m.under(k)) >= limit
}

// under returns the connections of a key.
func (m *model) under(k command.Key) (found []*modelConn) {
	for _, c := range m.conns {
		if k.ID != "" && !c.removed && c.bound.Key(k.Kind) == k.ID {
			found = append(found, c)
		}
	}
	return found
}

func (m *model) claiming(session string) (found []*modelConn) {
	for _, c := range m.conns {
		if !c.removed && c.claim != nil && session != "" && c.claim.to.Session == session {
			found = append(found, c)
		}
	}
	return found
}

// arrive records the first CONNECT of c. It returns the connections that end.
func (m *model) arrive(c *modelConn) (ended []*modelConn) {
	if !m.config.CloseOldest || c.removed {
		return nil
	}
	m.arrivals++
	c.arrival = m.arrivals
	for _, l := range m.config.limits() {
		under := m.under(command.Key{Kind: l.Kind, ID: c.bound.Key(l.Kind)})
		if c.removed || l.Max == 0 || len(under) <= l.Max {
			continue
		}
		under = slices.DeleteFunc(under, func(c *modelConn) bool { return c.arrival == 0 })
		slices.SortFunc(under, func(a, b *modelConn) int { return a.arrival - b.arrival })
		for len(under) > l.Max {
			m.remove(under[0])
			ended = append(ended, under[0])
			under = under[1:]
		}
	}
	return ended
}

func (m *model) remove(c *modelConn) {
	c.removed = true
	for _, s := range c.seats {
		m.removeSeat(s)
	}
}

func (m *model) removeSeat(s *modelSeat) {
	s.removed, s.visible = true, false
	clear(s.rooms)
}

// rebind applies a command. It returns the connections with a new binding, and
// the outdated connections.
func (m *model) rebind(cmd command.Rebind) (moved, outdated []*modelConn, err error) {
	if _, retired := m.isRetired(cmd.To.Session); retired {
		return nil, nil, ErrGivenUp
	}
	loginTime := cmd.To.LoginTime
	if loginTime.IsZero() {
		loginTime = time.Unix(m.clock.now.Unix(), 0)
	}
	m.commands++
	if m.config.Node != "" && cmd.To.Session != "" {
		defer func() { m.changed[cmd.To.Session] = modelChange{cmd.To.User, m.commands, cmd.Until} }()
	}
	if cmd.To.Session != "" && !m.loginCounts(command.Identity{User: cmd.To.User}, loginTime) {
		m.cutoffs[cmd.To.User].exempt[cmd.To.Session] = true
	}
	if cmd.From.Session == "" {
		for _, c := range m.under(command.Key{Kind: command.User, ID: cmd.From.User}) {
			if c.bound.Session == "" {
				outdated = append(outdated, c)
			}
		}
		return nil, outdated, nil
	}
	var named *modelConn
	for _, c := range m.conns {
		for _, s := range c.seats {
			if s.visible && s.seat.ID() == cmd.SeatID && (c.bound.Session == cmd.From.Session || c.claim != nil && c.claim.to.Session == cmd.From.Session) {
				named = c
			}
		}
	}
	move := func(c *modelConn) {
		c.version++
		moved = append(moved, c)
		if c == named || c.claim == nil && (cmd.To.User == "" || cmd.To.User == c.bound.User) {
			c.bound, c.claim = cmd.To, nil
			return
		}
		claim := &modelClaim{cmd.To, c.bound.Identity, &modelProof{since: m.clock.now}}
		if c.claim != nil {
			claim.visibleAs, claim.modelProof = c.claim.visibleAs, c.claim.modelProof
		}
		if claim.visibleAs.User != "" { // the applications see that it has no identity
			claim.visibleAs = command.Identity{}
		}
		c.bound, c.claim = command.Identified{}, claim
	}
	moveAll := func(session string, own bool) {
		claiming := m.claiming(session)
		for _, c := range m.under(command.Key{Kind: command.Session, ID: session}) {
			if own || c.bound.User == cmd.To.User && cmd.To.User != "" {
				move(c)
			} else {
				outdated = append(outdated, c)
			}
		}
		for _, c := range claiming {
			move(c)
		}
	}
	giveUp := func(session string) {
		for {
			r, retired := m.isRetired(session)
			if r.givenUp.IsZero() {
				if retired { // revoked
					r.until = laterOf(r.until, cmd.Until)
				} else {
					r.until = cmd.Until
				}
				r.givenUp, r.successor = m.clock.now, cmd.To.Session
				m.retired[session] = r
				return
			}
			stops := r.revoked && m.config.Node == ""
			if stops || r.successor == "" || r.successor == cmd.To.Session || m.clock.now.Sub(r.givenUp) >= CookieDelay {
				return
			}
			session = r.successor
			moveAll(session, false)
		}
	}
	moveAll(cmd.From.Session, true)
	if cmd.From.Session == cmd.To.Session {
		m.inPlace = append(m.inPlace, cmd.From.Session)
		return moved, outdated, nil
	}
	giveUp(cmd.From.Session)
	for _, session := range cmd.Others {
		if session != cmd.To.Session {
			moveAll(session, false)
			giveUp(session)
		}
	}
	return moved, outdated, nil
}

func (m *model) prove(c *modelConn, id command.Identified) (proven bool) {
	if c.removed || c.claim == nil || c.claim.to.Identity != id.Identity {
		return false
	}
	if _, retired := m.isRetired(id.Session); retired || !m.loginCounts(id.Identity, c.claim.to.LoginTime) {
		return false
	}
	c.bound, c.claim = c.claim.to, nil
	c.version++
	return true
}

func (m *model) revokeSession(session string, until time.Time) {
	r, retired := m.isRetired(session)
	if retired { // given up or revoked; until there is no cookie any more
		until = laterOf(until, r.until)
	}
	r.revoked, r.until = true, until
	m.retired[session] = r
}

// laterOf returns the later of two expiries. Zero is never.
func laterOf(a, b time.Time) time.Time {
	switch {
	case a.IsZero() || b.IsZero():
		return time.Time{}
	case a.After(b):
		return a
	}
	return b
}

func (m *model) revoke(cmd command.Revoke) (ended []*modelConn) {
	for _, c := range m.under(cmd.Key) {
		if cmd.Except == "" || c.bound.Session != cmd.Except {
			ended = append(ended, c)
		}
	}
	if cmd.Namespace != "" {
		return ended
	}
	if cmd.Invalidate {
		if cmd.Key.Kind == command.Session {
			m.revokeSession(cmd.Key.ID, cmd.Until)
		} else {
			m.cutoffs[cmd.Key.ID] = modelCutoff{since: m.clock.now, until: cmd.Until, exempt: map[string]bool{}, number: m.commands}
			if cmd.Except != "" {
				m.cutoffs[cmd.Key.ID].exempt[cmd.Except] = true
			}
		}
	}
	var sessions []string
	for _, c := range ended {
		if cmd.Invalidate && c.bound.Session != "" {
			m.revokeSession(c.bound.Session, cmd.Until)
			sessions = append(sessions, c.bound.Session)
		}
		m.remove(c)
	}
	if cmd.Invalidate && cmd.Key.Kind == command.Session {
		sessions = append(sessions, cmd.Key.ID)
	}
	return append(ended, m.endSessions(sessions)...)
}

// endSessions ends what has or claims a session that was revoked.
func (m *model) endSessions(sessions []string) (ended []*modelConn) {
	for _, session := range sessions {
		for _, c := range append(m.under(command.Key{Kind: command.Session, ID: session}), m.claiming(session)...) {
			m.remove(c)
			ended = append(ended, c)
		}
	}
	return ended
}

// revokeIdentity applies a command. It returns the connections that end.
func (m *model) revokeIdentity(cmd command.RevokeIdentity) (ended []*modelConn) {
	for _, c := range m.conns {
		if !c.removed && c.bound.Identity == cmd.Identity {
			ended = append(ended, c)
		}
	}
	if len(ended) == 0 && m.changedSince(cmd.Seen, cmd.Identity.Session) {
		return nil
	}
	for _, c := range ended {
		m.remove(c)
	}
	if _, retired := m.isRetired(cmd.Identity.Session); cmd.Invalidate && cmd.Identity.Session != "" && !retired {
		m.revokeSession(cmd.Identity.Session, cmd.Until)
		ended = append(ended, m.endSessions([]string{cmd.Identity.Session})...)
	}
	return ended
}

// changedSince reports whether a session may have changed in place after the
// first n changes. The hub remembers only the latest 64.
func (m *model) changedSince(n int, session string) bool {
	return len(m.inPlace)-n > 64 || slices.Contains(m.inPlace[n:], session)
}

// extend gives a connection a later expiry, and reports whether it did.
func (m *model) extend(c *modelConn, to command.Identified) bool {
	if c.bound.Identity != to.Identity || c.bound.Expires.IsZero() || !c.bound.Expires.Before(to.Expires) {
		return false
	}
	c.bound = to
	return true
}

func (m *model) lapse(c *modelConn, polling bool) Lapse {
	switch {
	case c.claim != nil && m.isOver(c.claim.modelProof, polling):
		m.remove(c)
		return Unproven
	case !c.bound.Expires.IsZero() && !m.clock.now.Before(c.bound.Expires):
		m.remove(c)
		return Expired
	}
	return NotLapsed
}
