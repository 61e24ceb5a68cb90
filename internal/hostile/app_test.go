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
	mu       sync.Mutex // guards the fields below
	conns    map[string]*mojo.Conn
	ends     map[string]chan mojo.Reason // the reason of OnDisconnect, by id
	recorded []string
	exempted string // the id of the bystander's connection
	latest   string // the id of the latest connection
}

// newApp returns an app that accepts every client.
func newApp() *app {
	return &app{conns: make(map[string]*mojo.Conn), ends: make(map[string]chan mojo.Reason)}
}

func (a *app) OnConnect(c *mojo.Conn) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns[c.ID()] = c
	a.ends[c.ID()] = make(chan mojo.Reason, 1)
	a.latest = c.ID()
	return nil
}

func (a *app) OnMessage(_ *mojo.Conn, m *mojo.Message) {
	args := make([]any, m.Len())
	dst := make([]any, m.Len())
	for i := range args {
		dst[i] = &args[i]
	}
	err := m.Decode(dst...)
	if m.Event() == "echo" && err == nil {
		_ = m.Ack(args...)
		return
	}
	text, _ := json.Marshal(args)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.recorded = append(a.recorded, fmt.Sprint(m.Event(), " ", string(text), " ", err))
}

func (a *app) OnDisconnect(c *mojo.Conn, reason mojo.Reason) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c.ID())
	a.ends[c.ID()] <- reason
}

// exempt makes forget keep the records of a connection.
func (a *app) exempt(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.exempted = id
}

// conn returns the Conn with this id, which must be connected.
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
	require.NotNil(t, end, "the app has not accepted the connection")
	select {
	case reason := <-end:
		return reason
	case <-time.After(siotest.Limit):
		require.FailNow(t, "OnDisconnect was not called")
		return ""
	}
}

// live returns the number of current connections.
func (a *app) live() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.conns)
}

// events returns the recorded events since the last call of forget.
func (a *app) events() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.recorded
}

// forget deletes the recorded events, and the records of connections that have
// ended.
func (a *app) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.recorded = nil
	for id := range a.ends {
		if id != a.exempted {
			delete(a.ends, id)
		}
	}
}
