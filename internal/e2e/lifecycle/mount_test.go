package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

func TestRegisterRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		app  string
		h    mojo.SocketHandler
		want string
	}{
		"no name":         {"", e2e.NewApp(), "mojo: Register: the app's name is empty"},
		"no handler":      {"Chat", nil, `mojo: the handler of namespace "/ChatSocket" is nil`},
		"no events":       {"Chat", (*mojo.Events)(nil).Handler(), `mojo: the handler of namespace "/ChatSocket" is nil`},
		"taken":           {"Taken", e2e.NewApp(), `mojo: namespace "/TakenSocket" is taken`},
		"comma":           {"a,b", e2e.NewApp(), `mojo: namespace "/a,bSocket" has a character that is not allowed; want none of spaces, control characters and , ? # @`},
		"question mark":   {"a?b", e2e.NewApp(), `mojo: namespace "/a?bSocket" has a character that is not allowed; want none of spaces, control characters and , ? # @`},
		"number sign":     {"a#b", e2e.NewApp(), `mojo: namespace "/a#bSocket" has a character that is not allowed; want none of spaces, control characters and , ? # @`},
		"at sign":         {"a@b", e2e.NewApp(), `mojo: namespace "/a@bSocket" has a character that is not allowed; want none of spaces, control characters and , ? # @`},
		"space":           {"a b", e2e.NewApp(), `mojo: namespace "/a bSocket" has a character that is not allowed; want none of spaces, control characters and , ? # @`},
		"control":         {"a\x00", e2e.NewApp(), `mojo: namespace "/a\x00Socket" has a character that is not allowed; want none of spaces, control characters and , ? # @`},
		"not UTF-8":       {"\xff", e2e.NewApp(), `mojo: namespace "/\xffSocket" has a character that is not allowed; want none of spaces, control characters and , ? # @`},
		"slash before it": {"/Chat", e2e.NewApp(), `mojo: Register: the app's name "/Chat" begins with a slash; want a name, or Server.Handle for a namespace`},
	} {
		t.Run(name, func(t *testing.T) {
			srv := e2e.NewServer(t, mojo.Options{})
			e2e.Register(t, srv, "Taken", e2e.NewApp())

			ch, err := srv.Register(test.app, test.h)

			require.EqualError(t, err, test.want)
			require.Nil(t, ch)
		})
	}
}

func TestHandleRefuses(t *testing.T) {
	for name, test := range map[string]struct{ namespace, want string }{
		"empty":                  {"", `mojo: namespace "" does not begin with a slash`},
		"no slash":               {"chat", `mojo: namespace "chat" does not begin with a slash`},
		"two slashes":            {"//chat", `mojo: namespace "//chat" begins with two slashes; want one`},
		"taken by an app":        {"/TakenSocket", `mojo: namespace "/TakenSocket" is taken`},
		"taken, in another case": {"/takenSocket", ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := e2e.NewServer(t, mojo.Options{})
			e2e.Register(t, srv, "Taken", e2e.NewApp())

			_, err := srv.Handle(test.namespace, e2e.NewApp())

			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
		})
	}
}

// After a failed Register the handler can be registered under another name.
func TestFailedRegisterChangesNothing(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{})
	e2e.Register(t, srv, "Taken", e2e.NewApp())
	h := new(mojo.Events).Handler()
	_, err := srv.Register("Taken", h)
	require.Error(t, err)

	e2e.Register(t, srv, "Free", h)
	require.Len(t, srv.Channels(), 2)
}

func TestRegisterAfterShutdown(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{})
	e2e.Shutdown(t, srv)

	_, err := srv.Register("Chat", e2e.NewApp())

	require.ErrorIs(t, err, mojo.ErrServerClosed)
}

func TestChannelNamesItself(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{})
	chat := e2e.Register(t, srv, "Chat", e2e.NewApp())
	root, err := srv.Handle("/", e2e.NewApp())
	require.NoError(t, err)

	require.Equal(t, "Chat", chat.App())
	require.Equal(t, "/ChatSocket", chat.Namespace())
	require.Equal(t, "", root.App())
	require.Equal(t, "/", root.Namespace())
	found, ok := srv.Channel("Chat")
	require.True(t, ok)
	require.Same(t, chat, found)
	_, ok = srv.Channel("")
	require.False(t, ok, "a channel of Handle has no app")
	for namespace, ch := range map[string]*mojo.Channel{"/ChatSocket": chat, "/": root} {
		found, ok = srv.Channel(namespace)
		require.True(t, ok)
		require.Same(t, ch, found)
	}
	_, ok = srv.Channel("/Chat")
	require.False(t, ok)
}

