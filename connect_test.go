package mojo

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestOnConnectIsOrdered: what is sent in OnConnect and, from Join on, to the room arrives behind the connect
// answer, in the order in which it was sent, and before what is sent later.
func TestOnConnectIsOrdered(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		h.connect = func(c *Conn) error {
			room := c.Channel().To("room")
			require.NoError(t, room.Emit("too early"))
			require.NoError(t, c.Emit("own", 1))
			require.NoError(t, c.Join("room"))
			require.NoError(t, room.Emit("room", 2, Binary("b")))
			require.NoError(t, c.Send(3))
			require.NoError(t, room.Volatile().Emit("volatile"))
			require.NoError(t, c.EmitVolatile("volatile"))
			require.NoError(t, room.Emit("room", 4))
			c.Set("key", "value")
			return nil
		}
		ch, socket := chatOn(t, n, transport, h)
		conn := await(t, h.accepted)
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

// TestPendingIsInvisible: until OnConnect has returned nil a connection is in no index and gets nothing that is
// not for its rooms.
func TestPendingIsInvisible(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		inside, goOn := make(chan *Conn), make(chan struct{})
		h := newApp()
		h.connect = func(c *Conn) error {
			inside <- c
			<-goOn
			return nil
		}
		srv, ch := chatServer(t, h)
		client := dial(t, siotest.Serve(t, n, srv), "websocket", inSession("s"), asUser("u"))
		client.SendConnect(chatNamespace, nil)
		conn := await(t, inside)

		requireEmpty(t, srv, ch)
		_, found := ch.Conn(conn.ID())
		require.False(t, found)
		require.NoError(t, ch.Emit("all"))
		require.NoError(t, srv.CurrentSessions().Emit("sessions"))
		require.NoError(t, srv.LoggedInSessions().Get("u").Emit("user"))
		require.Zero(t, len(collect(ch.To("room").Conns())))
		close(goOn)
		socket, refused := client.AwaitConnect(chatNamespace)
		require.Nil(t, refused)

		socket.ExpectNothing()
		require.Equal(t, []string{"s"}, ids(srv.CurrentSessions()))
		require.Equal(t, []string{"u"}, ids(ch.LoggedInSessions()))
		found2, ok := ch.Conn(socket.SID())
		require.True(t, ok)
		require.Same(t, conn, found2)
	})
}

// TestVisibleBeforeItsFirstMessage: a client that has its connect event is in every index.
func TestVisibleBeforeItsFirstMessage(t *testing.T) {
	h := newApp()
	h.message = func(c *Conn, m *Message) {
		_, found := c.Channel().Conn(c.ID())
		_ = m.Ack(found, c.Channel().Len(), c.Channel().CurrentSessions().Has("s"))
	}
	srv, _ := chatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	for range 200 {
		client := dial(t, site, "websocket", inSession("s"))
		socket := client.Connect(chatNamespace, nil)
		require.Equal(t, `[true,1,true]`, socket.Call("who").JSON())
		client.Close()
		await(t, h.ended)
	}
}

// TestAcksInOnConnect: there is nobody yet who could answer.
func TestAcksInOnConnect(t *testing.T) {
	h := newApp()
	h.connect = func(c *Conn) error {
		_, err := c.EmitWithAck(context.Background(), "question")
		require.ErrorIs(t, err, ErrNotConnected)
		_, err = Call[int](context.Background(), c, "question")
		require.ErrorIs(t, err, ErrNotConnected)
		require.EqualError(t, err, "mojo: not connected")
		return nil
	}

	_, socket := chatOn(t, siotest.Memory, "websocket", h)

	socket.ExpectNothing()
}

// TestRefusals: the client sees a ClientError, however it is wrapped, and of other errors nothing.
func TestRefusals(t *testing.T) {
	type data struct {
		Left int `json:"left"`
	}
	for name, test := range map[string]struct {
		err    error
		want   siotest.ConnectError
		logged bool
	}{
		"value":       {ClientError{Message: "go away", Data: data{3}}, siotest.ConnectError{Message: "go away", Data: []byte(`{"left":3}`)}, false},
		"pointer":     {&ClientError{Message: "go away"}, siotest.ConnectError{Message: "go away"}, false},
		"wrapped":     {fmt.Errorf("secret: %w", ClientError{Message: "go away"}), siotest.ConnectError{Message: "go away"}, false},
		"wrapped *":   {fmt.Errorf("secret: %w", &ClientError{Message: "go away", Data: "x"}), siotest.ConnectError{Message: "go away", Data: []byte(`"x"`)}, false},
		"nil pointer": {(*ClientError)(nil), siotest.ConnectError{Message: "internal error"}, true},
		"other":       {errTest, siotest.ConnectError{Message: "internal error"}, true},
		"binary data": {ClientError{Message: "go away", Data: map[string]any{"a": []byte("hi"), "b": Binary("hi")}}, siotest.ConnectError{Message: "go away", Data: []byte(`{"a":"aGk=","b":"aGk="}`)}, false},
		"bad data":    {ClientError{Message: "go away", Data: func() {}}, siotest.ConnectError{Message: "go away"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				var log journal
				srv := newTestServer(t, Options{Logger: log.logger()})
				h := newApp()
				h.connect = func(*Conn) error { return test.err }
				ch := register(t, srv, "Chat", h)
				client := dial(t, siotest.Serve(t, n, srv), transport)

				socket, refused := client.TryConnect(chatNamespace, nil)

				require.Nil(t, socket)
				require.Equal(t, test.want, *refused)
				requireEmpty(t, srv, ch)
				require.Equal(t, test.logged, strings.Contains(log.String(), "level=ERROR"), log.String())
				require.Empty(t, h.ended)
			})
		})
	}
}

