package lifecycle

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// end is a way to end a connection.
type end struct {
	opts      mojo.Options
	client    siotest.Options
	act       func(t *testing.T, srv *mojo.Server, c *mojo.Conn, s *siotest.Socket, client *siotest.Client)
	reason    mojo.Reason
	staysOpen bool // the client stays connected to its other apps
}

var ends = map[string]end{
	"client DISCONNECT": {
		act:    func(_ *testing.T, _ *mojo.Server, _ *mojo.Conn, s *siotest.Socket, _ *siotest.Client) { s.Disconnect() },
		reason: mojo.ReasonClientDisconnect, staysOpen: true,
	},
	"Conn.Disconnect": {
		act: func(t *testing.T, _ *mojo.Server, c *mojo.Conn, _ *siotest.Socket, _ *siotest.Client) {
			require.NoError(t, c.Disconnect())
		},
		reason: mojo.ReasonServerDisconnect, staysOpen: true,
	},
	"Session.Disconnect": {
		act: func(t *testing.T, _ *mojo.Server, c *mojo.Conn, _ *siotest.Socket, _ *siotest.Client) {
			require.NoError(t, c.Channel().CurrentSessions().Get("s").Disconnect())
		},
		reason: mojo.ReasonServerDisconnect, staysOpen: true,
	},
	"Broadcast.Disconnect": {
		act: func(_ *testing.T, _ *mojo.Server, c *mojo.Conn, _ *siotest.Socket, _ *siotest.Client) {
			c.Channel().Except("nobody").Disconnect()
		},
		reason: mojo.ReasonServerDisconnect, staysOpen: true,
	},
	"transport close": {
		act: func(_ *testing.T, _ *mojo.Server, _ *mojo.Conn, _ *siotest.Socket, client *siotest.Client) {
			client.Close()
		},
		reason: mojo.ReasonTransportClose,
	},
	"ping timeout": {
		opts:   mojo.Options{Timeouts: mojo.Timeouts{PingInterval: 300 * time.Millisecond, PingTimeout: 100 * time.Millisecond}},
		client: siotest.Options{NoPong: true},
		act:    func(*testing.T, *mojo.Server, *mojo.Conn, *siotest.Socket, *siotest.Client) {},
		reason: mojo.ReasonPingTimeout,
	},
	"parse error": {
		act: func(_ *testing.T, _ *mojo.Server, _ *mojo.Conn, _ *siotest.Socket, client *siotest.Client) {
			client.Engine.Send("9")
		},
		reason: mojo.ReasonParseError,
	},
	"reserved event": {
		act: func(_ *testing.T, _ *mojo.Server, _ *mojo.Conn, s *siotest.Socket, _ *siotest.Client) {
			s.Emit("disconnect")
		},
		reason: mojo.ReasonParseError,
	},
	"Shutdown": {
		act: func(t *testing.T, srv *mojo.Server, _ *mojo.Conn, _ *siotest.Socket, _ *siotest.Client) {
			e2e.Shutdown(t, srv)
		},
		reason: mojo.ReasonShutdown,
	},
	"Close": {
		act: func(t *testing.T, srv *mojo.Server, _ *mojo.Conn, _ *siotest.Socket, _ *siotest.Client) {
			require.NoError(t, srv.Close())
		},
		reason: mojo.ReasonShutdown,
	},
	"queue overflow": {
		opts: mojo.Options{Limits: mojo.Limits{MaxQueue: 64 << 10}, Timeouts: mojo.Timeouts{PingTimeout: time.Minute}},
		act: func(t *testing.T, _ *mojo.Server, c *mojo.Conn, _ *siotest.Socket, client *siotest.Client) {
			client.Engine.Pause()
			text := strings.Repeat("x", 32<<10)
			for c.Context().Err() == nil {
				_ = c.Emit("big", text)
				runtime.Gosched()
			}
			client.Engine.Resume()
		},
		reason: mojo.ReasonQueueOverflow,
	},
	"panic in OnMessage": {
		act: func(_ *testing.T, _ *mojo.Server, _ *mojo.Conn, s *siotest.Socket, _ *siotest.Client) {
			s.Emit("panic")
		},
		reason: mojo.ReasonHandlerPanic,
	},
	"Goexit in OnMessage": {
		act:    func(_ *testing.T, _ *mojo.Server, _ *mojo.Conn, s *siotest.Socket, _ *siotest.Client) { s.Emit("exit") },
		reason: mojo.ReasonHandlerPanic,
	},
	"revoked": {
		act: func(t *testing.T, srv *mojo.Server, _ *mojo.Conn, _ *siotest.Socket, _ *siotest.Client) {
			require.NoError(t, srv.CurrentSessions().Get("s").Revoke(t.Context(), mojo.Revocation{Reconnect: true}))
		},
		reason: mojo.ReasonRevoked,
	},
}