// Channels returns the channels of Register and Handle in their order. The
// caller may change the slice.
func TestChannels(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{})
	require.Empty(t, srv.Channels())
	b := e2e.Register(t, srv, "B", e2e.NewApp())
	root, err := srv.Handle("/", e2e.NewApp())
	require.NoError(t, err)
	a := e2e.Register(t, srv, "A", e2e.NewApp())
	_, err = srv.Register("A", e2e.NewApp())
	require.Error(t, err)

	list := srv.Channels()

	require.Equal(t, []*mojo.Channel{b, root, a}, list)
	list[0] = nil
	require.Equal(t, []*mojo.Channel{b, root, a}, srv.Channels())
}

// Register refuses a handler with a method that has the name of an observer's
// method and another signature, because it would never be called.
func TestRegisterRefusesWrongObserverMethods(t *testing.T) {
	for name, test := range map[string]struct {
		h    mojo.SocketHandler
		want string
	}{
		"OnEmit": {
			&wrongEmits{e2e.NewApp()},
			"mojo: OnEmit of the handler *lifecycle.wrongEmits is a func(*mojo.Conn, string, ...interface {}) and would not be called; " +
				"want func(*mojo.Conn, string, []interface {})",
		},
		"OnIdentity": {
			wrongIdentity{e2e.NewApp()},
			"mojo: OnIdentity of the handler lifecycle.wrongIdentity is a func(*mojo.Conn, mojo.Identity, mojo.Identity) and would not be called; " +
				"want func(*mojo.Conn, mojo.Identity, mojo.Identity) error",
		},
		"OnPresence": {
			&wrongPresence{e2e.NewApp()},
			"mojo: OnPresence of the handler *lifecycle.wrongPresence is a func(mojo.Presence) and would not be called; " +
				"want func(*mojo.Channel, mojo.Presence)",
		},
		"pointer receiver": {
			pointerPresence{e2e.NewApp()},
			"mojo: OnPresence of the handler lifecycle.pointerPresence has a pointer receiver and would not be called; register a pointer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := e2e.NewServer(t, mojo.Options{})

			_, err := srv.Register("Chat", test.h)

			require.EqualError(t, err, test.want)
			require.Empty(t, srv.Channels())
		})
	}
	_, err := e2e.NewServer(t, mojo.Options{}).Register("Chat", &pointerPresence{e2e.NewApp()})
	require.NoError(t, err)
}

type (
	wrongEmits      struct{ *e2e.App }
	wrongIdentity   struct{ *e2e.App }
	wrongPresence   struct{ *e2e.App }
	pointerPresence struct{ *e2e.App }
)

func (*wrongEmits) OnEmit(*mojo.Conn, string, ...any)                     {}
func (wrongIdentity) OnIdentity(*mojo.Conn, mojo.Identity, mojo.Identity) {}
func (*wrongPresence) OnPresence(mojo.Presence)                           {}
func (*pointerPresence) OnPresence(*mojo.Channel, mojo.Presence)          {}

// Several apps, one of them on the main namespace, share one connection. Each
// event reaches only the socket of its namespace.
func TestAppsShareAConnection(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv := e2e.NewServer(t, mojo.Options{})
		chat, _ := srv.Register("Chat", e2e.NewApp())
		news, _ := srv.Register("Nachrichten-ü", e2e.NewApp())
		root, _ := srv.Handle("/", e2e.NewApp())
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport)
		a, b, c := client.Connect("/ChatSocket", nil), client.Connect("/Nachrichten-üSocket", nil), client.Connect("/", nil)

		require.NoError(t, chat.Emit("to", "chat"))
		require.NoError(t, news.Emit("to", "news"))
		require.NoError(t, root.Emit("to", "root"))

		a.Expect("to", "chat")
		b.Expect("to", "news")
		c.Expect("to", "root")
		client.Barrier()
		require.Zero(t, a.Unread()+b.Unread()+c.Unread())
	})
}

// A client that is connected can connect to an app that is registered later.
func TestRegisterWhileClientsAreConnected(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{})
	client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	_, refused := client.TryConnect(e2e.ChatNamespace, nil)
	require.Equal(t, "Invalid namespace", refused.Message)

	e2e.Register(t, srv, "Chat", e2e.NewApp())

	client.Connect(e2e.ChatNamespace, nil)
}
