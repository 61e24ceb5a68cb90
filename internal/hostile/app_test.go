package hostile

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// app is the handler of a testSite. It acknowledges the event echo with its
// arguments, and records every other event.
type app struct {
	mu     sync.Mutex // guards the fields below
	conns  map[string]*mojo.Conn
	ends   map[string]chan mojo.Reason // by id; each has a buffer of one
	heard  []string
	spared string // the id of the bystander's connection
}

// newApp returns an app that accepts everybody.
func newApp() *app {
	return &app{conns: make(map[string]*mojo.Conn), ends: make(map[string]chan mojo.Reason)}
}

func (a *app) OnConnect(c *mojo.Conn) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns[c.ID()] = c
	a.ends[c.ID()] = make(chan mojo.Reason, 1)
	return nil
}

func (a *app) OnMessage(_ *mojo.Conn, m *mojo.Message) {
	args := make([]any, m.Len())
	into := make([]any, m.Len())
	for i := range args {
		into[i] = &args[i]
	}
	err := m.Decode(into...)
	if m.Event() == "echo" && err == nil {
		_ = m.Ack(args...)
		return
	}
	text, _ := json.Marshal(args)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heard = append(a.heard, fmt.Sprint(m.Event(), " ", string(text), " ", err))
}

func (a *app) OnDisconnect(c *mojo.Conn, reason mojo.Reason) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c.ID())
	a.ends[c.ID()] <- reason
}

// spare keeps what is recorded of a connection when forget is called.
func (a *app) spare(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spared = id
}

// conn returns the Conn of an id, which must be connected.
func (a *app) conn(t *testing.T, id string) *mojo.Conn {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	require.Contains(t, a.conns, id)
	return a.conns[id]
}

// awaitEnd waits for OnDisconnect and returns its reason.
func (a *app) awaitEnd(t *testing.T, id string) mojo.Reason {
	t.Helper()
	a.mu.Lock()
	end := a.ends[id]
	a.mu.Unlock()
	require.NotNil(t, end, "it was never accepted")
	select {
	case reason := <-end:
		return reason
	case <-time.After(siotest.Limit):
		require.FailNow(t, "OnDisconnect was not called")
		return ""
	}
}

// live returns the number of connections.
func (a *app) live() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.conns)
}

// events returns the recorded events since the last call of forget.
func (a *app) events() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.heard
}

// forget drops the recorded events, and what is recorded of connections that
// have ended.
func (a *app) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heard = nil
	for id := range a.ends {
		if id != a.spared {
			delete(a.ends, id)
		}
	}
}
