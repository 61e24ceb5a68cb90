package faults

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// A client sends a million events as fast as it can. The server stops reading
// while the handlers are behind. It needs no goroutine for each event, and at
// most 4 MiB.
func TestMillionEvents(t *testing.T) {
	const block = 1000
	events := e2e.Rounds(1_000_000)
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			h := newApp()
			release, done := make(chan struct{}), make(chan struct{})
			var heap, goroutines int64
			handled := 0
			h.Message = func(_ *mojo.Conn, m *mojo.Message) {
				var i int
				if err := m.Decode(&i); err != nil || i != handled%block {
					t.Error("out of order", i, err)
				}
				if handled == 0 {
					<-release
				}
				if handled%(events/10) == 0 {
					heap = max(heap, e2e.LiveHeap())
				}
				if handled%100 == 0 {
					goroutines = max(goroutines, int64(runtime.NumGoroutine()))
				}
				if handled++; handled == events {
					close(done)
				}
			}
			srv, _ := newServer(t, mojo.Options{Timeouts: mojo.Timeouts{PingInterval: time.Hour}}, h) // the client answers no pings
			site := siotest.ServeServer(t, siotest.TCP, smallBufferServer(srv))
			post := flooder(t, site, transport, block)
			heapBefore, goroutinesBefore := e2e.LiveHeap(), int64(runtime.NumGoroutine())
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				post(events/block, func() { close(release) })
			}()

			<-sent
			<-done

			t.Logf("%d bytes and %d goroutines more at most", heap-heapBefore, goroutines-goroutinesBefore)
			require.LessOrEqual(t, heap-heapBefore, int64(4<<20))
			require.LessOrEqual(t, goroutines-goroutinesBefore, int64(10))
			require.EqualValues(t, 1, srv.Stats().Connections, "the client is still connected")
		})
	}
}

// flooder returns a function that sends n blocks of events. The function calls
// stalled once, when it cannot send because the server does not read.
func flooder(t *testing.T, site *siotest.Site, transport string, block int) func(n int, stalled func()) {
	t.Helper()
	if transport == "polling" {
		return postFlooder(t, site, block)
	}
	c, err := crowd.Connect(t.Context(), site.Host(), crowd.Options{})
	require.NoError(t, err)
	t.Cleanup(c.Drop)
	require.NoError(t, c.Conn().(*net.TCPConn).SetWriteBuffer(16<<10))
	var frames []byte
	for i := range block {
		frames = append(frames, crowd.Frame(c.Event("e", ","+strconv.Itoa(i)))...)
	}
	return func(n int, stalled func()) {
		released := false
		for i, waiting := 0, frames; i < n; {
			if !released {
				_ = c.Conn().SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			}
			written, err := c.Conn().Write(waiting)
			if waiting = waiting[written:]; len(waiting) == 0 {
				i, waiting = i+1, frames
			}
			if errors.Is(err, os.ErrDeadlineExceeded) && !released {
				released = true
				_ = c.Conn().SetWriteDeadline(time.Time{})
				stalled()
			} else if err != nil {
				t.Error(err)
				return
			}
		}
		if !released {
			t.Error("the server has read all events while the first handler was blocked")
			stalled()
		}
	}
}

// postFlooder is flooder for polling.
func postFlooder(t *testing.T, site *siotest.Site, block int) func(n int, stalled func()) {
	t.Helper()
	client := siotest.Dial(t, site, siotest.Options{ManualPoll: true})
	client.SendConnect(e2e.ChatNamespace, nil)
	client.Engine.Poll()
	client.AwaitConnect(e2e.ChatNamespace)
	var packets []string
	for i := range block {
		packets = append(packets, "42"+e2e.ChatNamespace+`,["e",`+strconv.Itoa(i)+"]")
	}
	payload := strings.Join(packets, "\x1e")
	return func(n int, stalled func()) {
		stall := time.AfterFunc(200*time.Millisecond, stalled)
		defer stall.Stop()
		for range n {
			if status, body := client.Engine.Post(payload); status != 200 {
				t.Error(status, body)
			}
		}
	}
}
