package chat

import (
	"slices"
	"sync"
	"time"

	"github.com/mojosocket/mojo"
)

const (
	members = "members"       // the mojo room that every connection joins
	memory  = 50              // lines that newcomers get to read
	grace   = 4 * time.Second // a page that is loaded anew is back by then
)

// room is the chat's memory. Its lock is also held while something is sent, which
// never blocks: so everybody gets the lines in the order of their numbers, and a
// newcomer gets each line either in the history or as an event.
type room struct {
	mu      sync.Mutex // guards what follows
	lines   []Said
	last    int
	present map[string]*presence // by user
}

// presence counts a user's tabs, so that others are told of the first and the last
// one only.
type presence struct {
	tabs    int
	leaving *time.Timer // runs while there is none
}

func newRoom() *room { return &room{lines: []Said{}, present: make(map[string]*presence)} }

// enter lets a connection in. What is sent to the room from the Join on is kept for
// it, and arrives after the history.
func (r *room) enter(c *mojo.Conn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := c.Join(members); err != nil {
		return err
	}
	if err := c.Emit("history", r.lines); err != nil {
		return err
	}
	user := c.UserID()
	if user == "" {
		return nil
	}
	p, known := r.present[user]
	if !known {
		p = &presence{}
		r.present[user] = p
		announce(c.Channel(), "came", user)
	}
	if p.leaving != nil {
		p.leaving.Stop()
	}
	p.tabs++
	return nil
}

// leave counts a connection out. Its user has left when no other one of theirs has
// come for a while.
func (r *room) leave(c *mojo.Conn) {
	user := c.UserID()
	if user == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.present[user]
	p.tabs--
	if p.tabs > 0 {
		return
	}
	ch := c.Channel()
	p.leaving = time.AfterFunc(grace, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p.tabs == 0 && r.present[user] == p {
			delete(r.present, user)
			announce(ch, "left", user)
		}
	})
}

// say sends a line to everybody in the room, who wrote it included.
func (r *room) say(c *mojo.Conn, words string) (Said, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := Said{ID: r.last + 1, From: c.UserID(), Text: words, At: time.Now().UTC()}
	if err := c.Channel().To(members).Emit("said", said); err != nil {
		return Said{}, err
	}
	r.last = said.ID
	r.lines = append(r.lines, said)
	if len(r.lines) > memory {
		r.lines = slices.Delete(r.lines, 0, 1)
	}
	return said, nil
}
