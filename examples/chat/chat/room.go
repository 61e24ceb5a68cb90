package chat

import (
	"slices"
	"sync"
	"time"

	"github.com/mojosocket/mojo"
)

const (
	members = "members" // the mojo room that every connection joins
	memory  = 50        // lines that newcomers get to read
)

// room is the chat's memory. Its lock is also held while something is sent, which
// never blocks: so everybody gets the lines in the order of their numbers, and a
// newcomer gets each line either in the history or as an event.
type room struct {
	mu    sync.Mutex // guards what follows
	lines []Said
	last  int
}

// enter lets a connection in. What is sent to the room from the Join on is kept for
// it, and arrives after the history.
func (r *room) enter(c *mojo.Conn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := c.Join(members); err != nil {
		return err
	}
	return c.Emit("history", r.lines)
}

// say sends a line to everybody in the room, who wrote it included.
func (r *room) say(ch *mojo.Channel, from, words string) (Said, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := Said{ID: r.last + 1, From: from, Text: words, At: time.Now().UTC()}
	if err := ch.To(members).Emit("said", said); err != nil {
		return Said{}, err
	}
	r.last = said.ID
	r.lines = append(r.lines, said)
	if len(r.lines) > memory {
		r.lines = slices.Delete(r.lines, 0, 1)
	}
	return said, nil
}
