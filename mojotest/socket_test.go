package mojotest_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojotest"
)

type file struct {
	Name string      `json:"name"`
	Data mojo.Binary `json:"data"`
}

func TestArguments(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.String(), func(t *testing.T) {
			chat := mojotest.NewServer(t, newChat(t, mojo.Options{}), nil).
				Dial(t, "/ChatSocket", &mojotest.DialOptions{Transport: transport})
			args := []any{"text", 7, nil, []byte{1, 2}, file{"f", mojo.Binary("hi")}, map[string]any{"deep": []any{[]byte{3}}}}
			chat.Emit("echo", args...)
			m := chat.Expect("echo", args...)
			require.Equal(t, 6, m.Len())
			require.False(t, m.WantsAck())
			var (
				text   string
				number int
				none   *int
				raw    []byte
				f      file
				deep   any
			)
			m.Decode(&text, &number, &none, &raw, &f, &deep)
			require.Equal(t, args[4], f)
			require.Equal(t, []byte{1, 2}, raw)
			require.Equal(t, args[5], deep)

			answer := chat.Call("echo", "x", []byte{9})
			require.Empty(t, answer.Event())
			require.Equal(t, `["x",{"_placeholder":true,"num":0}]`, answer.String())
			require.Equal(t, file{"f", mojo.Binary{1}}, mojotest.Call[file](chat, "echo", file{"f", mojo.Binary{1}}))
			chat.Expect("echo", "x", mojo.Binary{9})
			require.Equal(t, file{"f", mojo.Binary{1}}, mojotest.Expect[file](chat, "echo"))
			chat.Emit("echo", 1)
			chat.Emit("other", "o")
			require.Equal(t, `other ["o"]`, chat.Await("other").String())
			require.Zero(t, mojotest.Message{}.Len())
		})
	}
}

func TestServerCallsClient(t *testing.T) {
	answers := make(chan file, 1)
	srv := newChat(t, mojo.Options{})
	var ask mojo.Events
	mojo.On(&ask, "ready", func(c *mojo.Conn, _ any) error {
		f, err := mojo.Call[file](c.Context(), c, "which?", 1)
		answers <- f
		return err
	})
	_, err := srv.Register("Ask", ask.Handler())
	require.NoError(t, err)
	socket := mojotest.NewServer(t, srv, nil).Dial(t, "/AskSocket", nil)
	socket.Emit("ready")
	question := socket.Expect("which?", 1)
	require.True(t, question.WantsAck())
	question.Ack(file{"f", mojo.Binary("hi")})
	require.Equal(t, file{"f", mojo.Binary("hi")}, <-answers)
}

func TestErrorsOfCalls(t *testing.T) {
	chat := mojotest.NewServer(t, newChat(t, mojo.Options{}), nil).Dial(t, "/ChatSocket", nil)
	err := chat.Call("fail", "x").Err()
	require.EqualError(t, err, "no")
	require.JSONEq(t, `{"code":7}`, string(as[mojo.ClientError](t, err).Data.(json.RawMessage)))
	require.EqualError(t, chat.Call("fail", 1).Err(), "invalid arguments")
	require.NoError(t, chat.Call("who").Err())
	require.NoError(t, chat.Call("echo", "x", "y").Err())
	require.NoError(t, chat.Expect("echo", "x", "y").Err())
}

func TestDisconnectAndConnect(t *testing.T) {
	chat := mojotest.NewServer(t, newChat(t, mojo.Options{}), nil).Dial(t, "/ChatSocket", nil)
	chat.Disconnect()
	require.Equal(t, mojotest.ReasonClientDisconnect, chat.AwaitDisconnect())
	chat.Connect()
	chat.Emit("leave")
	require.Equal(t, mojotest.ReasonServerDisconnect, chat.AwaitDisconnect())
	chat.Connect()
	require.Empty(t, mojotest.Call[string](chat, "who"))
}

