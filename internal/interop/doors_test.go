package interop_test

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/mojosocket/mojo"
)

// doors is an app that sends each client its identity, when it connects and
// when it changes. A client that names a door waits in OnConnect until that
// door is opened.
type doors struct {
	mu    sync.Mutex // guards the fields below
	named map[string]*door
}

type door struct{ reached, opened chan struct{} }

func (d *doors) find(name string) *door {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.named == nil {
		d.named = make(map[string]*door)
	}
	if d.named[name] == nil {
		d.named[name] = &door{make(chan struct{}), make(chan struct{})}
	}
	return d.named[name]
}

// who is the argument of the event "you".
type who struct {
	Session string `json:"session"`
	User    string `json:"user"`
}

func (d *doors) app() *mojo.Events {
	tell := func(c *mojo.Conn, id mojo.Identity) error { return c.Emit("you", who{id.SessionID, id.UserID}) }
	ev := &mojo.Events{
		Connect: func(c *mojo.Conn) error {
			var auth struct{ Door string }
			if json.Unmarshal(c.Handshake().Auth, &auth) == nil && auth.Door != "" {
				door := d.find(auth.Door)
				came := c.Identity()
				close(door.reached)
				<-door.opened
				return tell(c, came)
			}
			return tell(c, c.Identity())
		},
		Identity: func(c *mojo.Conn, _, now mojo.Identity) error { return tell(c, now) },
	}
	mojo.OnCall(ev, "whoami", func(c *mojo.Conn, _ struct{}) (string, error) { return c.ID(), nil })
	return ev
}

// waitFor waits until a client waits at a door.
func (d *doors) waitFor(ctx context.Context, in struct{ Door string }) (any, error) {
	select {
	case <-d.find(in.Door).reached:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// open opens a door.
func (d *doors) open(_ context.Context, in struct{ Door string }) (any, error) {
	close(d.find(in.Door).opened)
	return nil, nil
}
