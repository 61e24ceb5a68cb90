package socketio

import (
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/siotest"
)

// testApp is an App that records its calls. The functions may be nil.
type testApp struct {
	connect func(s *Socket, auth []byte) *Refusal
	event   func(e *Event)

	connected chan *Socket
	ended     chan Reason

	mu      sync.Mutex // guards the fields below
	calls   []string
	running map[*Socket]int // the calls that have not returned
}

func newTestApp() *testApp {
	return &testApp{connected: make(chan *Socket, 1000), ended: make(chan Reason, 1000), running: make(map[*Socket]int)}
}

// record appends a call to calls. If it overlaps with another call for the same
// socket, it also appends "OVERLAP".
func (a *testApp) record(s *Socket, call string) (done func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, call)
	if a.running[s]++; a.running[s] > 1 {
		a.calls = append(a.calls, "OVERLAP")
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.running[s]--
	}
}

func (a *testApp) Connect(s *Socket, auth []byte) *Refusal {
	defer a.record(s, "connect "+string(auth))()
	if a.connect != nil {
		if r := a.connect(s, auth); r != nil {
			return r
		}
	}
	a.connected <- s
	return nil
}

func (a *testApp) Event(e *Event) {
	defer a.record(e.Socket, e.Name)()
	if a.event != nil {
		a.event(e)
	}
}

func (a *testApp) Disconnect(s *Socket, reason Reason) {
	defer a.record(s, "disconnect")()
	a.ended <- reason
}

func serverOptions() Options {
	return Options{
		Engine: engineio.Options{
			PingInterval:   25 * time.Second,
			PingTimeout:    20 * time.Second,
			UpgradeTimeout: 10 * time.Second,
			MaxPayload:     1_000_000,
			MaxQueue:       1 << 20,
			MaxInbound:     1 << 20,
			Transports:     []engineio.Transport{engineio.Polling, engineio.WebSocket},
			Logger:         slog.New(slog.NewTextHandler(io.Discard, nil)),
		},
		ConnectTimeout:     45 * time.Second,
		AskTime:            5 * time.Second,
		MaxRooms:           1000,
		MaxRoomName:        256,
		MaxAcks:            1000,
		AckTimeout:         time.Minute,
		MaxAttachments:     10,
		MaxAttachmentBytes: 1_000_000,
		Identify: func(r *http.Request) (command.Identified, error) {
			return command.Identified{Identity: command.Identity{Session: r.Header.Get("X-Session"), User: r.Header.Get("X-User")}}, nil
		},
		KeepHandshake: func(*http.Request) any { return "kept" },
	}
}

// serve runs a Server with an App at each of the namespaces. The headers
// X-Session and X-User of a client are its identity.
func serve(t testing.TB, app App, namespaces ...string) (*Server, []*Namespace, *siotest.Site) {
	t.Helper()
	s := NewServer(serverOptions())
	mounted := make([]*Namespace, 0, len(namespaces))
	for _, name := range namespaces {
		n := s.NewNamespace(name, app, Watchers{})
		require.True(t, s.Mount(n))
		mounted = append(mounted, n)
	}
	t.Cleanup(s.Close)
	return s, mounted, siotest.Serve(t, siotest.Memory, s)
}

func dial(t testing.TB, site *siotest.Site, transport, session, user string) *siotest.Client {
	t.Helper()
	return siotest.Dial(t, site, siotest.Options{
		Transport: transport,
		Header:    http.Header{"X-Session": {session}, "X-User": {user}},
	})
}

func await[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(siotest.Limit):
		require.Fail(t, "nothing was received")
		panic("unreachable")
	}
}