// A failure names the expected and the received event. It comes within
// Server.Timeout.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(*mojotest.Socket)
		want string
	}{
		"next times out":             {func(s *mojotest.Socket) { s.Next() }, "no event came on /ChatSocket: waited for 1s"},
		"expect times out":           {func(s *mojotest.Socket) { s.Expect("said", "x") }, `said ["x"] was expected: no event came on /ChatSocket`},
		"decode times out":           {func(s *mojotest.Socket) { mojotest.Expect[string](s, "said") }, `"said" was expected: no event came`},
		"await times out":            {func(s *mojotest.Socket) { s.Await("said") }, "\"said\" was awaited: no event came on /ChatSocket: waited for 1s"},
		"await drops events":         {func(s *mojotest.Socket) { s.Emit("echo"); s.Emit("echo", 1); s.Await("said") }, "waited for 1s\nevents dropped before: echo [], echo [1]"},
		"other event":                {func(s *mojotest.Socket) { s.Emit("echo", 1); s.Expect("said", 1) }, "got  \"echo\" [1]\nwant \"said\" [1]"},
		"other arguments":            {func(s *mojotest.Socket) { s.Emit("echo", 1); s.Expect("echo", 1, 2) }, "got  \"echo\" [1]\nwant \"echo\" [1,2]"},
		"other binary":               {func(s *mojotest.Socket) { s.Emit("echo", []byte{1}); s.Expect("echo", []byte{2}) }, `attachments ["\x01"]`},
		"other name":                 {func(s *mojotest.Socket) { s.Emit("echo", 1); mojotest.Expect[int](s, "said") }, `"said" was expected on /ChatSocket, not echo [1]`},
		"other type":                 {func(s *mojotest.Socket) { s.Emit("echo", 1); mojotest.Expect[string](s, "echo") }, "argument 1 of echo [1] into *string: json"},
		"fewer arguments":            {func(s *mojotest.Socket) { s.Emit("echo"); mojotest.Expect[string](s, "echo") }, "echo [] has 0 arguments; want at least 1"},
		"unexpected event":           {func(s *mojotest.Socket) { s.Emit("echo", 1); s.Call("who"); s.ExpectNothing() }, "nothing was expected on /ChatSocket, but there is echo [1]"},
		"ack without id":             {func(s *mojotest.Socket) { s.Emit("echo"); s.Next().Ack() }, "echo [] wants no ack"},
		"ack with error":             {func(s *mojotest.Socket) { mojotest.Call[int](s, "fail", "x") }, `"fail" was answered with the error "no"`},
		"reserved name":              {func(s *mojotest.Socket) { s.Emit("disconnect") }, `mojotest: event "disconnect": event name is reserved`},
		"emit not encodable":         {func(s *mojotest.Socket) { s.Emit("x", func() {}) }, `mojotest: event "x": argument 1 (func()): json`},
		"expect not encodable":       {func(s *mojotest.Socket) { s.Expect("x", func() {}) }, `mojotest: event "x": argument 1 (func()): json`},
		"call without connection":    {func(s *mojotest.Socket) { s.Tab().Drop(); s.Call("who") }, `no ack of "who" came on /ChatSocket`},
		"not disconnected":           {func(s *mojotest.Socket) { s.AwaitDisconnect() }, "/ChatSocket was not disconnected"},
		"not closed":                 {func(s *mojotest.Socket) { s.Tab().AwaitClose() }, "the connection did not end"},
		"connect without connection": {func(s *mojotest.Socket) { s.Tab().Drop(); s.Connect() }, "mojotest: connect to /ChatSocket: no answer to CONNECT"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := mojotest.NewServer(t, newChat(t, mojo.Options{}), nil)
				site.Timeout = time.Second
				start := time.Now()
				text := failure(t, func(t testing.TB) {
					c.act(site.Dial(t, "/ChatSocket", &mojotest.DialOptions{Transport: mojotest.WebSocket}))
				})
				require.Contains(t, text, c.want)
				require.False(t, strings.Contains(text, "siotest"), text)
				require.LessOrEqual(t, time.Since(start), time.Second)
			})
		})
	}
}

// Unread returns all events that the server queued before the call.
func TestUnread(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.String(), func(t *testing.T) {
			srv := newChat(t, mojo.Options{})
			news, err := srv.Register("News", new(mojo.Events).Handler())
			require.NoError(t, err)
			page := mojotest.NewServer(t, srv, nil).Dial(t, "/NewsSocket", &mojotest.DialOptions{Transport: transport})
			require.Empty(t, page.Unread())
			for i := range 100 {
				require.NoError(t, news.Emit("one", i))
				require.NoError(t, news.Emit("two", i))
				unread := page.Unread()
				require.Len(t, unread, 2)
				require.Equal(t, "one", unread[0].Event())
			}
		})
	}
}

// The packets by which the kit waits for the server appear neither in the
// server's log nor in its Stats.
func TestWaitingIsNotLoggedOrCounted(t *testing.T) {
	var log bytes.Buffer
	srv, err := mojo.New(mojo.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	_, err = srv.Register("Chat", chat().Handler())
	require.NoError(t, err)
	site := mojotest.NewServer(t, srv, nil)
	page := site.Dial(t, "/ChatSocket", nil)
	page.ExpectNothing()
	require.Zero(t, srv.Stats().RefusedConnects)
	site.Close()
	require.Empty(t, log.String())
}
