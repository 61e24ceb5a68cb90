package delivery

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/race"
	"github.com/mojosocket/mojo/internal/siotest"
)

// connectMany connects n clients over WebSockets to the app Chat, two clients
// for each session.
func connectMany(t testing.TB, network siotest.Network, n int, h mojo.SocketHandler) (*mojo.Server, *mojo.Channel, []*siotest.Socket) {
	t.Helper()
	srv, ch := e2e.ChatServer(t, h)
	site := siotest.Serve(t, network, srv)
	sockets := make([]*siotest.Socket, n)
	for i := range sockets {
		sockets[i] = e2e.Dial(t, site, "websocket", e2e.SessionCookie(fmt.Sprint("s", i/2))).Connect(e2e.ChatNamespace, nil)
	}
	return srv, ch, sockets
}

// A broadcast to a thousand connections is encoded once, and each client
// receives it once.
func TestBroadcastToAThousand(t *testing.T) {
	srv, ch, sockets := connectMany(t, siotest.Memory, 1000, e2e.NewApp())
	var encoded atomic.Int32
	require.NoError(t, srv.CurrentSessions().Emit("event", counted{&encoded}))
	require.NoError(t, ch.Emit("event", counted{&encoded}))

	for _, socket := range sockets {
		socket.Expect("event", "counted")
		socket.Expect("event", "counted")
	}
	require.EqualValues(t, 2, encoded.Load())
	require.Equal(t, 500, srv.CurrentSessions().Len())
}

// The allocations of a broadcast do not depend on the number of connections.
// The clients poll only once, so that the server writes nothing during the
// measurement.
func TestBroadcastAllocatesAConstant(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	cost := func(n int) float64 {
		h := e2e.NewApp()
		srv := e2e.NewServer(t, mojo.Options{Limits: mojo.Limits{MaxQueue: 16 << 20}})
		ch := e2e.Register(t, srv, "Chat", h)
		site := siotest.Serve(t, siotest.Memory, srv)
		for range n {
			client := siotest.Dial(t, site, siotest.Options{ManualPoll: true})
			client.SendConnect(e2e.ChatNamespace, nil)
			e2e.Await(t, h.Accepted)
		}
		for range 1 << 10 { // no queue must grow during the measurement
			require.NoError(t, ch.Emit("event", "x"))
		}
		return siotest.AllocsPerRun(200, func() { _ = ch.Emit("event", "x") })
	}
	few, many := cost(10), cost(500)
	require.LessOrEqual(t, many, few+2)
	require.LessOrEqual(t, few, 16.0)
}

// An event from a client costs few allocations, from the socket to a typed
// function.
func TestInboundEventAllocatesLittle(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	type line struct {
		Text string `json:"text"`
		N    int    `json:"n"`
	}
	heard := make(chan struct{})
	var ev mojo.Events
	mojo.On(&ev, "say", func(*mojo.Conn, line) error { heard <- struct{}{}; return nil })
	srv := e2e.NewServer(t, mojo.Options{})
	e2e.Register(t, srv, "Chat", ev.Handler())
	site := siotest.Serve(t, siotest.TCP, srv)
	conn, err := site.Dial(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	frame := func(text string) []byte { return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...) }
	_, err = conn.Write(append([]byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"),
		frame("40"+e2e.ChatNamespace+",")...))
	require.NoError(t, err)
	event := frame("42" + e2e.ChatNamespace + `,["say",{"text":"hello world","n":12}]`)

	cost := siotest.AllocsPerRun(200, func() {
		_, _ = conn.Write(event)
		<-heard
	})

	require.LessOrEqual(t, cost, 12.0)
}

