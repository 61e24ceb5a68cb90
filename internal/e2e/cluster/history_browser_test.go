package cluster

import (
	"net/http"
	"sync"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/e2e/history"
	"github.com/mojosocket/mojo/internal/siotest"
)

// pass is what a browser has to show who it is.
type pass struct {
	session string
	header  http.Header
}

// request returns a request of a browser with the pass.
func (p pass) request() *http.Request {
	r := cookietest.Request()
	r.Header = p.header.Clone()
	return r
}

// historyBrowser is a browser with connections to several nodes.
type historyBrowser struct {
	id int
	// careless: its requests overlap, as after a double click, so it may keep
	// the session of the earlier one.
	careless bool
	busy     chan struct{} // a lock of its requests, unless it is careless

	mu      sync.Mutex
	passes  []pass // the last one is the current one
	clients map[*historyClient]bool
	engines map[*siotest.Engine]bool // of the clients that send the current pass
	gone    bool                     // its session was revoked
	unsure  bool                     // its site and the Servers may disagree
}

func (b *historyBrowser) current() pass {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.passes[len(b.passes)-1]
}

// earlier returns the pass that the browser had some changes before.
func (b *historyBrowser) earlier(changes int) pass {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.passes[max(len(b.passes)-1-changes, 0)]
}

func (b *historyBrowser) all() (clients []*historyClient) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.clients {
		clients = append(clients, c)
	}
	return clients
}

// take gives the browser a new pass. Its later requests have it.
func (b *historyBrowser) take(p pass) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.passes = append(b.passes, p)
	for engine := range b.engines {
		engine.SetHeader(p.header)
	}
}

// follow makes a connection send the current pass.
func (b *historyBrowser) follow(engine *siotest.Engine) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.engines[engine] = true
	engine.SetHeader(b.passes[len(b.passes)-1].header)
}

// historyClient is a connection of a browser.
type historyClient struct {
	run     *historyRun
	browser *historyBrowser
	link    *history.Link
	client  *siotest.Client
	socket  *siotest.Socket
}

// echo lets the server send an event to the client, and with it the time before
// which it was not sent.
func (c *historyClient) echo() {
	stamp := c.run.Stamp()
	if !c.run.IsAway(c.link.Node, stamp) {
		c.socket.Emit("echo", stamp)
	}
}

func (c *historyClient) isOpen() bool {
	select {
	case <-c.socket.Disconnected():
		return false
	default:
		return true
	}
}

// read records what arrives until the connection ends. proofDelay is how long
// the browser takes to prove who it is.
func (c *historyClient) read(proofDelay time.Duration) {
	queued := 0
	for {
		event, err := c.socket.TryNext()
		if err != nil {
			if c.isOpen() {
				continue
			}
			return
		}
		switch event.Name {
		case mojo.IdentityEvent:
			var value struct{ Proof string }
			if event.Decode(0, &value) == nil && c.link.Follows {
				c.run.background.Go(func() { c.prove(value.Proof, proofDelay) })
			}
		case "echo":
			var stamp int
			if event.Decode(0, &stamp) == nil {
				queued = max(queued, stamp)
			}
		case "event", slowEvent:
			var id int
			if err := event.Decode(0, &id); err != nil {
				c.run.t.Errorf("event %s: %v", event, err)
				continue
			}
			e := c.run.emission(id)
			c.run.Deliver(history.Delivery{Emission: e, Link: c.link, At: c.run.Stamp(), Queued: max(queued, e.Begin)})
			if !e.Away || e.Node != c.link.Node {
				queued = max(queued, e.Begin)
			}
		}
	}
}

// prove does what mojo.js does.
func (c *historyClient) prove(proof string, delay time.Duration) {
	time.Sleep(delay)
	for wait := 25 * time.Millisecond; c.isOpen(); wait = min(2*wait, 400*time.Millisecond) {
		r, err := http.NewRequestWithContext(c.run.ctx, http.MethodPost, c.run.node(c.link.Node).site.URL+"/socket.io/", nil)
		if err != nil {
			c.run.t.Error(err)
			return
		}
		r.Header = c.browser.current().header.Clone()
		r.Header.Set(mojo.IdentityHeader, proof)
		answer, err := c.run.node(c.link.Node).site.Client().Do(r)
		if err != nil {
			return // the run has ended
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusConflict {
			return
		}
		time.Sleep(wait)
	}
}
