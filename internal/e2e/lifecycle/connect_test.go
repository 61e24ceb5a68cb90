package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// The client first gets the connect answer. Then it gets, in the order in which
// they were sent, the events of OnConnect and, after its Join, the events to
// the room. Later events follow.
func TestOnConnectIsOrdered(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		h.Connect = func(c *mojo.Conn) error {
			room := c.Channel().To("room")
			require.NoError(t, room.Emit("too early"))
			require.NoError(t, c.Emit("own", 1))
			require.NoError(t, c.Join("room"))
			require.NoError(t, room.Emit("room", 2, mojo.Binary("b")))
			require.NoError(t, c.Send(3))
			require.NoError(t, room.Volatile().Emit("volatile"))
			require.NoError(t, c.Volatile().Emit("volatile"))
			require.NoError(t, room.Emit("room", 4))
			c.Set("key", "value")
			return nil
		}
		ch, socket := e2e.ConnectChat(t, n, transport, h)
		conn := e2e.Await(t, h.Accepted)
		require.NoError(t, conn.Emit("after", 5))

		socket.Expect("own", 1)
		socket.Expect("room", 2, []byte("b"))
		socket.Expect("message", 3)
		socket.Expect("room", 4)
		socket.Expect("after", 5)
		socket.ExpectNothing()
		require.Equal(t, []string{"room"}, conn.Rooms())
		require.Equal(t, "value", conn.Get("key"))
		require.Equal(t, socket.SID(), conn.ID())
		require.Equal(t, 1, ch.Len())
	})
}

// Until OnConnect has returned nil, a Conn is in no view and receives only
// events to itself or to its rooms.
func TestPendingIsInvisible(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		inside, goOn := make(chan *mojo.Conn), make(chan struct{})
		h := e2e.NewApp()
		h.Connect = func(c *mojo.Conn) error {
			inside <- c
			<-goOn
			return nil
		}
		srv, ch := e2e.ChatServer(t, h)
		client := e2e.Dial(t, siotest.Serve(t, n, srv), "websocket", e2e.SessionCookie("s"), e2e.LoginCookie("u"))
		client.SendConnect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, inside)

		e2e.RequireEmptyViews(t, srv, ch)
		_, found := ch.Conn(conn.ID())
		require.False(t, found)
		require.NoError(t, ch.Emit("all"))
		require.NoError(t, srv.CurrentSessions().Emit("sessions"))
		require.NoError(t, srv.LoggedInSessions().Get("u").Emit("user"))
		require.Zero(t, len(slices.Collect(ch.To("room").Conns())))
		close(goOn)
		socket, refused := client.AwaitConnect(e2e.ChatNamespace)
		require.Nil(t, refused)

		socket.ExpectNothing()
		require.Equal(t, []string{"s"}, e2e.SessionIDs(srv.CurrentSessions()))
		require.Equal(t, []string{"u"}, e2e.SessionIDs(ch.LoggedInSessions()))
		found2, ok := ch.Conn(socket.SID())
		require.True(t, ok)
		require.Same(t, conn, found2)
	})
}

// When the client gets its connect event, its Conn is in every view.
func TestVisibleBeforeItsFirstMessage(t *testing.T) {
	h := e2e.NewApp()
	h.Message = func(c *mojo.Conn, m *mojo.Message) {
		_, found := c.Channel().Conn(c.ID())
		_ = m.Ack(found, c.Channel().Len(), c.Channel().CurrentSessions().Has("s"))
	}
	srv, _ := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	for range 200 {
		client := e2e.Dial(t, site, "websocket", e2e.SessionCookie("s"))
		socket := client.Connect(e2e.ChatNamespace, nil)
		require.Equal(t, `[true,1,true]`, socket.Call("who").JSON())
		client.Close()
		e2e.Await(t, h.Ended)
	}
}

// EmitWithAck fails in OnConnect, where the client cannot answer yet.
func TestAcksInOnConnect(t *testing.T) {
	h := e2e.NewApp()
	h.Connect = func(c *mojo.Conn) error {
		_, err := c.EmitWithAck(context.Background(), "question")
		require.ErrorIs(t, err, mojo.ErrNotConnected)
		_, err = mojo.Call[int](context.Background(), c, "question")
		require.ErrorIs(t, err, mojo.ErrNotConnected)
		require.EqualError(t, err, "mojo: not connected")
		return nil
	}

	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)

	socket.ExpectNothing()
}