// Goroutines emit, join and leave rooms and iterate over views while
// connections begin and end. In the end all views are empty.
func TestConcurrentEmitsAndConnections(t *testing.T) {
	h := e2e.NewApp()
	h.Connect = func(c *mojo.Conn) error {
		_ = c.Emit("hello")
		return c.Join("room")
	}
	h.Message = func(c *mojo.Conn, m *mojo.Message) { _ = c.Channel().Except().Without(c).Emit("said", m.Len()) }
	h.Disconnect = func(c *mojo.Conn, _ mojo.Reason) { _ = c.Channel().Emit("left", c.ID()) }
	srv, ch := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)

	var clients, others sync.WaitGroup
	startRound := make(chan struct{}) // each value starts one round of an emitter
	var connected atomic.Int32
	for i := range 20 {
		clients.Go(func() {
			for round := range 10 {
				options := siotest.Options{Transport: e2e.Transports[(i+round)%3], Header: e2e.CookieHeader(e2e.SessionCookie(fmt.Sprint("s", i/2)), e2e.LoginCookie("u"))}
				client, err := siotest.TryDial(t.Context(), site, options)
				if err != nil {
					t.Error(err)
					return
				}
				client.SendConnect(e2e.ChatNamespace, nil)
				connected.Add(1)
				for range 100 {
					startRound <- struct{}{}
				}
				client.Engine.Send("2" + e2e.ChatNamespace + `,["event",1]`)
				switch round % 3 {
				case 0:
					client.Engine.Drop()
				case 1:
					client.Engine.Send("1" + e2e.ChatNamespace + ",")
					client.Engine.Close()
				default:
					client.Engine.Close()
				}
			}
		})
	}
	for i := range 1000 {
		others.Go(func() {
			for range startRound {
				switch i % 8 {
				case 0:
					_ = ch.Emit("a", i)
				case 1:
					_ = srv.CurrentSessions().Get(fmt.Sprint("s", i%10)).Emit("b", []byte("binary"))
				case 2:
					_ = ch.To("room").Except("other").Emit("c")
				case 3:
					for c := range ch.Conns() {
						_ = c.Join("other", fmt.Sprint("r", rand.IntN(5)))
					}
				case 4:
					for session := range srv.CurrentSessions().All() {
						for c := range session.Conns() {
							c.Leave("other")
							_ = c.Rooms()
						}
					}
				case 5:
					_ = srv.LoggedInSessions().Emit("d")
				case 6:
					_, _ = ch.Len(), srv.CurrentSessions().Len()
					ch.To("r1").Leave("r1")
				case 7:
					ch.To("r2").Disconnect()
				}
			}
		})
	}
	clients.Wait()
	close(startRound)
	others.Wait()
	e2e.Shutdown(t, srv)
	e2e.RequireEmptyViews(t, srv, ch)
	require.Equal(t, len(h.Accepted), len(h.Ended))
	require.NotZero(t, connected.Load())
}

// The events of each of several goroutines arrive in the order of that
// goroutine, each once.
func TestOrderAmongConcurrentEmitters(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const emitters, events = 8, 100
		ch, socket := e2e.ConnectChat(t, n, transport, e2e.NewApp())
		for e := range emitters {
			go func() {
				for i := range events {
					_ = ch.Emit("event", e, i)
				}
			}()
		}
		var next [emitters]int
		for range emitters * events {
			event := socket.Next()
			var e, i int
			event.Arg(0, &e)
			event.Arg(1, &i)
			require.Equal(t, next[e], i)
			next[e]++
		}
		socket.ExpectNothing()
	})
}

// A handler that blocks stops the events of its own Conn and nothing else: the
// client's other app and other clients are served, heartbeats go on, and the
// connection can be closed.
func TestBlockedHandler(t *testing.T) {
	for _, transport := range e2e.Transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				goOn := make(chan struct{})
				h := e2e.NewApp()
				h.Message = func(*mojo.Conn, *mojo.Message) { <-goOn }
				echo := e2e.NewApp()
				echo.Message = func(_ *mojo.Conn, m *mojo.Message) { _ = m.Ack(m.Event()) }
				srv, _ := e2e.ChatServer(t, h)
				e2e.Register(t, srv, "Echo", echo)
				site := siotest.Serve(t, siotest.Memory, srv)
				client := e2e.Dial(t, site, transport)
				blocked, free := client.Connect(e2e.ChatNamespace, nil), client.Connect("/EchoSocket", nil)
				conn := e2e.Await(t, h.Accepted)
				blocked.Emit("block")

				for range 5 {
					client.Engine.NextPing()
					require.Equal(t, `["a"]`, free.Call("a").JSON())
					require.NoError(t, conn.Emit("still"))
					blocked.Expect("still")
				}
				require.Equal(t, `["b"]`, e2e.Dial(t, site, transport).Connect("/EchoSocket", nil).Call("b").JSON())

				require.NoError(t, conn.Disconnect())
				require.Equal(t, siotest.ReasonServerDisconnect, blocked.AwaitDisconnected())
				require.Empty(t, h.Ended, "the handler is still running")
				close(goOn)
				e2e.Await(t, h.Ended)
			})
		})
	}
}