// OnDisconnect runs once, after all other callbacks and with the reason. At
// that time the Conn is in no view. If only the namespace is disconnected, the
// client's other apps stay connected.
func TestEnds(t *testing.T) {
	for name, test := range ends {
		t.Run(name, func(t *testing.T) {
			e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				h := e2e.NewApp()
				h.Message = func(_ *mojo.Conn, m *mojo.Message) {
					switch m.Event() {
					case "panic":
						panic("of the test")
					case "exit":
						runtime.Goexit()
					}
				}
				h.Connect = func(c *mojo.Conn) error {
					c.Set("key", "value")
					return c.Join("room")
				}
				h.Disconnect = func(c *mojo.Conn, _ mojo.Reason) {
					_, found := c.Channel().Conn(c.ID())
					require.False(t, found)
					require.Zero(t, c.Channel().Len())
					require.ErrorIs(t, c.Join("room"), mojo.ErrNotConnected)
					require.Error(t, c.Context().Err())
					require.Equal(t, []string{"room"}, c.Rooms())
					require.Equal(t, "u", c.UserID())
					require.Equal(t, "value", c.Get("key"))
				}
				test.opts.Cookies = e2e.NewCookies(t, mojo.CookieOptions{})
				srv := e2e.NewServer(t, test.opts)
				ch, other := e2e.Register(t, srv, "Chat", h), e2e.Register(t, srv, "Other", e2e.NewApp())
				opts := test.client
				opts.Transport, opts.Header = transport, e2e.CookieHeader(e2e.SessionCookie("s"), e2e.LoginCookie("u"))
				client := siotest.Dial(t, siotest.Serve(t, n, srv), opts)
				neighbour := client.Connect("/OtherSocket", nil)
				socket := client.Connect(e2e.ChatNamespace, nil)
				conn := e2e.Await(t, h.Accepted)
				require.NoError(t, conn.Join("room"))

				test.act(t, srv, conn, socket, client)

				require.Equal(t, e2e.End{Conn: conn, Reason: test.reason}, e2e.Await(t, h.Ended))
				require.ErrorIs(t, conn.Disconnect(), mojo.ErrNotConnected)
				if test.staysOpen {
					require.NoError(t, other.Emit("still here"))
					neighbour.Expect("still here")
					require.Equal(t, 1, srv.CurrentSessions().Len())
					client.Connect(e2e.ChatNamespace, nil)
					require.NoError(t, conn.Channel().Emit("again"))
					e2e.Await(t, h.Accepted)
				} else {
					client.Engine.AwaitClosed()
					require.NotEqual(t, siotest.ReasonServerDisconnect, socket.Reason(), "the client would not reconnect after this reason")
				}
				e2e.Shutdown(t, srv)
				if test.staysOpen { // the OnDisconnect of the second Conn
					require.NotSame(t, conn, e2e.Await(t, h.Ended).Conn)
				}
				require.Empty(t, h.Ended, "once")
				e2e.RequireEmptyViews(t, srv, ch, other)
			})
		})
	}
}

// When OnDisconnect runs, the Conn is in no view, even if other goroutines read
// the views all the time.
func TestNoViewHasTheConnInOnDisconnect(t *testing.T) {
	h := e2e.NewApp()
	h.Disconnect = func(c *mojo.Conn, _ mojo.Reason) {
		if _, found := c.Channel().Conn(c.ID()); found {
			t.Error("a view still has the connection")
		}
	}
	srv, ch := e2e.ChatServer(t, h)
	client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
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
		client.Connect(e2e.ChatNamespace, nil)
		require.NoError(t, e2e.Await(t, h.Accepted).Disconnect())
		e2e.Await(t, h.Ended)
	}
	close(stop)
	readers.Wait()
}

// A second poll during a poll ends the connection.
func TestTransportError(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := e2e.NewApp()
		srv, _ := e2e.ChatServer(t, h)
		site := siotest.Serve(t, n, srv)
		client := e2e.Dial(t, site, "polling")
		client.Connect(e2e.ChatNamespace, nil)

		resp, err := site.Client().Get(client.Engine.URL("polling"))
		require.NoError(t, err)
		_ = resp.Body.Close()

		require.Equal(t, mojo.ReasonTransportError, e2e.Await(t, h.Ended).Reason)
	})
}

