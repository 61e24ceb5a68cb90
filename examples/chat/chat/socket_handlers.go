// Package chat is the app Chat: one room, in which everybody reads and who is logged
// in speaks. Pages connect to it with io("/ChatSocket").
//
// A page gets "history" when it connects, a list of lines, and then "said" for each
// new line, and "came" and "left" with the name of a user. It calls "say" with a text
// and is answered with the Said, or with an error for the person.
package chat

import (
	"errors"
	"log/slog"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/examples/chat/text"
)

// Said is one line of the chat.
type Said struct {
	ID   int       `json:"id"`
	From string    `json:"from"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// Handlers returns the app, with an empty room.
func Handlers() mojo.SocketHandler {
	r := &room{lines: []Said{}}
	ev := &mojo.Events{Connect: r.enter, Presence: announce}
	mojo.OnCall(ev, "say", r.onSay)
	return ev.Handler()
}

// onSay is the event "say"; what it returns is the answer. Who speaks is asked once:
// another tab may log in or out at any moment.
func (r *room) onSay(c *mojo.Conn, words string) (Said, error) {
	from := c.UserID()
	if from == "" {
		return Said{}, mojo.ClientError{Message: "Log in to speak."}
	}
	words, err := text.Line("A message", words, text.Max)
	if err != nil {
		return Said{}, mojo.ClientError{Message: err.Error() + "."}
	}
	return r.say(c.Channel(), from, words)
}

// announce tells the room of users who come, with their first tab or by logging in,
// and who have gone. A page that is loaded anew is neither.
func announce(ch *mojo.Channel, p mojo.Presence) {
	if p.Kind != mojo.UserPresence {
		return
	}
	event := "left"
	if p.Online {
		event = "came"
	}
	if err := ch.To(members).Emit(event, p.ID); err != nil && !errors.Is(err, mojo.ErrServerClosed) {
		slog.Error("cannot announce", "event", event, "error", err)
	}
}