// The server stops reading from a client when MaxInbound bytes wait for its
// handlers, and continues when the handlers have caught up. No event is lost.
func TestBackPressure(t *testing.T) {
	for _, transport := range e2e.Transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const events, size = 100, 1000
				goOn := make(chan struct{})
				handled := make(chan int, events)
				h := e2e.NewApp()
				h.Message = func(c *mojo.Conn, m *mojo.Message) {
					<-goOn
					var i int
					_ = m.Decode(&i)
					handled <- i
				}
				echo := e2e.NewApp()
				srv := e2e.NewServer(t, mojo.Options{Limits: mojo.Limits{MaxInbound: 10 << 10}})
				ch := e2e.Register(t, srv, "Chat", h)
				e2e.Register(t, srv, "Echo", echo)
				client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), transport)
				socket := client.Connect(e2e.ChatNamespace, nil)
				for i := range events {
					socket.Emit("event", i, strings.Repeat("x", size))
				}
				client.SendConnect("/EchoSocket", nil)
				time.Sleep(30 * time.Second) // the pong waits behind the events
				require.Empty(t, echo.Accepted, "the server has stopped reading")
				require.Equal(t, 1, ch.Len())
				require.NoError(t, ch.Emit("still"))
				socket.Expect("still")

				close(goOn)

				for i := range events {
					require.Equal(t, i, e2e.Await(t, handled))
				}
				e2e.Await(t, echo.Accepted)
				client.Engine.NextPing()
				require.Empty(t, h.Ended)
			})
		})
	}
}

// The server ends a connection whose handlers do not catch up within a
// heartbeat.
func TestHandlerStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		h := e2e.NewApp()
		h.Message = func(*mojo.Conn, *mojo.Message) { <-goOn }
		srv := e2e.NewServer(t, mojo.Options{Limits: mojo.Limits{MaxInbound: 1 << 10}})
		e2e.Register(t, srv, "Chat", h)
		client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
		socket := client.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)
		start := time.Now()
		for range 20 {
			socket.Emit("event", strings.Repeat("x", 500))
		}

		awaitEndOf(conn)

		require.InDelta(t, 45, time.Since(start).Seconds(), 1)
		close(goOn)
		require.Equal(t, mojo.ReasonHandlerStall, e2e.Await(t, h.Ended).Reason)
	})
}

// awaitEndOf waits for the end of a connection. In a bubble that takes no real
// time.
func awaitEndOf(c *mojo.Conn) { <-c.Context().Done() }

// A flood of events is handled in order and without a goroutine for each event.
func TestEventFlood(t *testing.T) {
	const events = 20_000
	h := e2e.NewApp()
	var maxGoroutines, next atomic.Int64
	done := make(chan struct{})
	h.Message = func(_ *mojo.Conn, m *mojo.Message) {
		var i int64
		if err := m.Decode(&i); err != nil || i != next.Load() {
			t.Error("out of order", i, err)
		}
		if i%100 == 0 {
			maxGoroutines.Store(max(maxGoroutines.Load(), int64(runtime.NumGoroutine())))
		}
		if next.Add(1) == events {
			close(done)
		}
	}
	_, socket := e2e.ConnectChat(t, siotest.TCP, "websocket", h)
	before := int64(runtime.NumGoroutine())
	for i := range events {
		socket.Emit("event", i)
	}
	e2e.AwaitClosed(t, done)
	require.LessOrEqual(t, maxGoroutines.Load(), before+10)
}

// MaxQueue also limits the events that wait for OnConnect to return.
func TestHeldMessagesAreBounded(t *testing.T) {
	h := e2e.NewApp()
	overflowed := make(chan error, 1)
	h.Connect = func(c *mojo.Conn) error {
		var err error
		for range 100 {
			if err = c.Emit("event", strings.Repeat("x", 1<<10)); err != nil {
				break
			}
		}
		overflowed <- err
		return nil
	}
	srv := e2e.NewServer(t, mojo.Options{Limits: mojo.Limits{MaxQueue: 16 << 10}})
	e2e.Register(t, srv, "Chat", h)
	client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	client.SendConnect(e2e.ChatNamespace, nil)

	err := e2e.Await(t, overflowed)
	require.ErrorIs(t, err, mojo.ErrQueueFull)
	require.EqualError(t, err, "mojo: send queue full")
	client.Engine.AwaitClosed()
	require.Equal(t, mojo.ReasonQueueOverflow, e2e.Await(t, h.Ended).Reason)
}
