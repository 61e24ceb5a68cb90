// Package status is the app Status: who am I, and who is here. Pages connect to it
// with io("/StatusSocket").
//
// A page gets "you" when it connects, and when this browser has logged in or out
// since. It sends "arrived" once and from then on gets "here" whenever somebody has
// come or gone. On the same socket it listens for what the site's HTTP handlers send.
package status

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/mojosocket/mojo"
)

// You is whom the site takes a page for.
type You struct {
	Name    string `json:"name"`    // "" if nobody is logged in
	Session bool   `json:"session"` // false: the browser has no valid session
}

// Handlers is the app. The zero value is ready.
type Handlers struct {
	mu sync.Mutex // held from looking who is here until that is sent, so that the last list sent is the newest
}

type arrivedKey struct{}

// OnConnect tells the page who it is.
func (h *Handlers) OnConnect(c *mojo.Conn) error { return tell(c, c.Identity()) }

// OnIdentity tells the page who it is now: somebody has logged in or out, in another
// tab perhaps.
func (h *Handlers) OnIdentity(c *mojo.Conn, _, now mojo.Identity) error {
	h.publish(c.Channel())
	return tell(c, now)
}

func tell(c *mojo.Conn, id mojo.Identity) error {
	return c.Emit("you", You{Name: id.UserID, Session: id.SessionID != ""})
}

// OnMessage takes "arrived". The connection is in the index by now, which it is not
// in OnConnect.
func (h *Handlers) OnMessage(c *mojo.Conn, m *mojo.Message) {
	if m.Event() == "arrived" && c.Get(arrivedKey{}) == nil {
		c.Set(arrivedKey{}, true)
		h.publish(c.Channel())
	}
}

// OnDisconnect finds the connection gone from the index.
func (h *Handlers) OnDisconnect(c *mojo.Conn, _ mojo.Reason) {
	h.publish(c.Channel())
}

// publish sends the list of who is here to everybody.
func (h *Handlers) publish(ch *mojo.Channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ch.Emit("here", look(ch)); err != nil && !errors.Is(err, mojo.ErrServerClosed) {
		slog.Error("cannot say who is here", "error", err)
	}
}
