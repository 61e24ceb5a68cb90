package processes

import (
	"sync"
	"time"

	"github.com/mojosocket/mojo"
)

// app is the application of a node. It answers "echo" with the same argument.
type app struct {
	mu       sync.Mutex // guards the fields below
	accepted map[string]time.Time
	edges    []Edge
}

// Edge is a call of OnPresence.
type Edge struct {
	Kind   mojo.PresenceKind
	ID     string
	Online bool
	At     time.Time
}

func newApp() *app { return &app{accepted: make(map[string]time.Time)} }

func (a *app) OnConnect(c *mojo.Conn) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accepted[c.SessionID()] = time.Now()
	return nil
}

func (a *app) OnMessage(c *mojo.Conn, m *mojo.Message) {
	var argument any
	if m.Decode(&argument) == nil {
		_ = c.Emit(m.Event(), argument) // the client may have gone
	}
}

func (a *app) OnDisconnect(*mojo.Conn, mojo.Reason) {}

func (a *app) notePresence(p mojo.Presence) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.edges = append(a.edges, Edge{p.Kind, p.ID, p.Online, time.Now()})
}

// takeEdges returns the calls of OnPresence since the last time.
func (a *app) takeEdges() []Edge {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.edges
	a.edges = nil
	return taken
}

// acceptedAt returns when OnConnect was called for a session.
func (a *app) acceptedAt(session string) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.accepted[session]
}
