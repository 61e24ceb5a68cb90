package hub

import (
	"errors"
	"slices"

	"github.com/mojosocket/mojo/internal/command"
)

// The errors of Admit.
var (
	ErrRevoked   = errors.New("the session was revoked")
	ErrNoSession = errors.New("there is no session")
	// ErrChanged is returned when the identity that a connection comes with may
	// be out of date: identify it again.
	ErrChanged = errors.New("the identity has changed")
)

// Admission is how a connection was admitted.
type Admission struct {
	// Early tells that the session id was given up a moment ago: the connection
	// is nobody's, and should come again when its browser has the new cookies.
	Early bool
	// Crowded is the limit that the connection exceeds, the zero Limit if
	// there is none. The connection is admitted as nobody, so that its client can be
	// told.
	Crowded Limit
}

// Limit is how many connections there may be of one id.
type Limit struct {
	Kind command.Kind
	Most int // 0: no limit
}

// Admit enters a connection under the identity that it comes with. A connection
// with a session id that was given up is nobody's, and a login that does not
// count any more is left out. `seen` is ChangesInPlace from before the identity
// was found out. With an error, ErrRevoked, ErrNoSession or ErrChanged, the
// connection is not entered.
func (h *Hub) Admit(c *Conn, id command.Identified, seen int) (Admission, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var admission Admission
	if h.inPlace.Since(seen, id.Session) {
		return admission, ErrChanged
	}
	if entry, retired := h.ledger.Session(id.Session); retired {
		if entry.Revoked {
			return admission, ErrRevoked
		}
		admission.Early = h.config.Now().Sub(entry.Since) < Settling
		id = command.Identified{}
	}
	if !h.ledger.LoginCounts(id.Identity, id.Proven) {
		id.User = ""
	}
	if h.config.RequireSession && id.Session == "" {
		return admission, ErrNoSession
	}
	if !h.config.CloseOldest {
		if admission.Crowded = h.crowdedLocked(id.Identity); admission.Crowded.Most > 0 {
			id = command.Identified{}
		}
	}
	c.binding.Store(&Binding{Identified: id})
	h.countLocked(command.Identity{}, id.Identity)
	for k := command.Session; k < command.Kinds; k++ {
		if key := id.Key(k); key != "" {
			h.conns[k].Add(key, c)
		}
	}
	return admission, nil
}

func (c *Config) limits() [2]Limit {
	return [...]Limit{{command.Session, c.MaxPerSession}, {command.User, c.MaxPerUser}}
}

// crowdedLocked returns the limit that one more connection of this identity
// would be above.
func (h *Hub) crowdedLocked(id command.Identity) Limit {
	for _, l := range h.config.limits() {
		if key := id.Key(l.Kind); l.Most > 0 && key != "" && h.conns[l.Kind].Count(key) >= l.Most {
			return l
		}
	}
	return Limit{}
}

// Arrived notes the first CONNECT of a connection. With Config.CloseOldest the
// oldest connections above a limit of its identity end. Before its first
// CONNECT a connection does not count: anybody can make a browser begin one,
// with an image for instance.
func (h *Hub) Arrived(c *Conn) (ef Effects) {
	if !h.config.CloseOldest {
		return ef
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.arrivals++; h.arrivals == 0 {
		h.arrivals++
	}
	c.arrival = h.arrivals
	id := c.Binding().Identity
	for _, l := range h.config.limits() {
		key := command.Key{Kind: l.Kind, ID: id.Key(l.Kind)}
		if c.removed || l.Most == 0 || key.ID == "" || h.conns[l.Kind].Count(key.ID) <= l.Most {
			continue
		}
		arrived := slices.DeleteFunc(slices.Clone(h.connsLocked(key)), func(c *Conn) bool { return c.arrival == 0 })
		slices.SortFunc(arrived, func(a, b *Conn) int { return int(int32(a.arrival - b.arrival)) })
		for _, old := range arrived[:max(len(arrived)-l.Most, 0)] {
			h.removeLocked(old)
			ef.Ended = append(ef.Ended, old)
		}
	}
	ef.Presence = h.presence.Work()
	return ef
}

// ChangesInPlace counts the sessions that changed their identity and kept their
// id. That leaves no entry in the ledgers, so Admit compares the count.
func (h *Hub) ChangesInPlace() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.inPlace.N()
}
