// Package status is the app Status: who am I, and who is here. Pages connect to it
// with io("/StatusSocket").
//
// A page gets "you" when it connects. It sends "arrived" once and from then on gets
// "here" whenever somebody has come or gone. On the same socket it listens for what
// the site's HTTP handlers send.
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

// OnConnect tells the page who it is. A page that was connected under another
// identity before learns of the change in this way.
func (h *Handlers) OnConnect(c *mojo.Conn) error {
	return c.Emit("you", You{Name: c.UserID(), Session: c.SessionID() != ""})
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
