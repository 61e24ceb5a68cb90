package delivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Every kind of Emit refuses invalid events before it sends anything. The error
// has the prefix "mojo: " once and matches the documented variable.
func TestEmitRefuses(t *testing.T) {
	h := e2e.NewApp()
	srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Limits: mojo.Limits{MaxQueue: 1 << 20}})
	ch := e2e.Register(t, srv, "Chat", h)
	socket := e2e.Dial(t, siotest.Serve(t, siotest.TCP, srv), "websocket", e2e.SessionCookie("s"), e2e.LoginCookie("u")).Connect(e2e.ChatNamespace, nil)
	conn := e2e.Await(t, h.Accepted)
	eleven := make([]any, 11)
	for i := range eleven {
		eleven[i] = []byte{byte(i)}
	}
	for what, emit := range map[string]func(event string, args ...any) error{
		"Conn":     conn.Emit,
		"Volatile": conn.Volatile().Emit,
		"EmitWithAck": func(event string, args ...any) error {
			_, err := conn.EmitWithAck(t.Context(), event, args...)
			return err
		},
		"Channel":                 ch.Emit,
		"Broadcast":               ch.To("room").Except("x").Without(conn).Volatile().Emit,
		"Sessions":                srv.CurrentSessions().Emit,
		"Session":                 ch.LoggedInSessions().Get("u").Emit,
		"Session that is offline": srv.LoggedInSessions().Get("gone").Emit,
	} {
		t.Run(what, func(t *testing.T) {
			for event, test := range map[string]struct {
				args []any
				want error
				text string
			}{
				"connect":        {nil, mojo.ErrReservedEvent, ""},
				"removeListener": {nil, mojo.ErrReservedEvent, ""},
				"pieces":         {eleven, mojo.ErrTooManyAttachments, ""},
				"large":          {[]any{strings.Repeat("x", 1<<20)}, mojo.ErrTooLarge, "mojo: message too large"},
				"large binary":   {[]any{make([]byte, 1<<20)}, mojo.ErrTooLarge, "mojo: message too large"},
				"function":       {[]any{func() {}}, nil, ""},
				"failing":        {[]any{failingJSON{}}, e2e.ErrSecret, ""},
			} {
				err := emit(event, test.args...)

				require.Error(t, err, event)
				if test.want != nil {
					require.ErrorIs(t, err, test.want, event)
				}
				require.Equal(t, 1, strings.Count(err.Error(), "mojo: "), err.Error())
				require.True(t, strings.HasPrefix(err.Error(), "mojo: "), err.Error())
				if test.text != "" {
					require.EqualError(t, err, test.text)
				}
			}
		})
	}
	socket.ExpectNothing()
	require.Equal(t, 1, ch.Len())
}

// failingJSON is a value that cannot be encoded.
type failingJSON struct{}

func (failingJSON) MarshalJSON() ([]byte, error) { return nil, e2e.ErrSecret }

// The caller may change the arguments of Emit as soon as it has returned.
func TestEmitKeepsNoReference(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		h.Connect = func(c *mojo.Conn) error { // queued until the connect answer
			b := []byte("before")
			err := c.Emit("binary", b)
			copy(b, "AFTER!")
			return err
		}
		ch, socket := e2e.ConnectChat(t, n, transport, h)
		b := []byte("before")
		require.NoError(t, ch.Emit("binary", b))
		copy(b, "AFTER!")

		socket.Expect("binary", []byte("before"))
		socket.Expect("binary", []byte("before"))
	})
}

// A connection receives the events of one goroutine in their order, even if
// they are sent by different kinds of Emit.
func TestOrderOfAllKindsOfEmit(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		srv, ch := e2e.ChatServer(t, h)
		socket := e2e.Dial(t, siotest.Serve(t, n, srv), transport, e2e.SessionCookie("s"), e2e.LoginCookie("u")).Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)
		require.NoError(t, conn.Join("room"))
		kinds := []func(string, ...any) error{
			conn.Emit, ch.Emit, ch.To("room").Emit, srv.CurrentSessions().Emit, ch.LoggedInSessions().Get("u").Emit,
		}
		const total = 500
		for i := range total {
			require.NoError(t, kinds[i%len(kinds)]("n", i, []byte{byte(i)}))
		}
		for i := range total {
			socket.Expect("n", i, []byte{byte(i)})
		}
		socket.ExpectNothing()
	})
}

