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
	// ErrChanged is returned if the identity of the handshake may be out of
	// date. The caller must identify the request again.
	ErrChanged = errors.New("the identity has changed")
)

// Admission describes how a connection was admitted.
type Admission struct {
	// RecentlyGivenUp reports that the session id was given up a moment ago.
	// The connection has no identity. It should reconnect when its browser has
	// the new cookies.
	RecentlyGivenUp bool
	// Exceeded is the limit that the connection exceeds, the zero Limit if
	// there is none. The connection is admitted without an identity, so that
	// its client can receive an error.
	Exceeded Limit
}

// Limit is the largest number of connections with the same session or user id.
type Limit struct {
	Kind command.Kind
	Max  int // 0: no limit
}

// Admit adds a connection with the identity of its handshake. If the session id
// was given up, the connection has no identity. If the login is not valid any
// more, it has no user. The argument seen is the result of ChangesInPlace
// before the request was identified. After an error, ErrRevoked, ErrNoSession
// or ErrChanged, the connection is not added.
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
		admission.RecentlyGivenUp = h.config.Now().Sub(entry.Since) < CookieDelay
		id = command.Identified{}
	}
	if !h.ledger.LoginCounts(id.Identity, id.LoginTime) {
		id.User = ""
	}
	if h.config.RequireSession && id.Session == "" {
		return admission, ErrNoSession
	}
	if !h.config.CloseOldest {
		if admission.Exceeded = h.exceededLocked(id.Identity); admission.Exceeded.Max > 0 {
			id = command.Identified{}
		}
	}
	c.binding.Store(&Binding{Identified: id})
	h.countLocked(command.Identity{}, id.Identity)
	for k := command.Session; k < command.NumKinds; k++ {
		if key := id.Key(k); key != "" {
			h.conns[k].Add(key, c)
		}
	}
	return admission, nil
}

func (c *Config) limits() [2]Limit {
	return [...]Limit{{command.Session, c.MaxPerSession}, {command.User, c.MaxPerUser}}
}

// exceededLocked returns the limit that one more connection of this identity
// would exceed.
func (h *Hub) exceededLocked(id command.Identity) Limit {
	for _, l := range h.config.limits() {
		if key := id.Key(l.Kind); l.Max > 0 && key != "" && h.conns[l.Kind].Count(key) >= l.Max {
			return l
		}
	}
	return Limit{}
}

// Arrived records the first CONNECT of a connection. With Config.CloseOldest it
// ends the oldest connections above a limit of the identity. It ends no
// connection that has not sent a CONNECT: every website can make a browser open
// one, for instance with an image, and must not end others with it.
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
		if c.removed || l.Max == 0 || key.ID == "" || h.conns[l.Kind].Count(key.ID) <= l.Max {
			continue
		}
		arrived := slices.DeleteFunc(slices.Clone(h.connsLocked(key)), func(c *Conn) bool { return c.arrival == 0 })
		slices.SortFunc(arrived, func(a, b *Conn) int { return int(int32(a.arrival - b.arrival)) })
		for _, oldest := range arrived[:max(len(arrived)-l.Max, 0)] {
			h.removeLocked(oldest)
			ef.Ended = append(ef.Ended, oldest)
		}
	}
	ef.Presence = h.workLocked()
	return ef
}

// ChangesInPlace returns the number of changes of identity in which the session
// kept its id. The ledger has no entries for these changes, so Admit needs the
// number.
func (h *Hub) ChangesInPlace() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.inPlace.Count()
}
