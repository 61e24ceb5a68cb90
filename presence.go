package mojo

import "github.com/mojosocket/mojo/internal/socketio"

// PresenceKind says whether a Presence is that of a user or of a browser session.
type PresenceKind uint8

// The kinds of Presence.
const (
	UserPresence    PresenceKind = iota // ID is a user id
	SessionPresence                     // ID is a session id
)

// Presence is that somebody came online or went offline. A user or session is
// online from the first accepted connection to Options.Timeouts.PresenceGrace after the last
// one, over all tabs, devices and, for Options.OnPresence, apps.
type Presence struct {
	Kind   PresenceKind
	ID     string
	Online bool
}

func presenceOf(t socketio.Transition) Presence {
	p := Presence{Kind: UserPresence, ID: t.Key.ID, Online: t.Online}
	if t.Key.Kind == socketio.Session {
		p.Kind = SessionPresence
	}
	return p
}

// presenceTeller is nil if nobody wants to know about the whole server.
func (s *Server) presenceTeller() func(socketio.Transition) {
	tell := s.opts.OnPresence
	if tell == nil {
		return nil
	}
	return func(t socketio.Transition) { tell(presenceOf(t)) }
}