// A Conn that joins a room twice is in it once. Leaving a room that the Conn is
// not in does nothing.
func TestRooms(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	bob, guest := w.Conn(t, "bob"), w.Conn(t, "guest")
	require.NoError(t, bob.Join("a", "b", "a"))
	require.NoError(t, bob.Join("a"))
	guest.Leave("a")
	require.Equal(t, []string{"a", "b"}, bob.Rooms())
	require.NoError(t, guest.Join())
	require.Empty(t, guest.Rooms())

	require.NoError(t, w.Chat.To("b").Emit("to b"))
	w.Sockets["bob"].Expect("to b")
	bob.Leave("b", "none")
	require.NoError(t, w.Chat.To("b").Emit("to b"))
	w.Sockets["bob"].ExpectNothing()
	require.Equal(t, []string{"a"}, bob.Rooms())
}

// Each method of a Broadcast returns a new Broadcast. It changes neither its
// receiver nor the result of another call.
func TestBroadcastIsAValue(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	base := w.Chat.To("first")
	wide, narrow := base.To("other"), base.Except("first")
	without := base.Without(w.Conn(t, "tab1"))
	_ = without.Without(w.Conn(t, "tab2"))

	require.Len(t, slices.Collect(base.Conns()), 2)
	require.Len(t, slices.Collect(wide.Conns()), 2)
	require.Empty(t, slices.Collect(narrow.Conns()))
	require.Equal(t, []*mojo.Conn{w.Conn(t, "tab2")}, slices.Collect(without.Conns()))

	wide.Join("more")
	require.Equal(t, []string{"first", "more"}, w.Conn(t, "tab1").Rooms())
	wide.Leave("more", "first")
	require.Empty(t, w.Conn(t, "tab2").Rooms())
	require.Empty(t, slices.Collect(base.Conns()))
}

// counted is a value that counts how often it is encoded.
type counted struct{ n *atomic.Int32 }

func (c counted) MarshalJSON() ([]byte, error) {
	c.n.Add(1)
	return []byte(`"counted"`), nil
}

// A broadcast encodes its arguments once for all connections and apps.
func TestBroadcastEncodesOnce(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	var n atomic.Int32
	require.NoError(t, w.Srv.CurrentSessions().Emit("event", counted{&n}))
	require.NoError(t, w.Chat.Emit("event", counted{&n}))

	require.EqualValues(t, 2, n.Load())
	w.Sockets["bob/news"].Expect("event", "counted")
	w.Sockets["bob"].Expect("event", "counted")
	w.Sockets["bob"].Expect("event", "counted")
}

// observer is an App that records the calls of OnEmit.
type observer struct {
	*e2e.App
	seen chan string
}

func (o *observer) OnEmit(c *mojo.Conn, event string, args []any) {
	o.seen <- fmt.Sprint(c.SessionID(), " ", event, " ", args)
}

// OnEmit is called for each event and connection, with the arguments of the
// caller, before the event is queued.
func TestEmitObserver(t *testing.T) {
	o := &observer{e2e.NewApp(), make(chan string, 99)}
	o.Connect = func(c *mojo.Conn) error { return c.Emit("welcome") }
	srv, ch := e2e.ChatServer(t, o)
	site := siotest.Serve(t, siotest.Memory, srv)
	e2e.Dial(t, site, "websocket", e2e.SessionCookie("s1")).Connect(e2e.ChatNamespace, nil)
	conn := e2e.Await(t, o.Accepted)
	e2e.Dial(t, site, "websocket", e2e.SessionCookie("s2")).Connect(e2e.ChatNamespace, nil)
	require.Equal(t, "s1 welcome []", e2e.Await(t, o.seen))
	require.Equal(t, "s2 welcome []", e2e.Await(t, o.seen))

	require.NoError(t, conn.Emit("one", 1))
	require.Equal(t, "s1 one [1]", e2e.Await(t, o.seen))
	require.NoError(t, conn.Send("x"))
	require.Equal(t, "s1 message [x]", e2e.Await(t, o.seen))
	require.NoError(t, ch.Emit("two", 2))
	require.ElementsMatch(t, []string{"s1 two [2]", "s2 two [2]"}, []string{e2e.Await(t, o.seen), e2e.Await(t, o.seen)})
	require.NoError(t, srv.CurrentSessions().Get("s2").Emit("three"))
	require.Equal(t, "s2 three []", e2e.Await(t, o.seen))
	require.Error(t, ch.Emit("connect"))
	require.Error(t, conn.Emit("x", func() {}))
	require.Empty(t, o.seen, "what is refused is not sent")

	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := conn.EmitWithAck(ctx, "question", 4)
		result <- err
	}()
	require.Equal(t, "s1 question [4]", e2e.Await(t, o.seen))
	cancel()
	require.ErrorIs(t, e2e.Await(t, result), context.Canceled)
}
