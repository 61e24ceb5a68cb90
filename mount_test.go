package mojo

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

func TestRegisterRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		app  string
		h    SocketHandler
		want string
	}{
		"no name":         {"", newApp(), "mojo: Register: the app's name is empty"},
		"no handler":      {"Chat", nil, `mojo: the handler of namespace "/ChatSocket" is nil`},
		"no events":       {"Chat", (*Events)(nil), `mojo: the handler of namespace "/ChatSocket" is nil`},
		"taken":           {"Taken", newApp(), `mojo: namespace "/TakenSocket" is taken`},
		"comma":           {"a,b", newApp(), `mojo: namespace "/a,bSocket" has a character that cannot stand in one; spaces, control characters and , ? # @ cannot`},
		"question mark":   {"a?b", newApp(), `mojo: namespace "/a?bSocket" has a character that cannot stand in one; spaces, control characters and , ? # @ cannot`},
		"number sign":     {"a#b", newApp(), `mojo: namespace "/a#bSocket" has a character that cannot stand in one; spaces, control characters and , ? # @ cannot`},
		"at sign":         {"a@b", newApp(), `mojo: namespace "/a@bSocket" has a character that cannot stand in one; spaces, control characters and , ? # @ cannot`},
		"space":           {"a b", newApp(), `mojo: namespace "/a bSocket" has a character that cannot stand in one; spaces, control characters and , ? # @ cannot`},
		"control":         {"a\x00", newApp(), `mojo: namespace "/a\x00Socket" has a character that cannot stand in one; spaces, control characters and , ? # @ cannot`},
		"not UTF-8":       {"\xff", newApp(), `mojo: namespace "/\xffSocket" has a character that cannot stand in one; spaces, control characters and , ? # @ cannot`},
		"slash before it": {"/Chat", newApp(), `mojo: namespace "//ChatSocket" begins with two slashes; want one`},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newTestServer(t, Options{})
			register(t, srv, "Taken", newApp())

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
			srv := newTestServer(t, Options{})
			register(t, srv, "Taken", newApp())

			_, err := srv.Handle(test.namespace, newApp())

			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
		})
	}
}

// TestFailedRegisterChangesNothing: the Events can still be set up, and be registered elsewhere.
func TestFailedRegisterChangesNothing(t *testing.T) {
	srv := newTestServer(t, Options{})
	register(t, srv, "Taken", newApp())
	var ev Events
	_, err := srv.Register("Taken", &ev)
	require.Error(t, err)

	On(&ev, "late", func(*Conn, any) error { return nil })
	register(t, srv, "Free", &ev)
}

func TestRegisterAfterShutdown(t *testing.T) {
	srv := newTestServer(t, Options{})
	shutdown(t, srv)

	_, err := srv.Register("Chat", newApp())

	require.ErrorIs(t, err, ErrServerClosed)
}

func TestChannelNamesItself(t *testing.T) {
	srv := newTestServer(t, Options{})
	chat := register(t, srv, "Chat", newApp())
	root, err := srv.Handle("/", newApp())
	require.NoError(t, err)

	require.Equal(t, "Chat", chat.App())
	require.Equal(t, "/ChatSocket", chat.Namespace())
	require.Equal(t, "", root.App())
	require.Equal(t, "/", root.Namespace())
	found, ok := srv.Channel("Chat")
	require.True(t, ok)
	require.Same(t, chat, found)
	_, ok = srv.Channel("")
	require.False(t, ok, "what Handle mounts is no app")
}

// TestAppsShareAConnection: one connection, the root among its namespaces, and an event stays in its own.
func TestAppsShareAConnection(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv := newTestServer(t, Options{})
		chat, _ := srv.Register("Chat", newApp())
		news, _ := srv.Register("Nachrichten-ü", newApp())
		root, _ := srv.Handle("/", newApp())
		client := dial(t, siotest.Serve(t, n, srv), transport)
		a, b, c := client.Connect("/ChatSocket", nil), client.Connect("/Nachrichten-üSocket", nil), client.Connect("/", nil)

		require.NoError(t, chat.Emit("to", "chat"))
		require.NoError(t, news.Emit("to", "news"))
		require.NoError(t, root.Emit("to", "root"))

		a.Expect("to", "chat")
		b.Expect("to", "news")
		c.Expect("to", "root")
		client.Barrier()
		require.Zero(t, a.Waiting()+b.Waiting()+c.Waiting())
	})
}

// TestAppsComeLater: an app that was registered while clients are connected can be reached by them.
func TestAppsComeLater(t *testing.T) {
	srv := newTestServer(t, Options{})
	client := dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	_, refused := client.TryConnect(chatNamespace, nil)
	require.Equal(t, "Invalid namespace", refused.Message)

	register(t, srv, "Chat", newApp())

	client.Connect(chatNamespace, nil)
}
