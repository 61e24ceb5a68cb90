package mojo

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// end is one way for a connection to end.
type end struct {
	opts   Options
	client siotest.Options
	act    func(t *testing.T, srv *Server, c *Conn, s *siotest.Socket, client *siotest.Client)
	reason Reason
	stays  bool // the connection, and with it the client's other apps
}

var ends = map[string]end{
	"client DISCONNECT": {
		act:    func(_ *testing.T, _ *Server, _ *Conn, s *siotest.Socket, _ *siotest.Client) { s.Disconnect() },
		reason: ReasonClientDisconnect, stays: true,
	},
	"Conn.Disconnect": {
		act: func(t *testing.T, _ *Server, c *Conn, _ *siotest.Socket, _ *siotest.Client) {
			require.NoError(t, c.Disconnect())
		},
		reason: ReasonServerDisconnect, stays: true,
	},
	"Session.Disconnect": {
		act: func(t *testing.T, _ *Server, c *Conn, _ *siotest.Socket, _ *siotest.Client) {
			require.NoError(t, c.Channel().CurrentSessions().Get("s").Disconnect())
		},
		reason: ReasonServerDisconnect, stays: true,
	},
	"Broadcast.Disconnect": {
		act: func(_ *testing.T, _ *Server, c *Conn, _ *siotest.Socket, _ *siotest.Client) {
			c.Channel().Except("nobody").Disconnect()
		},
		reason: ReasonServerDisconnect, stays: true,
	},
	"transport close": {
		act:    func(_ *testing.T, _ *Server, _ *Conn, _ *siotest.Socket, client *siotest.Client) { client.Close() },
		reason: ReasonTransportClose,
	},
	"ping timeout": {
		opts:   Options{Timeouts: Timeouts{PingInterval: 300 * time.Millisecond, PingTimeout: 100 * time.Millisecond}},
		client: siotest.Options{NoPong: true},
		act:    func(*testing.T, *Server, *Conn, *siotest.Socket, *siotest.Client) {},
		reason: ReasonPingTimeout,
	},
	"parse error": {
		act: func(_ *testing.T, _ *Server, _ *Conn, _ *siotest.Socket, client *siotest.Client) {
			client.Engine.Send("9")
		},
		reason: ReasonParseError,
	},
	"reserved event": {
		act:    func(_ *testing.T, _ *Server, _ *Conn, s *siotest.Socket, _ *siotest.Client) { s.Emit("disconnect") },
		reason: ReasonParseError,
	},
	"Shutdown": {
		act:    func(t *testing.T, srv *Server, _ *Conn, _ *siotest.Socket, _ *siotest.Client) { shutdown(t, srv) },
		reason: ReasonShutdown,
	},
	"Close": {
		act: func(t *testing.T, srv *Server, _ *Conn, _ *siotest.Socket, _ *siotest.Client) {
			require.NoError(t, srv.Close())
		},
		reason: ReasonShutdown,
	},
	"queue overflow": {
		opts: Options{Limits: Limits{MaxQueue: 64 << 10}, Timeouts: Timeouts{PingTimeout: time.Minute}},
		act: func(t *testing.T, _ *Server, c *Conn, _ *siotest.Socket, client *siotest.Client) {
			client.Engine.Pause()
			text := strings.Repeat("x", 32<<10)
			for c.Context().Err() == nil {
				_ = c.Emit("big", text)
				runtime.Gosched()
			}
			client.Engine.Resume()
		},
		reason: ReasonQueueOverflow,
	},
	"panic in OnMessage": {
		act:    func(_ *testing.T, _ *Server, _ *Conn, s *siotest.Socket, _ *siotest.Client) { s.Emit("panic") },
		reason: ReasonHandlerPanic,
	},
	"Goexit in OnMessage": {
		act:    func(_ *testing.T, _ *Server, _ *Conn, s *siotest.Socket, _ *siotest.Client) { s.Emit("exit") },
		reason: ReasonHandlerPanic,
	},
	"revoked": {
		act: func(t *testing.T, srv *Server, _ *Conn, _ *siotest.Socket, _ *siotest.Client) {
			require.NoError(t, srv.CurrentSessions().Get("s").Revoke(t.Context(), Revocation{Reconnect: true}))
		},
		reason: ReasonRevoked,
	},
}

