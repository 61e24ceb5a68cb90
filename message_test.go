package mojo

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestBinary in all positions, both ways.
func TestBinary(t *testing.T) {
	type inner struct {
		Data Binary            `json:"data"`
		List []Binary          `json:"list"`
		Map  map[string]Binary `json:"map"`
		None Binary            `json:"none"`
	}
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		received := make(chan inner, 1)
		h.message = func(c *Conn, m *Message) {
			var b []byte
			var in inner
			var anything any
			require.NoError(t, m.Decode(&b, &in, &anything))
			require.Equal(t, []byte("bare"), b)
			require.Equal(t, map[string]any{"deep": []any{[]byte("any"), "text", nil}}, anything)
			received <- in
			require.NoError(t, c.Emit("back", b, in, map[string]any{"deep": []any{[]byte("any")}}, struct{ B []byte }{[]byte("plain")}))
		}
		_, socket := chatOn(t, n, transport, h)

		socket.Emit("there", []byte("bare"), map[string]any{
			"data": []byte("data"), "list": []any{[]byte("l1"), []byte("l2")}, "map": map[string]any{"k": []byte("m")},
		}, map[string]any{"deep": []any{[]byte("any"), "text", nil}})

		want := inner{Data: Binary("data"), List: []Binary{Binary("l1"), Binary("l2")}, Map: map[string]Binary{"k": Binary("m")}}
		require.Equal(t, want, await(t, received))
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

// TestMessageOutlivesOnMessage: it owns its bytes, whatever arrives later.
func TestMessageOutlivesOnMessage(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const total = 100
		h := newApp()
		messages := make(chan *Message, total)
		h.message = func(_ *Conn, m *Message) { messages <- m }
		_, socket := chatOn(t, n, transport, h)
		for i := range total {
			socket.Emit("event", fmt.Sprint("text", i), []byte(fmt.Sprint("binary", i)))
		}
		kept := make([]*Message, total)
		for i := range kept {
			kept[i] = await(t, messages)
		}
		for i, m := range kept {
			var text string
			var b Binary
			require.NoError(t, m.Decode(&text, &b))
			require.Equal(t, fmt.Sprint("text", i), text)
			require.Equal(t, fmt.Sprint("binary", i), string(b))
		}
	})
}

// TestDecode says which argument of which event does not fit.
func TestDecode(t *testing.T) {
	h := newApp()
	messages := make(chan *Message, 1)
	h.message = func(_ *Conn, m *Message) { messages <- m }
	_, socket := chatOn(t, siotest.Memory, "websocket", h)
	socket.Emit("event", 1, "two")
	m := await(t, messages)
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

// TestEventNames: text of any kind, and numbers, which read as their decimal text.
func TestEventNames(t *testing.T) {
	h := newApp()
	names := make(chan string, 9)
	h.message = func(_ *Conn, m *Message) { names <- m.Event() }
	srv, _ := chatServer(t, h)
	client := dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	client.Connect(chatNamespace, nil)
	for packet, want := range map[string]string{
		`["message"]`: "message", `["error",1]`: "error", `[""]`: "", `[42]`: "42", `[1.50]`: "1.5", `[-1e3]`: "-1000", `["\u00fc\n"]`: "ü\n",
	} {
		client.Engine.Send("2" + chatNamespace + "," + packet)
		require.Equal(t, want, await(t, names))
	}
}

// TestPlaceholderIsPlainData in an event without attachments.
func TestPlaceholderIsPlainData(t *testing.T) {
	h := newApp()
	messages := make(chan *Message, 1)
	h.message = func(_ *Conn, m *Message) { messages <- m }
	_, socket := chatOn(t, siotest.Memory, "websocket", h)
	socket.Emit("event", map[string]any{"_placeholder": true, "num": 0})

	var got any
	require.NoError(t, await(t, messages).Decode(&got))
	require.Equal(t, map[string]any{"_placeholder": true, "num": 0.0}, got)
}
