// Package answers collects the answers to an event that went to many
// connections, on this node and on others, or to many nodes.
package answers

import (
	"context"
	"sync"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/fifo"
	"github.com/mojosocket/mojo/internal/parser"
)

// From is a connection that was asked or, without an ID, a node.
type From struct {
	Node     string // that has the connection; empty: a server of another kind, or this process without a cluster
	ID       string
	Identity command.Identified
}

// Outcome says what came of a question. The values are part of the wire between
// nodes.
type Outcome uint8

// The outcomes.
const (
	Missing     Outcome = iota // nothing came
	Answered                   // the answer came
	Ended                      // the connection has ended, or is not one of the receivers any more
	TooManyAcks                // the question was not sent: too many answers of the connection are outstanding
	Skipped                    // the question was not sent: it is volatile, and the client is behind
	Ambiguous                  // the answer has data that looks like a placeholder
	TooLarge                   // the answer was dropped: it, or the answers that nobody has read, are too large
	Lost                       // the node has left the cluster
	NoFunction                 // the node has no function for the notification
	Failed                     // the function for the notification has failed; the payload may say why
)

// Answer is what came from one connection or node.
type Answer struct {
	From
	Outcome Outcome
	Args    parser.Args
	Payload parser.Payload // what Args are made from
}

// cost is about how many bytes an answer keeps in memory.
func (a *Answer) cost() int {
	const base, each = 256, 8
	size := base + len(a.Payload.JSON) + each*a.Args.Len()
	for _, attachment := range a.Payload.Attachments {
		size += len(attachment)
	}
	return size
}

// MaxUnread is how many bytes of answers that nobody has read are kept.
const MaxUnread = 64 << 20

// Collection is the answers to one question. It ends when nobody is waited for
// any more, with its context, or by Close. Its methods are safe for concurrent
// use.
type Collection struct {
	stop   func() bool        // does not wait for the context any more
	cancel context.CancelFunc // of the context's own timeout
	until  time.Time          // when the context ends

	mu sync.Mutex
	collectionByMu
}

// collectionByMu is guarded by Collection.mu.
type collectionByMu struct {
	parts   []*Part
	waiting int // for answers, and for parts that have not said whom they have asked
	asked   int
	lost    bool // a part is lost, or was never there
	unread  fifo.Queue[Answer]
	bytes   int           // of unread
	changed chan struct{} // closed when there is something to read, or the end; nil if nobody waits
	ended   bool
	err     error    // of the context, if it was the end
	onEnd   []func() // to be called at the end
}

// New returns a Collection that ends with ctx, at the latest after a time if ctx
// has no deadline. It waits until Ready is called.
func New(ctx context.Context, limit time.Duration) *Collection {
	c := &Collection{cancel: func() {}}
	c.waiting = 1
	if _, limited := ctx.Deadline(); !limited {
		ctx, c.cancel = context.WithTimeout(ctx, limit)
	}
	c.until, _ = ctx.Deadline()
	c.stop = context.AfterFunc(ctx, func() { c.end(ctx.Err()) })
	return c
}

// Ready says that all parts were added.
func (c *Collection) Ready() { c.done(1) }

// Remaining returns how long c lasts at most.
func (c *Collection) Remaining() time.Duration { return time.Until(c.until) }

// OnEnd makes f be called once at the end of c, by any goroutine and without a
// lock. If c has ended, it calls f at once.
func (c *Collection) OnEnd(f func()) {
	c.mu.Lock()
	ended := c.ended
	if !ended {
		c.onEnd = append(c.onEnd, f)
	}
	c.mu.Unlock()
	if ended {
		f()
	}
}

// done notes that n answers or parts are not waited for any more.
func (c *Collection) done(n int) {
	c.mu.Lock()
	c.waiting -= n
	over := c.waiting == 0
	c.mu.Unlock()
	if over {
		c.end(nil)
	}
}

// end ends c. Only the first call does anything.
func (c *Collection) end(err error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended, c.err = true, err
	onEnd := c.onEnd
	c.onEnd = nil
	c.wakeLocked()
	c.mu.Unlock()
	c.stop()
	c.cancel()
	for _, f := range onEnd {
		f()
	}
}

// Close ends c, and drops what was not read.
func (c *Collection) Close() {
	c.end(nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unread, c.bytes = fifo.Queue[Answer]{}, 0
}

func (c *Collection) wakeLocked() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// Next returns the next answer. It waits for one, and returns false at the end.
func (c *Collection) Next() (a Answer, ok bool) {
	for {
		c.mu.Lock()
		if c.unread.Len() > 0 {
			a = c.unread.Pop()
			c.bytes -= a.cost()
			c.mu.Unlock()
			return a, true
		}
		if c.ended {
			c.mu.Unlock()
			return a, false
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		<-changed
	}
}

// Asked returns how many connections or nodes were asked, as far as it is known.
func (c *Collection) Asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// Lost reports whether nodes were lost, or were not reached.
func (c *Collection) Lost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// Unreached notes that other nodes were not reached.
func (c *Collection) Unreached() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = true
}

// Err returns the error of the context if that has ended c.
func (c *Collection) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Missing returns those who have not answered, with the outcome Missing or Lost.
func (c *Collection) Missing() (missing []Answer) {
	c.mu.Lock()
	parts := c.parts
	c.mu.Unlock()
	for _, p := range parts {
		missing = p.missing(missing)
	}
	return missing
}
