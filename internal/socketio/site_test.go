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

// testApp is an App that tells the test what it was told. The functions may be
// nil.
type testApp struct {
	connect func(s *Socket, auth []byte) *Refusal
	event   func(e *Event)

	connected chan *Socket
	ended     chan Reason

	mu    sync.Mutex // guards told
	told  []string
	calls map[*Socket]int // that are under way
}

func newTestApp() *testApp {
	return &testApp{connected: make(chan *Socket, 1000), ended: make(chan Reason, 1000), calls: make(map[*Socket]int)}
}

// tell notes a call, and reports an overlap with another for the same socket.
func (a *testApp) tell(s *Socket, what string) (done func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = append(a.told, what)
	if a.calls[s]++; a.calls[s] > 1 {
		a.told = append(a.told, "OVERLAP")
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.calls[s]--
	}
}

func (a *testApp) Connect(s *Socket, auth []byte) *Refusal {
	defer a.tell(s, "connect "+string(auth))()
	if a.connect != nil {
		if r := a.connect(s, auth); r != nil {
			return r
		}
	}
	a.connected <- s
	return nil
}

func (a *testApp) Event(e *Event) {
	defer a.tell(e.Socket, e.Name)()
	if a.event != nil {
		a.event(e)
	}
}

func (a *testApp) Disconnect(s *Socket, reason Reason) {
	defer a.tell(s, "disconnect")()
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
		Keep: func(*http.Request) any { return "kept" },
	}
}

// serve runs a Server with an App at each of the namespaces. Clients say who
// they are in X-Session and X-User.
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
		require.Fail(t, "nothing came")
		panic("unreachable")
	}
}
