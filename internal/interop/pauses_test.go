package interop_test

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/mojosocket/mojo"
)

// pauses has an app that sends each client its identity when it connects and
// when it changes. The OnConnect of a client that names a pause waits until a
// scenario continues that pause.
type pauses struct {
	mu     sync.Mutex // guards the fields below
	byName map[string]*pause
}

type pause struct{ reached, resumed chan struct{} }

func (p *pauses) find(name string) *pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byName == nil {
		p.byName = make(map[string]*pause)
	}
	if p.byName[name] == nil {
		p.byName[name] = &pause{make(chan struct{}), make(chan struct{})}
	}
	return p.byName[name]
}

// identity is the argument of the event "you".
type identity struct {
	Session string `json:"session"`
	User    string `json:"user"`
}

func (p *pauses) app() *mojo.Events {
	sendIdentity := func(c *mojo.Conn, id mojo.Identity) error { return c.Emit("you", identity{id.SessionID, id.UserID}) }
	ev := &mojo.Events{
		Connect: func(c *mojo.Conn) error {
			var auth struct{ Pause string }
			if json.Unmarshal(c.Handshake().Auth, &auth) == nil && auth.Pause != "" {
				pause := p.find(auth.Pause)
				before := c.Identity()
				close(pause.reached)
				<-pause.resumed
				return sendIdentity(c, before)
			}
			return sendIdentity(c, c.Identity())
		},
		Identity: func(c *mojo.Conn, _, now mojo.Identity) error { return sendIdentity(c, now) },
	}
	mojo.OnCall(ev, "whoami", func(c *mojo.Conn, _ struct{}) (string, error) { return c.ID(), nil })
	return ev
}

// waitFor waits until the OnConnect of a client has reached a pause.
func (p *pauses) waitFor(ctx context.Context, in struct{ Pause string }) (any, error) {
	select {
	case <-p.find(in.Pause).reached:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// resume makes the OnConnect that waits in a pause return.
func (p *pauses) resume(_ context.Context, in struct{ Pause string }) (any, error) {
	close(p.find(in.Pause).resumed)
	return nil, nil
}
