package delivery

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Binary data may be anywhere in the arguments, in both directions.
func TestBinary(t *testing.T) {
	type inner struct {
		Data mojo.Binary            `json:"data"`
		List []mojo.Binary          `json:"list"`
		Map  map[string]mojo.Binary `json:"map"`
		None mojo.Binary            `json:"none"`
	}
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		received := make(chan inner, 1)
		h.Message = func(c *mojo.Conn, m *mojo.Message) {
			var b []byte
			var in inner
			var anything any
			require.NoError(t, m.Decode(&b, &in, &anything))
			require.Equal(t, []byte("bare"), b)
			require.Equal(t, map[string]any{"deep": []any{[]byte("any"), "text", nil}}, anything)
			received <- in
			require.NoError(t, c.Emit("back", b, in, map[string]any{"deep": []any{[]byte("any")}}, struct{ B []byte }{[]byte("plain")}))
		}
		_, socket := e2e.ConnectChat(t, n, transport, h)

		socket.Emit("there", []byte("bare"), map[string]any{
			"data": []byte("data"), "list": []any{[]byte("l1"), []byte("l2")}, "map": map[string]any{"k": []byte("m")},
		}, map[string]any{"deep": []any{[]byte("any"), "text", nil}})

		want := inner{Data: mojo.Binary("data"), List: []mojo.Binary{mojo.Binary("l1"), mojo.Binary("l2")}, Map: map[string]mojo.Binary{"k": mojo.Binary("m")}}
		require.Equal(t, want, e2e.Await(t, received))
		back := socket.Next()
		require.Equal(t, []byte("bare"), back.Bytes(0))
		var got any
		back.Arg(1, &got)
		require.Equal(t, map[string]any{
			"data": []byte("data"), "list": []any{[]byte("l1"), []byte("l2")}, "map": map[string]any{"k": []byte("m")}, "none": nil,
		}, got)
		back.Arg(2, &got)
		require.Equal(t, map[string]any{"deep": []any{[]byte("any")}}, got)
		require.JSONEq(t, `{"B":"cGxhaW4="}`, string(back.Args[3]), "any other []byte is what encoding/json makes of it")
	})
}

// A Message may be kept: later messages do not change its bytes.
func TestMessageOutlivesOnMessage(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const total = 100
		h := e2e.NewApp()
		messages := make(chan *mojo.Message, total)
		h.Message = func(_ *mojo.Conn, m *mojo.Message) { messages <- m }
		_, socket := e2e.ConnectChat(t, n, transport, h)
		for i := range total {
			socket.Emit("event", fmt.Sprint("text", i), []byte(fmt.Sprint("binary", i)))
		}
		kept := make([]*mojo.Message, total)
		for i := range kept {
			kept[i] = e2e.Await(t, messages)
		}
		for i, m := range kept {
			var text string
			var b mojo.Binary
			require.NoError(t, m.Decode(&text, &b))
			require.Equal(t, fmt.Sprint("text", i), text)
			require.Equal(t, fmt.Sprint("binary", i), string(b))
		}
	})
}

// The error of Decode names the event and the argument that does not fit.
func TestDecode(t *testing.T) {
	h := e2e.NewApp()
	messages := make(chan *mojo.Message, 1)
	h.Message = func(_ *mojo.Conn, m *mojo.Message) { messages <- m }
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)
	socket.Emit("event", 1, "two")
	m := e2e.Await(t, messages)
	var number int
	var text string

	require.Equal(t, 2, m.Len())
	require.NoError(t, m.Decode())
	require.NoError(t, m.Decode(&number))
	require.NoError(t, m.Decode(&number, &text))
	require.Equal(t, "two", text)
	require.EqualError(t, m.Decode(&number, &text, &text), `mojo: event "event" has 2 arguments; want at least 3`)
	require.EqualError(t, m.Decode(&number, &number), `mojo: event "event", argument 2 into *int: json: cannot unmarshal string into Go value of type int`)
	require.Error(t, m.Decode(nil))
	require.Error(t, m.Decode(number))
}

// The name of an event may be any text, and a number, which becomes its decimal
// text.
func TestEventNames(t *testing.T) {
	h := e2e.NewApp()
	names := make(chan string, 9)
	h.Message = func(_ *mojo.Conn, m *mojo.Message) { names <- m.Event() }
	srv, _ := e2e.ChatServer(t, h)
	client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	client.Connect(e2e.ChatNamespace, nil)
	for packet, want := range map[string]string{
		`["message"]`: "message", `["error",1]`: "error", `[""]`: "", `[42]`: "42", `[1.50]`: "1.5", `[-1e3]`: "-1000", `["\u00fc\n"]`: "ü\n",
	} {
		client.Engine.Send("2" + e2e.ChatNamespace + "," + packet)
		require.Equal(t, want, e2e.Await(t, names))
	}
}

// An object that looks like a placeholder is plain data in an event without
// attachments.
func TestPlaceholderIsPlainData(t *testing.T) {
	h := e2e.NewApp()
	messages := make(chan *mojo.Message, 1)
	h.Message = func(_ *mojo.Conn, m *mojo.Message) { messages <- m }
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)
	socket.Emit("event", map[string]any{"_placeholder": true, "num": 0})

	var got any
	require.NoError(t, e2e.Await(t, messages).Decode(&got))
	require.Equal(t, map[string]any{"_placeholder": true, "num": 0.0}, got)
}
