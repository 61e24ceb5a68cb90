package socketio

import (
	"time"

	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// Revocation is why connections are closed, as their clients are told.
type Revocation struct {
	Code      int
	Reason    Reason
	Reconnect bool // that it makes sense to come back; what is revoked stays good then

	Message string // beside the reason, for a person; left out if empty
	Data    any    // left out if nil
}

// RevokedEvent is the event that tells a client.
const RevokedEvent = "mojo:revoked"

// The codes of what is revoked by the server itself.
const (
	CodeRevoked  = 4001
	CodeExpired  = 4002
	CodeInvalid  = 4003
	CodeRefused  = 4004
	CodeReplaced = 4005
)

// The reasons that go with them.
const (
	Revoked         Reason = "session revoked"
	Expired         Reason = "session expired"
	Invalid         Reason = "session no longer valid"
	IdentityRefused Reason = "identity refused"
	Replaced        Reason = "replaced by a newer connection"
)

// notice is the argument of the event.
type notice struct {
	Code      int    `json:"code"`
	Reason    Reason `json:"reason"`
	Reconnect bool   `json:"reconnect"`
	Message   string `json:"message,omitempty"`
	Data      any    `json:"data,omitempty"`
}

// Revoke closes the connections under a session or user, whatever their state: on
// the view's namespace alone or, without one, altogether. Those of the session
// `except` stay. When it has returned they are in no index and nothing is queued
// for them any more.
//
// Altogether and without Reconnect, their session ids open nothing any more, and
// no login of the user counts that was proven up to now, outside of `except`: until
// the given time, or for ever if that is zero.
func (s *Server) Revoke(v View, k Key, except string, why Revocation, until time.Time) {
	if v.Namespace != nil {
		words := s.wordsOf(why)
		var b engineio.Batch
		defer b.Flush()
		for _, c := range s.registry.under(k, except) {
			if socket, _ := c.socket(v.Namespace); socket != nil {
				socket.dismiss(words, true, &b)
			}
		}
		return
	}
	s.dismiss(s.registry.revoke(k, except, !why.Reconnect, until), why)
}

// dismiss tells clients that are in no index any more, and closes them.
func (s *Server) dismiss(clients []*client, why Revocation) {
	words := s.wordsOf(why)
	var b engineio.Batch
	defer b.Flush()
	for _, c := range clients {
		c.dismiss(words, &b)
	}
}

// revokeIdentity is Revoke for one session or, where there is none, the logins of a
// user that stand alone. Connections that have become another's stay, and so does
// the browser's new session, or the same one if it has become another's in place
// after `seen` changes of that kind.
func (s *Server) revokeIdentity(id Identity, seen int, why Revocation, lasting bool, until time.Time) {
	s.dismiss(s.registry.revokeIdentity(id, seen, lasting, until), why)
}

// under returns the clients under a key, but those of the session `except`.
func (r *registry) under(k Key, except string) []*client {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.underLocked(k, except)
}

func (r *registry) underLocked(k Key, except string) []*client {
	all := r.connections(k.Kind, k.ID)
	if except == "" {
		return all
	}
	var found []*client
	for _, c := range all {
		if c.standing.Load().Session != except {
			found = append(found, c)
		}
	}
	return found
}

// revoke takes clients out of all indexes at once, notes for how long what they
// came with does not count, and returns them.
func (r *registry) revoke(k Key, except string, lasting bool, until time.Time) []*client {
	r.mu.Lock()
	defer r.mu.Unlock()
	clients := r.underLocked(k, except)
	if lasting {
		r.forbid(k, except, clients, until)
	}
	for _, c := range clients {
		r.evict(c)
	}
	return clients
}

func (r *registry) revokeIdentity(id Identity, seen int, lasting bool, until time.Time) []*client {
	r.mu.Lock()
	defer r.mu.Unlock()
	clients := r.connectionsOf(id)
	if len(clients) == 0 && r.inPlace.since(seen, id.Session) {
		return nil
	}
	if _, givenUp := r.retired.look(id.Session); lasting && id.Session != "" && !givenUp {
		r.retired.note(id.Session, retirement{since: time.Now(), revoked: true}, until)
	}
	for _, c := range clients {
		r.evict(c)
	}
	return clients
}

// forbid notes what does not count any more. It needs registry.mu.
func (r *registry) forbid(k Key, except string, clients []*client, until time.Time) {
	revoked := retirement{since: time.Now(), revoked: true}
	switch k.Kind {
	case Session:
		r.retired.note(k.ID, revoked, until)
	case User:
		b := banishment{since: revoked.since}
		if except != "" {
			b.spared = []string{except}
		}
		r.banished.note(k.ID, b, until)
	}
	for _, c := range clients {
		if id := c.standing.Load().Session; id != "" {
			r.retired.note(id, revoked, until)
		}
	}
}

// evict takes a client and its sockets out of every index, for good. It needs
// registry.mu.
func (r *registry) evict(c *client) {
	r.drop(c)
	for len(c.shown) > 0 {
		r.hideLocked(c.shown[len(c.shown)-1])
	}
}

// words is a Revocation as it is told in each namespace, encoded once.
type words struct {
	Revocation
	server  *Server
	refused Refusal // for who is not connected yet
	event   parser.Payload
	packets map[*Namespace]farewell
}

type farewell struct{ event, disconnect, refusal *engineio.Message }

func (s *Server) wordsOf(why Revocation) *words {
	n := notice(why)
	event, err := parser.EncodeOwnEvent(RevokedEvent, []any{n})
	if err != nil {
		s.log.Error("mojo: cannot encode the data of a revocation", "error", err)
		n.Data = nil
		event, _ = parser.EncodeOwnEvent(RevokedEvent, []any{n}) // cannot fail
	}
	w := &words{Revocation: why, server: s, event: event, packets: make(map[*Namespace]farewell)}
	w.refused = Refusal{Message: why.Message, Data: n}
	if why.Message == "" {
		w.refused.Message = string(why.Reason)
	}
	return w
}

func (w *words) in(n *Namespace) farewell {
	f, made := w.packets[n]
	if !made {
		f = farewell{
			event:      packet(parser.Event, n.name, w.event),
			disconnect: packet(parser.Disconnect, n.name, parser.Payload{}),
			refusal:    w.server.refusal(n.name, &w.refused),
		}
		w.packets[n] = f
	}
	return f
}

// dismiss tells a client on all its namespaces and closes it. One that may not
// come back is disconnected from each namespace, or it would by itself.
func (c *client) dismiss(w *words, b *engineio.Batch) {
	c.mu.Lock()
	c.gone = true // nothing begins any more
	sockets := c.sockets()
	c.mu.Unlock()
	for _, s := range sockets {
		s.dismiss(w, !w.Reconnect, b)
	}
	c.session.Close(w.Reason)
}

// dismiss tells the client on one namespace, and ends the socket. What the client
// sent and was not handled yet never is.
func (s *Socket) dismiss(w *words, disconnect bool, b *engineio.Batch) {
	f := w.in(s.namespace)
	s.finish(w.Reason, func(was socketState) {
		s.deaf = true
		session := s.session
		if was == pending {
			_ = session.Queue(f.refusal, Delivery{}, b)
			return
		}
		_ = session.Queue(f.event, Delivery{}, b)
		if disconnect {
			_ = session.Queue(f.disconnect, Delivery{}, b)
		}
	})
}

// revoke is dismiss for a lone socket.
func (s *Socket) revoke(why Revocation) {
	var b engineio.Batch
	defer b.Flush()
	s.dismiss(s.namespace.server.wordsOf(why), true, &b)
}

// Lapsed is part of engineio.Handler: the cookies of the connection have expired,
// unless they were renewed meanwhile, or there was no proof of its claim in time.
func (c *client) Lapsed() {
	polling := c.session.Transport() == engineio.Polling
	r := &c.server.registry
	r.mu.Lock()
	is := c.standing.Load()
	unproven := is.claim != nil && is.claim.over(polling)
	over := unproven || is.over()
	if over {
		r.evict(c)
	}
	r.mu.Unlock()
	switch {
	case !over:
		c.watchExpiry()
	case unproven:
		c.session.Close(IdentityChanged)
	default:
		c.server.dismiss([]*client{c}, Revocation{Code: CodeExpired, Reason: Expired, Reconnect: true})
	}
}
