package processes

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/history"
	"github.com/mojosocket/mojo/internal/siotest"
)

// pass is what a browser has to show who it is.
type pass struct{ session, user, cookie string }

func (p pass) header() http.Header { return http.Header{"Cookie": {p.cookie}} }

// browser has connections to several nodes. Its requests follow one another.
type browser struct {
	run  *chaos
	id   int
	busy chan struct{} // a lock of its requests

	mu      sync.Mutex // guards the fields below
	passes  []pass     // the last one is the current one
	clients map[*client]bool
	engines map[*siotest.Engine]bool // of the clients that send the current pass
	gone    bool                     // its session was revoked
}

// newBrowser returns a browser with a session.
func (r *chaos) newBrowser() *browser {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := &browser{
		run: r, id: r.browsers, busy: make(chan struct{}, 1),
		clients: make(map[*client]bool), engines: make(map[*siotest.Engine]bool),
	}
	r.browsers++
	session := history.FirstSession(b.id)
	b.passes = []pass{{session, "", cookiesOf(session, "")}}
	return b
}

func (b *browser) current() pass { return b.earlier(0) }

// earlier returns the pass that the browser had some changes before.
func (b *browser) earlier(changes int) pass {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.passes[max(len(b.passes)-1-changes, 0)]
}

// follow makes a connection send the current pass.
func (b *browser) follow(engine *siotest.Engine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.engines[engine] = true
	engine.SetHeader(b.passes[len(b.passes)-1].header())
}

func (b *browser) isGone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gone
}

func (b *browser) all() (clients []*client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.clients {
		clients = append(clients, c)
	}
	return clients
}

func (b *browser) close() {
	for _, c := range b.all() {
		c.drop()
	}
}

// request is a request that changes the identity of a browser.
type request struct {
	node    int
	user    string
	rebind  bool          // Rebind instead of LogIn and LogOut
	patient time.Duration // see Change
}

// request sends a request, and gives the browser the answer. It reports whether
// all nodes have confirmed it.
func (b *browser) request(q request) bool {
	b.busy <- struct{}{}
	defer func() { <-b.busy }()
	r, from := b.run, b.current()
	c := &history.Call{Kind: history.Change, Browser: b.id, Node: q.node, From: from.session, User: q.user}
	change := Change{Cookie: from.cookie, User: q.user, From: from.session, Patient: q.patient}
	if q.rebind {
		change.Rebind = c.From + "." + strconv.Itoa(r.NextID())
		c.To = change.Rebind
	}
	r.Begin(c)
	var result Changed
	if err := r.nodes[q.node].tryCall("Change", change, &result); err != nil {
		r.fail(err)
		return false
	}
	c.To = result.Session
	r.End(r.t, c, result.err())
	b.mu.Lock()
	b.passes = append(b.passes, pass{result.Session, q.user, result.Cookie})
	for engine := range b.engines {
		engine.SetHeader(b.passes[len(b.passes)-1].header())
	}
	b.mu.Unlock()
	if c.OK {
		for _, client := range b.all() {
			client.Emit("echo", r.Stamp())
		}
	}
	return c.OK
}

// connecting says how a client connects.
type connecting struct {
	node      int
	transport string
	pass      pass
	follows   bool
}

// client is a connection of a browser.
type client struct {
	browser *browser
	link    *history.Link
	ends    atomic.Int64 // how often "end" has arrived
	*siotest.Client
	*siotest.Socket
}

// connect connects a client of a browser. The nodes may refuse it.
func (r *chaos) connect(b *browser, v connecting) {
	options := siotest.Options{Transport: v.transport, Header: v.pass.header(), T: r.t}
	if v.follows {
		options.Page = func() http.Header { return b.current().header() }
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := &client{browser: b, link: &history.Link{
		ID: r.NextID(), Browser: b.id, Node: v.node, Session: v.pass.session, Follows: v.follows,
	}}
	var err error
	defer func() {
		if ctx.Err() != nil {
			r.t.Errorf("a client by %s has waited for an answer in vain: %v\n%s", v.transport, err, r.story(c.link))
		}
	}()
	c.Client, err = siotest.TryDial(ctx, r.nodes[v.node].site, options)
	c.link.Opened = r.Stamp()
	if err != nil {
		if refusal, ok := errors.AsType[*siotest.HTTPError](err); ok && refusal.Status == http.StatusForbidden && v.pass == b.current() {
			b.mu.Lock()
			b.gone = true
			b.mu.Unlock()
		}
		return
	}
	if v.follows {
		b.follow(c.Engine)
	}
	c.SendConnect(e2e.ChatNamespace, nil)
	if c.Socket, err = c.TryAwaitConnect(ctx, e2e.ChatNamespace); err != nil {
		c.Engine.Drop()
		return
	}
	b.mu.Lock()
	b.clients[c] = true
	b.mu.Unlock()
	r.clients.Go(c.read)
}

// drop ends the connection.
func (c *client) drop() {
	c.browser.mu.Lock()
	delete(c.browser.clients, c)
	delete(c.browser.engines, c.Engine)
	c.browser.mu.Unlock()
	c.Engine.Drop()
}

func (c *client) isOpen() bool {
	select {
	case <-c.Disconnected():
		return false
	default:
		return true
	}
}

// read records what arrives until the connection ends.
func (c *client) read() {
	r, queued := c.browser.run, 0
	for {
		event, err := c.TryNext()
		if err != nil {
			if c.isOpen() {
				continue
			}
			return
		}
		var number int
		if event.Decode(0, &number) != nil {
			continue // the event of a revocation
		}
		switch event.Name {
		case "echo":
			queued = max(queued, number)
		case "event":
			e := r.emission(number)
			r.Deliver(history.Delivery{Emission: e, Link: c.link, At: r.Stamp(), Queued: max(queued, e.Begin)})
			queued = max(queued, e.Begin)
		case "end":
			c.ends.Add(1)
		}
	}
}
