// Package status is the app Status: it tells a page which user it belongs to,
// and who is online. Pages connect to it with io("/StatusSocket").
//
// A page receives "you" when it connects, and again after each login or logout
// in its browser. It sends "ready" once. From then on it receives "online" when
// a user has connected or disconnected. On the same socket it also receives the
// messages of the site's HTTP handlers.
package status

import (
	"cmp"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/mojosocket/mojo"
)

// You is the user of a page.
type You struct {
	Name    string `json:"name"`    // "" if the browser is not logged in
	Session bool   `json:"session"` // false: the browser has no valid session
}

// Online is a list of all who are connected.
type Online struct {
	People []Person `json:"people"` // sorted by name
	Guests int      `json:"guests"` // browsers that are not logged in
}

// Person is a user, with all tabs and browsers.
type Person struct {
	Name     string `json:"name"`
	Tabs     int    `json:"tabs"`
	Browsers int    `json:"browsers"`
}

// Handlers is the app. The zero value is ready to use.
type Handlers struct {
	// mu is held while a list is made and sent, so that the list that is sent
	// last is the newest.
	mu sync.Mutex
}

type readyKey struct{}

// OnConnect tells the page its user.
func (h *Handlers) OnConnect(c *mojo.Conn) error { return sendYou(c, c.Identity()) }

// OnIdentity tells the page its new user after a login or logout, perhaps in
// another tab.
func (h *Handlers) OnIdentity(c *mojo.Conn, _, now mojo.Identity) error {
	h.publish(c.Channel())
	return sendYou(c, now)
}

func sendYou(c *mojo.Conn, id mojo.Identity) error {
	return c.Emit("you", You{Name: id.UserID, Session: id.SessionID != ""})
}

// OnMessage handles "ready". Unlike in OnConnect, the channel already lists the
// connection.
func (h *Handlers) OnMessage(c *mojo.Conn, m *mojo.Message) {
	if m.Event() == "ready" && c.Get(readyKey{}) == nil {
		c.Set(readyKey{}, true)
		h.publish(c.Channel())
	}
}

// OnDisconnect runs when the channel does not list the connection any more.
func (h *Handlers) OnDisconnect(c *mojo.Conn, _ mojo.Reason) {
	h.publish(c.Channel())
}

// publish sends the list to all connections.
func (h *Handlers) publish(ch *mojo.Channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ch.Emit("online", list(ch)); err != nil && !errors.Is(err, mojo.ErrServerClosed) {
		slog.Error("cannot send the list", "error", err)
	}
}

// list reads the whole list from the channel each time. Counters that the app
// keeps itself could become wrong. It omits a user who disconnects meanwhile.
func list(ch *mojo.Channel) Online {
	online := Online{People: []Person{}}
	for user := range ch.LoggedInSessions().All() {
		person := Person{Name: user.ID()}
		browsers := make(map[string]struct{})
		for c := range user.Conns() {
			person.Tabs++
			browsers[c.SessionID()] = struct{}{}
		}
		person.Browsers = len(browsers)
		if person.Tabs > 0 {
			online.People = append(online.People, person)
		}
	}
	slices.SortFunc(online.People, func(a, b Person) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	for session := range ch.CurrentSessions().All() {
		for c := range session.Conns() {
			if c.UserID() == "" {
				online.Guests++
			}
			break // all connections of a session have the same user
		}
	}
	return online
}