// TestEnds: OnDisconnect is called once, last, with the reason, when the connection is in no index any more; and
// the client's other apps stay where only the namespace was left.
func TestEnds(t *testing.T) {
	for name, test := range ends {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				h := newApp()
				h.message = func(_ *Conn, m *Message) {
					switch m.Event() {
					case "panic":
						panic("of the test")
					case "exit":
						runtime.Goexit()
					}
				}
				h.disconnect = func(c *Conn, _ Reason) {
					_, found := c.Channel().Conn(c.ID())
					require.False(t, found)
					require.Zero(t, c.Channel().Len())
					require.ErrorIs(t, c.Join("room"), ErrNotConnected)
					require.Error(t, c.Context().Err())
				}
				test.opts.Cookies = newTestCookies(t, CookieOptions{})
				srv := newTestServer(t, test.opts)
				ch, other := register(t, srv, "Chat", h), register(t, srv, "Other", newApp())
				opts := test.client
				opts.Transport, opts.Header = transport, as(inSession("s"), asUser("u"))
				client := siotest.Dial(t, siotest.Serve(t, n, srv), opts)
				neighbour := client.Connect("/OtherSocket", nil)
				socket := client.Connect(chatNamespace, nil)
				conn := await(t, h.accepted)
				require.NoError(t, conn.Join("room"))

				test.act(t, srv, conn, socket, client)

				require.Equal(t, ending{conn, test.reason}, await(t, h.ended))
				require.ErrorIs(t, conn.Disconnect(), ErrNotConnected)
				if test.stays {
					require.NoError(t, other.Emit("still here"))
					neighbour.Expect("still here")
					require.Equal(t, 1, srv.CurrentSessions().Len())
					client.Connect(chatNamespace, nil)
					require.NoError(t, conn.Channel().Emit("again"))
					await(t, h.accepted)
				} else {
					client.Engine.AwaitClosed()
					require.NotEqual(t, siotest.ReasonServerDisconnect, socket.Reason(), "then it would not come back")
				}
				shutdown(t, srv)
				if test.stays { // that of the second connection
					require.NotSame(t, conn, await(t, h.ended).conn)
				}
				require.Empty(t, h.ended, "once")
				requireEmpty(t, srv, ch, other)
			})
		})
	}
}

// TestGoneBeforeOnDisconnect: from every index, though they are in use all the time.
func TestGoneBeforeOnDisconnect(t *testing.T) {
	h := newApp()
	h.disconnect = func(c *Conn, _ Reason) {
		if _, found := c.Channel().Conn(c.ID()); found {
			t.Error("the connection was still there")
		}
	}
	srv, ch := chatServer(t, h)
	client := dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = ch.Len()
					runtime.Gosched()
				}
			}
		})
	}
	for range 200 {
		client.Connect(chatNamespace, nil)
		require.NoError(t, await(t, h.accepted).Disconnect())
		await(t, h.ended)
	}
	close(stop)
	readers.Wait()
}

// TestTransportError: a second poll beside the one that waits.
func TestTransportError(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := newApp()
		srv, _ := chatServer(t, h)
		site := siotest.Serve(t, n, srv)
		client := dial(t, site, "polling")
		client.Connect(chatNamespace, nil)

		resp, err := site.Client().Get(client.Engine.URL("polling"))
		require.NoError(t, err)
		_ = resp.Body.Close()

		require.Equal(t, ReasonTransportError, await(t, h.ended).reason)
	})
}

