// Package chat is the app Chat: one room, which everybody can read and in which
// users who are logged in can write. Pages connect to it with
// io("/ChatSocket").
//
// A page receives the event "history" with a list of lines when it connects,
// and "said" for each new line. The events "online" and "offline" have the name
// of a user. A page sends "say" with a text. The ack is the Line, or an error
// with a message for the user.
package chat

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/examples/chat/text"
)

const (
	everyone   = "everyone" // the mojo room that every connection joins
	maxHistory = 50         // lines that a new connection receives
)

// Line is one line of the chat.
type Line struct {
	ID   int       `json:"id"`
	From string    `json:"from"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// Handlers returns the app, with an empty room.
func Handlers() mojo.SocketHandler {
	r := &room{lines: []Line{}}
	ev := &mojo.Events{Connect: r.join, Presence: announce}
	mojo.OnCall(ev, "say", r.onSay)
	return ev.Handler()
}

// announce tells the room that a user is online or offline. Presence has a
// grace period, so a reload of a page causes neither event.
func announce(ch *mojo.Channel, p mojo.Presence) {
	if p.Kind != mojo.UserPresence {
		return
	}
	event := "offline"
	if p.Online {
		event = "online"
	}
	if err := ch.To(everyone).Emit(event, p.ID); err != nil && !errors.Is(err, mojo.ErrServerClosed) {
		slog.Error("cannot announce", "event", event, "error", err)
	}
}

// room has the latest lines of the chat. Its lock is also held while an event
// is sent, which never blocks. So all connections receive the lines in the
// order of their ids, and a new connection receives each line once: in the
// history or as an event.
type room struct {
	mu     sync.Mutex // guards the fields below
	lines  []Line
	lastID int
}

// join sends the history to a new connection. mojo queues the events that are
// sent to the room after Join, and delivers them after the history.
func (r *room) join(c *mojo.Conn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := c.Join(everyone); err != nil {
		return err
	}
	return c.Emit("history", r.lines)
}

// onSay handles the event "say". What it returns is the ack. It reads the user
// id once, because another tab may log in or out at any moment.
func (r *room) onSay(c *mojo.Conn, message string) (Line, error) {
	from := c.UserID()
	if from == "" {
		return Line{}, mojo.ClientError{Message: "Log in to speak."}
	}
	message, err := text.Line("A message", message, text.Max)
	if err != nil {
		return Line{}, mojo.ClientError{Message: err.Error() + "."}
	}
	return r.say(c.Channel(), from, message)
}

// say sends a line to all connections, also to those of its author.
func (r *room) say(ch *mojo.Channel, from, message string) (Line, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := Line{ID: r.lastID + 1, From: from, Text: message, At: time.Now().UTC()}
	if err := ch.To(everyone).Emit("said", line); err != nil {
		return Line{}, err
	}
	r.lastID = line.ID
	r.lines = append(r.lines, line)
	if len(r.lines) > maxHistory {
		r.lines = slices.Delete(r.lines, 0, 1)
	}
	return line, nil
}