// If OnConnect returns a ClientError, wrapped or not, the client gets its text.
// It gets no text of another error.
func TestRefusals(t *testing.T) {
	type data struct {
		Left int `json:"left"`
	}
	for name, test := range map[string]struct {
		err    error
		want   siotest.ConnectError
		logged bool
	}{
		"value":       {mojo.ClientError{Message: "go away", Data: data{Left: 3}}, siotest.ConnectError{Message: "go away", Data: []byte(`{"left":3}`)}, false},
		"pointer":     {&mojo.ClientError{Message: "go away"}, siotest.ConnectError{Message: "go away"}, false},
		"wrapped":     {fmt.Errorf("secret: %w", mojo.ClientError{Message: "go away"}), siotest.ConnectError{Message: "go away"}, false},
		"wrapped *":   {fmt.Errorf("secret: %w", &mojo.ClientError{Message: "go away", Data: "x"}), siotest.ConnectError{Message: "go away", Data: []byte(`"x"`)}, false},
		"nil pointer": {(*mojo.ClientError)(nil), siotest.ConnectError{Message: "internal error"}, true},
		"other":       {e2e.ErrSecret, siotest.ConnectError{Message: "internal error"}, true},
		"binary data": {mojo.ClientError{Message: "go away", Data: map[string]any{"a": []byte("hi"), "b": mojo.Binary("hi")}}, siotest.ConnectError{Message: "go away", Data: []byte(`{"a":"aGk=","b":"aGk="}`)}, false},
		"bad data":    {mojo.ClientError{Message: "go away", Data: func() {}}, siotest.ConnectError{Message: "go away"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				var log e2e.Log
				srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
				h := e2e.NewApp()
				h.Connect = func(*mojo.Conn) error { return test.err }
				ch := e2e.Register(t, srv, "Chat", h)
				client := e2e.Dial(t, siotest.Serve(t, n, srv), transport)

				socket, refused := client.TryConnect(e2e.ChatNamespace, nil)

				require.Nil(t, socket)
				require.Equal(t, test.want, *refused)
				e2e.RequireEmptyViews(t, srv, ch)
				require.Equal(t, test.logged, strings.Contains(log.String(), "level=ERROR"), log.String())
				require.Empty(t, h.Ended)
			})
		})
	}
}

// A client that OnConnect refuses receives no event at all, not even events to
// itself or to its rooms.
func TestRefusedGetsNothing(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := e2e.NewApp()
		var refused *mojo.Conn
		h.Connect = func(c *mojo.Conn) error {
			refused = c
			require.NoError(t, c.Join("room"))
			require.NoError(t, c.Emit("own"))
			require.NoError(t, c.Channel().To("room").Emit("room"))
			return e2e.ErrSecret
		}
		srv, ch := e2e.ChatServer(t, h)
		client := e2e.Dial(t, siotest.Serve(t, n, srv), "websocket", e2e.SessionCookie("s"))
		client.TryConnect(e2e.ChatNamespace, nil)

		require.NoError(t, ch.To("room").Emit("room"))
		require.NoError(t, ch.Emit("all"))
		require.ErrorIs(t, refused.Emit("own"), mojo.ErrNotConnected)
		require.ErrorIs(t, refused.Join("room"), mojo.ErrNotConnected)
		e2e.AwaitClosed(t, refused.Context().Done())
		client.Barrier() // the client would report an event of a namespace without a socket
		e2e.RequireEmptyViews(t, srv, ch)

		h.Connect = nil // the same client may connect again
		client.Connect(e2e.ChatNamespace, nil).ExpectNothing()
	})
}

// Events that OnConnect sends to other clients reach them, even if it refuses
// its own client.
func TestRefusingOnConnectReachesOthers(t *testing.T) {
	h := e2e.NewApp()
	h.Connect = func(c *mojo.Conn) error {
		if c.SessionID() != "refused" {
			return nil
		}
		require.NoError(t, c.Broadcast().Emit("coming"))
		return e2e.ErrSecret
	}
	srv, _ := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	other := e2e.Dial(t, site, "websocket", e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
	e2e.Dial(t, site, "websocket", e2e.SessionCookie("refused")).TryConnect(e2e.ChatNamespace, nil)
	other.Expect("coming")
}

// OnConnect refuses clients while other goroutines broadcast to all clients, to
// the session and to a room that OnConnect joins.
func TestRefusedDuringBroadcasts(t *testing.T) {
	h := e2e.NewApp()
	h.Connect = func(c *mojo.Conn) error {
		_ = c.Join("room")
		return e2e.ErrSecret
	}
	srv, ch := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = ch.Emit("x")
			_ = ch.To("room").Emit("x")
			_ = srv.CurrentSessions().Emit("x")
			if ch.Len() > 0 || srv.CurrentSessions().Len() > 0 {
				t.Error("a view has a refused connection")
			}
		}
	}()
	client := siotest.Open(t, site, siotest.Options{Transport: "websocket", Header: e2e.CookieHeader(e2e.SessionCookie("s"))})
	for range 500 {
		client.Send("0" + e2e.ChatNamespace + ",")
		require.Equal(t, `4/ChatSocket,{"message":"internal error"}`, client.Next().Text)
	}
	close(stop)
	<-stopped
}