// TestConnectTimeout: who connects to no app has to go.
func TestConnectTimeout(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newApp()
				srv := newTestServer(t, Options{Timeouts: Timeouts{ConnectTimeout: 5 * time.Second}})
				register(t, srv, "Chat", h)
				site := siotest.Serve(t, siotest.Memory, srv)
				start := time.Now()
				waits, unknown, connects := dial(t, site, transport), dial(t, site, transport), dial(t, site, transport)
				unknown.TryConnect("/unknown", nil)
				socket := connects.Connect(chatNamespace, nil)

				waits.Engine.AwaitClosed()
				unknown.Engine.AwaitClosed()

				require.InDelta(t, 5, time.Since(start).Seconds(), 0.5)
				socket.ExpectNothing()
				require.Empty(t, h.ended)
			})
		})
	}
}

// TestPanicsInOnConnect: there is no OnDisconnect, and the next one is served.
func TestPanicsInOnConnect(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var log journal
		h := newApp()
		panics := true
		h.connect = func(*Conn) error {
			if panics {
				panics = false
				panic("of the test")
			}
			return nil
		}
		srv := newTestServer(t, Options{Logger: log.logger()})
		register(t, srv, "Chat", h)
		site := siotest.Serve(t, n, srv)
		client := dial(t, site, transport)
		client.SendConnect(chatNamespace, nil)
		client.Engine.AwaitClosed()

		dial(t, site, transport).Connect(chatNamespace, nil)

		require.Empty(t, h.ended)
		require.Contains(t, log.String(), `msg="mojo: a handler panicked" callback=OnConnect namespace=/ChatSocket panic="of the test" stack=`)
		require.Contains(t, log.String(), "disconnect_test.go", "where it panicked")
	})
}

// TestPanicsInOnDisconnect cost the connection, which the client's other apps are on, and nobody else's.
func TestPanicsInOnDisconnect(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h, other := newApp(), newApp()
		h.disconnect = func(*Conn, Reason) { panic("of the test") }
		srv, _ := chatServer(t, h)
		register(t, srv, "Other", other)
		site := siotest.Serve(t, n, srv)
		bystander := dial(t, site, transport).Connect("/OtherSocket", nil)
		client := dial(t, site, transport)
		client.Connect("/OtherSocket", nil)

		client.Connect(chatNamespace, nil).Disconnect()

		require.Equal(t, ReasonHandlerPanic, await(t, other.ended).reason)
		client.Engine.AwaitClosed()
		bystander.ExpectNothing()
	})
}

// TestNoEventsAfterAPanic: what it left behind may not be fit for them.
func TestNoEventsAfterAPanic(t *testing.T) {
	h := newApp()
	events, goOn := make(chan string, 9), make(chan struct{})
	h.message = func(_ *Conn, m *Message) {
		events <- m.Event()
		<-goOn
		panic("of the test")
	}
	_, socket := chatOn(t, siotest.Memory, "websocket", h)
	socket.Emit("first")
	socket.Emit("second")
	socket.Barrier()
	close(goOn)

	await(t, h.ended)

	require.Equal(t, "first", <-events)
	require.Empty(t, events)
}

// TestEventsBeforeTheEndAreHandled: those that the client sent before it left, and not those after the server had
// it leave.
func TestEventsBeforeTheEndAreHandled(t *testing.T) {
	for _, byServer := range []bool{false, true} {
		h := newApp()
		inside, goOn := make(chan *Conn), make(chan struct{})
		var handled []string
		h.message = func(c *Conn, m *Message) {
			if handled = append(handled, m.Event()); len(handled) == 1 {
				inside <- c
				<-goOn
			}
		}
		_, socket := chatOn(t, siotest.Memory, "websocket", h)
		socket.Emit("1")
		socket.Emit("2")
		socket.Barrier()
		conn := await(t, inside)
		if byServer {
			require.NoError(t, conn.Disconnect())
		} else {
			socket.Disconnect()
		}
		close(goOn)

		await(t, h.ended)

		if byServer {
			require.Equal(t, []string{"1"}, handled)
		} else {
			require.Equal(t, []string{"1", "2"}, handled)
		}
	}
}
