package siotest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSocketRoundTrips(t *testing.T) {
	eachTransport(t, func(t *testing.T, site *Site, o Options) {
		c := Dial(t, site, o)
		chat := c.Connect("/chat", map[string]string{"token": "x"})
		root := c.Connect("/", nil)
		require.Equal(t, "/chat", chat.SID())
		require.Equal(t, "root", root.SID())

		nested := map[string]any{"deep": []any{[]byte("yo"), nil}}
		chat.Emit("echo", "a", 1, []byte{1, 2}, nested)
		got := chat.Expect("echo", "a", 1, []byte{1, 2}, nested)
		require.Equal(t, []byte{1, 2}, got.Bytes(2))
		var v any
		got.Arg(3, &v)
		require.Equal(t, nested, v)

		answer := chat.Call("x", "hi", []byte{9})
		require.Equal(t, "hi", answer.Text(0))
		require.Equal(t, []byte{9}, answer.Bytes(1))
		require.Equal(t, `[]`, chat.Call("x").JSON())

		root.Emit("ask", 5)
		root.Expect("question", 5).Reply("yes", []byte{7})
		root.Expect("answered", "yes", []byte{7})
		root.ExpectNothing()
		chat.ExpectNothing()

		chat.Emit("raw", "41/chat,")
		require.Equal(t, ReasonServerDisconnect, chat.AwaitDisconnected())
		root.Disconnect()
		require.Equal(t, ReasonClientDisconnect, root.AwaitDisconnected())
		c.Connect("/chat", nil).Emit("raw", "1")
		require.Equal(t, ReasonClosePacket, c.Engine.AwaitClosed())
	})
}

func TestConnectRefused(t *testing.T) {
	c := Dial(t, Serve(t, Memory, &fakeServer{}), Options{})
	s, refused := c.TryConnect("/refused", nil)
	require.Nil(t, s)
	require.Equal(t, "no", refused.Message)
	require.JSONEq(t, `{"why":1}`, string(refused.Data))
}

func TestTwoConnectsForOneNamespace(t *testing.T) {
	c := Dial(t, Serve(t, Memory, &fakeServer{}), Options{Transport: "websocket"})
	c.SendConnect("/chat", nil)
	c.SendConnect("/chat", nil)
	first, _ := c.AwaitConnect("/chat")
	second, _ := c.AwaitConnect("/chat")
	require.Equal(t, ReasonReplaced, first.AwaitDisconnected())
	require.Equal(t, `["x"]`, second.Call("e", "x").JSON())
	second.ExpectNothing()
}

func TestAnswersKeepTheirOrderOfAsking(t *testing.T) {
	c := Dial(t, Serve(t, Memory, &fakeServer{}), Options{Transport: "websocket"})
	s := c.Connect("/chat", nil)
	one, two := s.Ask("e", 1), s.Ask("e", 2)
	require.Equal(t, "[2]", two.Wait().JSON())
	require.True(t, one.Arrived())
	require.Equal(t, "[1]", one.Wait().JSON())
	require.False(t, one.Arrived())
}

func TestSocketEndsWithItsConnection(t *testing.T) {
	c := Dial(t, Serve(t, Memory, &fakeServer{}), Options{Transport: "websocket"})
	s := c.Connect("/chat", nil)
	s.Emit("echo", "before")
	s.Barrier()
	c.Engine.Drop()
	require.Equal(t, ReasonClientDrop, s.AwaitDisconnected())
	require.Equal(t, 1, s.Unread())
	s.Expect("echo", "before")
	s.Emit("echo", "after")
}

func TestViolationsEndTheConnection(t *testing.T) {
	for name, packets := range map[string][]any{
		"text between header and attachments": {`451-/chat,["x",{"_placeholder":true,"num":0}]`, `42/chat,["y"]`},
		"attachment without header":           {"bAQ=="},
		"placeholder out of range":            {`451-/chat,["x",{"_placeholder":true,"num":1}]`, "bAQ=="},
		"namespace never connected":           {`42/other,["x"]`},
		"ack of no event":                     {`43/chat,99[]`},
		"reserved event":                      {`42/chat,["connect"]`},
		"no Socket.IO packet":                 {`4hello`},
		"CONNECT without sid":                 {`40/chat,{}`},
	} {
		t.Run(name, func(t *testing.T) {
			c := Dial(t, Serve(t, Memory, &fakeServer{}), Options{Transport: "websocket"})
			s := c.Connect("/chat", nil)
			s.Emit("raw", packets...)
			require.Equal(t, ReasonError, c.Engine.AwaitClosed())
			require.Error(t, c.Engine.Err())
			require.Equal(t, ReasonError, s.AwaitDisconnected())
		})
	}
}

func TestPacketsThatCrossADisconnectAreIgnored(t *testing.T) {
	c := Dial(t, Serve(t, Memory, &fakeServer{}), Options{Transport: "websocket"})
	s := c.Connect("/chat", nil)
	s.Emit("echo")
	s.Ask("echo")
	s.Disconnect()
	root := c.Connect("/", nil)
	root.ExpectNothing()
}

func TestSocketInBubble(t *testing.T) {
	for _, transport := range []string{"polling", "websocket", "upgrade"} {
		synctest.Test(t, func(t *testing.T) {
			c := Dial(t, Serve(t, Memory, &fakeServer{}), Options{Transport: transport})
			s := c.Connect("/chat", nil)
			start := time.Now()
			require.Equal(t, `["x"]`, s.Call("e", "x").JSON())
			s.ExpectNothing()
			time.Sleep(time.Hour)
			require.Equal(t, `["y"]`, s.Call("e", "y").JSON())
			require.Equal(t, time.Hour, time.Since(start))
		})
	}
}