// TestRefusedGetsNothing: not what it was sent, nor what its rooms were, nor anything else.
func TestRefusedGetsNothing(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := newApp()
		var refused *Conn
		h.connect = func(c *Conn) error {
			refused = c
			require.NoError(t, c.Join("room"))
			require.NoError(t, c.Emit("own"))
			require.NoError(t, c.Channel().To("room").Emit("room"))
			return errTest
		}
		srv, ch := chatServer(t, h)
		client := dial(t, siotest.Serve(t, n, srv), "websocket", inSession("s"))
		client.TryConnect(chatNamespace, nil)

		require.NoError(t, ch.To("room").Emit("room"))
		require.NoError(t, ch.Emit("all"))
		require.ErrorIs(t, refused.Emit("own"), ErrNotConnected)
		require.ErrorIs(t, refused.Join("room"), ErrNotConnected)
		require.Empty(t, refused.Rooms())
		awaitClosed(t, refused.Context().Done())
		client.Barrier() // an event would have been a packet for a namespace that has no socket
		requireEmpty(t, srv, ch)

		h.connect = nil // the same client may try again
		client.Connect(chatNamespace, nil).ExpectNothing()
	})
}

// TestRefusedDuringBroadcasts: refusals among broadcasts to all, the session and a room that is joined.
func TestRefusedDuringBroadcasts(t *testing.T) {
	h := newApp()
	h.connect = func(c *Conn) error {
		_ = c.Join("room")
		return errTest
	}
	srv, ch := chatServer(t, h)
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
				t.Error("a refused connection was in an index")
			}
		}
	}()
	client := siotest.Open(t, site, siotest.Options{Transport: "websocket", Header: as(inSession("s"))})
	for range 500 {
		client.Send("0" + chatNamespace + ",")
		require.Equal(t, `4/ChatSocket,{"message":"internal error"}`, client.Next().Text)
	}
	close(stop)
	<-stopped
}

// TestDisconnectInOnConnect takes effect behind the connect answer and what was sent.
func TestDisconnectInOnConnect(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		h.connect = func(c *Conn) error {
			require.NoError(t, c.Emit("before"))
			require.NoError(t, c.Disconnect())
			return c.Emit("after")
		}
		ch, socket := chatOn(t, n, transport, h)

		socket.Expect("before")
		socket.Expect("after")
		require.Equal(t, siotest.ReasonServerDisconnect, socket.AwaitDisconnected())
		require.Equal(t, ReasonServerDisconnect, await(t, h.ended).reason)
		require.Zero(t, ch.Len())
	})
}

// TestClientLeavesDuringOnConnect: OnDisconnect runs if and only if OnConnect returned nil.
func TestClientLeavesDuringOnConnect(t *testing.T) {
	for name, test := range map[string]struct {
		leave func(c *siotest.Client)
		want  Reason
	}{
		"DISCONNECT":      {func(c *siotest.Client) { c.Engine.Send("1" + chatNamespace + ",") }, ReasonClientDisconnect},
		"transport close": {func(c *siotest.Client) { c.Close() }, ReasonTransportClose},
		"second CONNECT":  {func(c *siotest.Client) { c.SendConnect(chatNamespace, nil) }, ReasonClientDisconnect},
	} {
		for _, result := range []error{nil, errTest} {
			t.Run(fmt.Sprint(name, ", ", result), func(t *testing.T) {
				everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
					inside, goOn := make(chan *Conn), make(chan struct{})
					h := newApp()
					h.connect = func(c *Conn) error {
						inside <- c
						<-goOn
						return result
					}
					h.disconnect = func(c *Conn, _ Reason) {
						_, found := c.Channel().Conn(c.ID())
						require.False(t, found)
						require.ErrorIs(t, c.Emit("x"), ErrNotConnected)
					}
					srv, ch := chatServer(t, h)
					client := dial(t, siotest.Serve(t, n, srv), transport, inSession("s"))
					client.SendConnect(chatNamespace, nil)
					conn := await(t, inside)

					test.leave(client)
					awaitClosed(t, conn.Context().Done())
					goOn <- struct{}{}

					if result == nil {
						require.Equal(t, ending{conn, test.want}, await(t, h.ended))
					}
					if name == "second CONNECT" { // it has an OnConnect of its own
						require.NotSame(t, conn, await(t, inside))
						goOn <- struct{}{}
						_, refused := client.AwaitConnect(chatNamespace)
						require.Equal(t, result != nil, refused != nil)
						client.Close()
						if result == nil {
							await(t, h.ended)
						}
					}
					shutdown(t, srv)
					require.Empty(t, h.ended, "once")
					requireEmpty(t, srv, ch)
				})
			})
		}
	}
}

// TestClientGoneIsNoFault: a handler that returns what Emit says to a client that has left is not logged as failing.
func TestClientGoneIsNoFault(t *testing.T) {
	var log journal
	srv := newTestServer(t, Options{Logger: log.logger()})
	inside := make(chan *Conn)
	h := newApp()
	h.connect = func(c *Conn) error {
		inside <- c
		<-c.Context().Done()
		return c.Emit("welcome")
	}
	register(t, srv, "Chat", h)
	client := dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	client.SendConnect(chatNamespace, nil)
	await(t, inside)

	client.Close()
	shutdown(t, srv)

	require.NotContains(t, log.String(), "level=ERROR")
}