// The server closes a connection whose client connects to no namespace.
func TestConnectTimeout(t *testing.T) {
	for _, transport := range e2e.Transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := e2e.NewApp()
				srv := e2e.NewServer(t, mojo.Options{Timeouts: mojo.Timeouts{ConnectTimeout: 5 * time.Second}})
				e2e.Register(t, srv, "Chat", h)
				site := siotest.Serve(t, siotest.Memory, srv)
				start := time.Now()
				waits, unknown, connects := e2e.Dial(t, site, transport), e2e.Dial(t, site, transport), e2e.Dial(t, site, transport)
				unknown.TryConnect("/unknown", nil)
				socket := connects.Connect(e2e.ChatNamespace, nil)

				waits.Engine.AwaitClosed()
				unknown.Engine.AwaitClosed()

				require.InDelta(t, 5, time.Since(start).Seconds(), 0.5)
				socket.ExpectNothing()
				require.Empty(t, h.Ended)
			})
		})
	}
}

// A panic in OnConnect ends the connection without OnDisconnect, and the next
// client is served.
func TestPanicsInOnConnect(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var log e2e.Log
		h := e2e.NewApp()
		panics := true
		h.Connect = func(*mojo.Conn) error {
			if panics {
				panics = false
				panic("of the test")
			}
			return nil
		}
		srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
		e2e.Register(t, srv, "Chat", h)
		site := siotest.Serve(t, n, srv)
		client := e2e.Dial(t, site, transport)
		client.SendConnect(e2e.ChatNamespace, nil)
		client.Engine.AwaitClosed()

		e2e.Dial(t, site, transport).Connect(e2e.ChatNamespace, nil)

		require.Empty(t, h.Ended)
		require.Contains(t, log.String(), `msg="mojo: a handler panicked" callback=OnConnect namespace=/ChatSocket panic="of the test" stack=`)
		require.Contains(t, log.String(), "disconnect_test.go", "where it panicked")
	})
}

// A panic in OnDisconnect ends the connection, with the client's other apps,
// and no other connection.
func TestPanicsInOnDisconnect(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h, other := e2e.NewApp(), e2e.NewApp()
		h.Disconnect = func(*mojo.Conn, mojo.Reason) { panic("of the test") }
		srv, _ := e2e.ChatServer(t, h)
		e2e.Register(t, srv, "Other", other)
		site := siotest.Serve(t, n, srv)
		bystander := e2e.Dial(t, site, transport).Connect("/OtherSocket", nil)
		client := e2e.Dial(t, site, transport)
		client.Connect("/OtherSocket", nil)

		client.Connect(e2e.ChatNamespace, nil).Disconnect()

		require.Equal(t, mojo.ReasonHandlerPanic, e2e.Await(t, other.Ended).Reason)
		client.Engine.AwaitClosed()
		bystander.ExpectNothing()
	})
}

// After a panic no further event of the connection is handled, as the handler's
// state may be broken.
func TestNoEventsAfterAPanic(t *testing.T) {
	h := e2e.NewApp()
	events, goOn := make(chan string, 9), make(chan struct{})
	h.Message = func(_ *mojo.Conn, m *mojo.Message) {
		events <- m.Event()
		<-goOn
		panic("of the test")
	}
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)
	socket.Emit("first")
	socket.Emit("second")
	socket.Barrier()
	close(goOn)

	e2e.Await(t, h.Ended)

	require.Equal(t, "first", <-events)
	require.Empty(t, events)
}

// Events that the client sent before it left are handled. After Conn.Disconnect
// no event is handled.
func TestEventsBeforeTheEndAreHandled(t *testing.T) {
	for _, byServer := range []bool{false, true} {
		h := e2e.NewApp()
		inside, goOn := make(chan *mojo.Conn), make(chan struct{})
		var handled []string
		h.Message = func(c *mojo.Conn, m *mojo.Message) {
			if handled = append(handled, m.Event()); len(handled) == 1 {
				inside <- c
				<-goOn
			}
		}
		_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)
		socket.Emit("1")
		socket.Emit("2")
		socket.Barrier()
		conn := e2e.Await(t, inside)
		if byServer {
			require.NoError(t, conn.Disconnect())
		} else {
			socket.Disconnect()
		}
		close(goOn)

		e2e.Await(t, h.Ended)

		if byServer {
			require.Equal(t, []string{"1"}, handled)
		} else {
			require.Equal(t, []string{"1", "2"}, handled)
		}
	}
}