// Disconnect in OnConnect takes effect after the connect answer and the events
// that OnConnect sent.
func TestDisconnectInOnConnect(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		h.Connect = func(c *mojo.Conn) error {
			require.NoError(t, c.Emit("before"))
			require.NoError(t, c.Disconnect())
			return c.Emit("after")
		}
		ch, socket := e2e.ConnectChat(t, n, transport, h)

		socket.Expect("before")
		socket.Expect("after")
		require.Equal(t, siotest.ReasonServerDisconnect, socket.AwaitDisconnected())
		require.Equal(t, mojo.ReasonServerDisconnect, e2e.Await(t, h.Ended).Reason)
		require.Zero(t, ch.Len())
	})
}

// OnDisconnect runs if and only if OnConnect returned nil.
func TestClientLeavesDuringOnConnect(t *testing.T) {
	for name, test := range map[string]struct {
		leave func(c *siotest.Client)
		want  mojo.Reason
	}{
		"DISCONNECT":      {func(c *siotest.Client) { c.Engine.Send("1" + e2e.ChatNamespace + ",") }, mojo.ReasonClientDisconnect},
		"transport close": {func(c *siotest.Client) { c.Close() }, mojo.ReasonTransportClose},
		"second CONNECT":  {func(c *siotest.Client) { c.SendConnect(e2e.ChatNamespace, nil) }, mojo.ReasonClientDisconnect},
	} {
		for _, result := range []error{nil, e2e.ErrSecret} {
			t.Run(fmt.Sprint(name, ", ", result), func(t *testing.T) {
				e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
					inside, goOn := make(chan *mojo.Conn), make(chan struct{})
					h := e2e.NewApp()
					h.Connect = func(c *mojo.Conn) error {
						inside <- c
						<-goOn
						return result
					}
					h.Disconnect = func(c *mojo.Conn, _ mojo.Reason) {
						_, found := c.Channel().Conn(c.ID())
						require.False(t, found)
						require.ErrorIs(t, c.Emit("x"), mojo.ErrNotConnected)
					}
					srv, ch := e2e.ChatServer(t, h)
					client := e2e.Dial(t, siotest.Serve(t, n, srv), transport, e2e.SessionCookie("s"))
					client.SendConnect(e2e.ChatNamespace, nil)
					conn := e2e.Await(t, inside)

					test.leave(client)
					e2e.AwaitClosed(t, conn.Context().Done())
					goOn <- struct{}{}

					if result == nil {
						require.Equal(t, e2e.End{Conn: conn, Reason: test.want}, e2e.Await(t, h.Ended))
					}
					if name == "second CONNECT" { // the second CONNECT has its own OnConnect
						require.NotSame(t, conn, e2e.Await(t, inside))
						goOn <- struct{}{}
						_, refused := client.AwaitConnect(e2e.ChatNamespace)
						require.Equal(t, result != nil, refused != nil)
						client.Close()
						if result == nil {
							e2e.Await(t, h.Ended)
						}
					}
					e2e.Shutdown(t, srv)
					require.Empty(t, h.Ended, "once")
					e2e.RequireEmptyViews(t, srv, ch)
				})
			})
		}
	}
}

// If a handler returns the error of an Emit to a client that has left, the log
// does not report a failed handler.
func TestEmitToAClientThatLeftIsNotLogged(t *testing.T) {
	var log e2e.Log
	srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
	inside := make(chan *mojo.Conn)
	h := e2e.NewApp()
	h.Connect = func(c *mojo.Conn) error {
		inside <- c
		<-c.Context().Done()
		return c.Emit("welcome")
	}
	e2e.Register(t, srv, "Chat", h)
	client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	client.SendConnect(e2e.ChatNamespace, nil)
	e2e.Await(t, inside)

	client.Close()
	e2e.Shutdown(t, srv)

	require.NotContains(t, log.String(), "level=ERROR")
}
