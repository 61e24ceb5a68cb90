package mojo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// town is two apps and four pages: two tabs of one session, another session of the same user, and somebody else.
// All are on Chat, the first tab and the stranger on News too.
type town struct {
	srv        *Server
	site       *siotest.Site
	chat, news *Channel
	app        *app
	sockets    map[string]*siotest.Socket
	clients    map[string]*siotest.Client
}

func newTown(t testing.TB, n siotest.Network, transport string) *town {
	t.Helper()
	w := &town{app: newApp(), sockets: make(map[string]*siotest.Socket), clients: make(map[string]*siotest.Client)}
	w.app.connect = func(c *Conn) error {
		if c.SessionID() == "s1" {
			return c.Join("first")
		}
		return nil
	}
	w.srv, w.chat = chatServer(t, w.app)
	w.news = register(t, w.srv, "News", w.app)
	w.site = siotest.Serve(t, n, w.srv)
	for _, page := range []struct {
		name, session, user string
		news                bool
	}{
		{"tab1", "s1", "ann", true},
		{"tab2", "s1", "ann", false},
		{"phone", "s2", "ann", false},
		{"bob", "s3", "bob", true},
		{"guest", "s4", "", false},
		{"nobody", "", "", false},
	} {
		var cookies []string
		if page.session != "" {
			cookies = append(cookies, inSession(page.session))
		}
		if page.user != "" {
			cookies = append(cookies, asUser(page.user))
		}
		client := dial(t, w.site, transport, cookies...)
		w.clients[page.name] = client
		w.sockets[page.name] = client.Connect(chatNamespace, nil)
		if page.news {
			w.sockets[page.name+"/news"] = client.Connect("/NewsSocket", nil)
		}
	}
	return w
}

// drain forgets which connections were accepted.
func (w *town) drain() {
	for len(w.app.accepted) > 0 {
		<-w.app.accepted
	}
}

// conn is the Conn of a page.
func (w *town) conn(t testing.TB, name string) *Conn {
	t.Helper()
	c, found := w.chat.Conn(w.sockets[name].SID())
	require.True(t, found)
	return c
}

// TestEmitsArriveOnceWhereTheyShould: every way to address people.
func TestEmitsArriveOnceWhereTheyShould(t *testing.T) {
	everyone := []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news", "guest", "nobody"}
	chat := []string{"tab1", "tab2", "phone", "bob", "guest", "nobody"}
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		w := newTown(t, n, transport)
		for i, test := range []struct {
			what string
			emit func(event string, args ...any) error
			want []string
		}{
			{"Conn", w.conn(t, "tab2").Emit, []string{"tab2"}},
			{"Conn, volatile", w.conn(t, "bob").EmitVolatile, []string{"bob"}},
			{"Channel", w.chat.Emit, chat},
			{"Channel, other", w.news.Emit, []string{"tab1/news", "bob/news"}},
			{"Channel, volatile", w.chat.Volatile().Emit, chat},
			{"room", w.chat.To("first").Emit, []string{"tab1", "tab2"}},
			{"two rooms, one of them empty, and one twice", w.chat.To("first", "none").To("first").Emit, []string{"tab1", "tab2"}},
			{"room, of the other app", w.news.To("first").Emit, []string{"tab1/news"}},
			{"no room", w.chat.To().Emit, nil},
			{"empty room", w.chat.To("none").Emit, nil},
			{"room named as a session", w.chat.To("s1", "ann", "").Emit, nil},
			{"except", w.chat.Except("first").Emit, []string{"phone", "bob", "guest", "nobody"}},
			{"except nothing", w.chat.Except().Emit, chat},
			{"to and except", w.chat.To("first").Except("first").Emit, nil},
			{"without", w.chat.Except().Without(w.conn(t, "tab1"), w.conn(t, "bob")).Emit, []string{"tab2", "phone", "guest", "nobody"}},
			{"to without", w.chat.To("first").Without(w.conn(t, "tab1")).Emit, []string{"tab2"}},
			{"sessions", w.srv.CurrentSessions().Emit, []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news", "guest"}},
			{"sessions of an app", w.chat.CurrentSessions().Emit, []string{"tab1", "tab2", "phone", "bob", "guest"}},
			{"users", w.srv.LoggedInSessions().Emit, []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news"}},
			{"users of an app", w.news.LoggedInSessions().Emit, []string{"tab1/news", "bob/news"}},
			{"session", w.srv.CurrentSessions().Get("s1").Emit, []string{"tab1", "tab1/news", "tab2"}},
			{"session in an app", w.news.CurrentSessions().Get("s1").Emit, []string{"tab1/news"}},
			{"user", w.srv.LoggedInSessions().Get("ann").Emit, []string{"tab1", "tab1/news", "tab2", "phone"}},
			{"user in an app", w.chat.LoggedInSessions().Get("ann").Emit, []string{"tab1", "tab2", "phone"}},
			{"session that is away", w.srv.CurrentSessions().Get("gone").Emit, nil},
			{"session without an id", w.srv.CurrentSessions().Get("").Emit, nil},
			{"user without an id", w.srv.LoggedInSessions().Get("").Emit, nil},
			{"zero Session", Session{}.Emit, nil},
		} {
			require.NoError(t, test.emit("event", i, test.what))

			for _, name := range test.want {
				w.sockets[name].Expect("event", i, test.what)
			}
			for _, client := range w.clients {
				client.Barrier()
			}
			for _, name := range everyone {
				require.Zero(t, w.sockets[name].Waiting(), "%s reached %s", test.what, name)
			}
		}
	})
}

// TestWhoIsConnected: the views, while the pages close one after the other. The session of two tabs stays until the
// second has gone, whichever that is.
func TestWhoIsConnected(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		w := newTown(t, n, transport)
		sessions, users := w.srv.CurrentSessions(), w.srv.LoggedInSessions()
		require.ElementsMatch(t, []string{"s1", "s2", "s3", "s4"}, ids(sessions))
		require.ElementsMatch(t, []string{"ann", "bob"}, ids(users))
		require.ElementsMatch(t, []string{"s1", "s3"}, ids(w.news.CurrentSessions()))
		require.Equal(t, []int{4, 2, 6, 2}, []int{sessions.Len(), users.Len(), w.chat.Len(), w.news.Len()})
		require.Equal(t, []int{3, 4, 2}, []int{sessions.Get("s1").Len(), users.Get("ann").Len(), w.chat.CurrentSessions().Get("s1").Len()})
		require.Len(t, collect(users.Get("ann").Conns()), 4)
		require.False(t, sessions.Has("") || users.Has(""))

		w.clients["tab1"].Close() // the older one
		await(t, w.app.ended)
		await(t, w.app.ended)
		require.True(t, sessions.Has("s1"))
		require.Equal(t, 1, sessions.Get("s1").Len())
		require.NoError(t, sessions.Get("s1").Emit("still"))
		w.sockets["tab2"].Expect("still")
		require.Equal(t, []string{"s3"}, ids(w.news.CurrentSessions()))

		w.clients["tab2"].Close()
		await(t, w.app.ended)
		require.False(t, sessions.Has("s1"))
		require.True(t, users.Has("ann"), "the phone is there")
		w.clients["phone"].Close()
		await(t, w.app.ended)
		require.False(t, users.Has("ann"))

		for _, name := range []string{"bob", "guest", "nobody"} {
			w.clients[name].Close()
		}
		for range 4 {
			await(t, w.app.ended)
		}
		requireEmpty(t, w.srv, w.chat, w.news)
	})
}

// TestThirtyTwoTabs of one session, closed in any order: each got every message, and the session is there until the
// last has gone.
func TestThirtyTwoTabs(t *testing.T) {
	h := newApp()
	srv, ch := chatServer(t, h)
	site := siotest.Serve(t, siotest.TCP, srv)
	tabs := make(map[*siotest.Client]*siotest.Socket)
	for i := range 32 {
		client := dial(t, site, transports[i%len(transports)], inSession("s"))
		tabs[client] = client.Connect(chatNamespace, nil)
	}
	session := srv.CurrentSessions().Get("s")
	for client := range tabs {
		require.Equal(t, len(tabs), session.Len())
		require.NoError(t, session.Emit("to all", len(tabs)))
		for _, socket := range tabs {
			socket.Expect("to all", len(tabs))
		}
		client.Close()
		await(t, h.ended)
		delete(tabs, client)
		require.Equal(t, len(tabs) > 0, srv.CurrentSessions().Has("s"))
	}
	requireEmpty(t, srv, ch)
}

// TestCookiesThatDoNotCount make nobody, and never a key.
func TestCookiesThatDoNotCount(t *testing.T) {
	for name, test := range map[string]struct {
		cookies       []string
		session, user string
	}{
		"none":                         {nil, "", ""},
		"forged":                       {[]string{"session_id=None", "logged_in=admin"}, "", ""},
		"of another key":               {[]string{sessionCookie(cookieForeign, `"s"`, 0), loginCookie(cookieForeign, `"u"`, 0)}, "", ""},
		"expired":                      {[]string{sessionCookie(cookieTestKey, `"s"`, cookieTestMaxAge+time.Second), loginCookie(cookieTestKey, `"u"`, cookieTestMaxAge+time.Second)}, "", ""},
		"swapped":                      {[]string{"session_id=" + asUser("u")[len("logged_in="):], "logged_in=" + inSession("s")[len("session_id="):]}, "", ""},
		"login of another session":     {[]string{inSession("s"), loginCookie(cookieTestKey, `["u","other"]`, 0)}, "s", ""},
		"login of a session, alone":    {[]string{loginCookie(cookieTestKey, `["u","s"]`, 0)}, "", ""},
		"two sessions":                 {[]string{inSession("s"), sessionCookie(cookieTestKey, `"z"`, time.Second)}, "s", ""},
		"forged login":                 {[]string{inSession("s"), "logged_in=x"}, "s", ""},
		"login without a session":      {[]string{asUser("u")}, "", "u"},
		"session and its login":        {[]string{inSession("s"), loginCookie(cookieTestKey, `["u","s"]`, 0)}, "s", "u"},
		"older key":                    {[]string{sessionCookie(cookieOldKey, `"s"`, 0)}, "s", ""},
		"session and a login by hands": {[]string{inSession("s"), asUser("u")}, "s", "u"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newApp()
			srv, ch := chatServer(t, h)
			site := siotest.Serve(t, siotest.Memory, srv)
			for _, transport := range transports {
				dial(t, site, transport, test.cookies...).Connect(chatNamespace, nil)
				conn := await(t, h.accepted)

				require.Equal(t, test.session, conn.SessionID())
				require.Equal(t, test.user, conn.UserID())
				require.Equal(t, test.session, conn.Identity().SessionID)
				require.Equal(t, test.user, conn.Identity().UserID)
				require.Equal(t, test.session+test.user == "", conn.Identity().Expires.IsZero())
			}
			require.Equal(t, idsOf(test.session), ids(srv.CurrentSessions()))
			require.Equal(t, idsOf(test.user), ids(ch.LoggedInSessions()))
			require.Equal(t, len(transports), ch.Len())
		})
	}
}

// idsOf is the list of an id, none if that is empty.
func idsOf(id string) []string {
	if id == "" {
		return []string{}
	}
	return []string{id}
}

// TestIteratorsHoldNoLock: a loop's body may emit, join, disconnect, and wait for others who do.
func TestIteratorsHoldNoLock(t *testing.T) {
	w := newTown(t, siotest.Memory, "websocket")
	for session := range w.srv.CurrentSessions().All() {
		for conn := range session.Conns() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = session.Emit("x")
				_ = conn.Join("new")
				_ = conn.Disconnect()
			}()
			awaitClosed(t, done)
		}
	}
	for conn := range w.chat.Conns() {
		_ = conn.Disconnect()
	}
	for range w.sockets {
		await(t, w.app.ended)
	}
	requireEmpty(t, w.srv, w.chat, w.news)
	for range w.chat.To("new").Conns() {
		require.Fail(t, "a room has somebody who left")
	}
}

// TestIteratorsStop where the loop does.
func TestIteratorsStop(t *testing.T) {
	w := newTown(t, siotest.Memory, "websocket")
	n := 0
	for range w.srv.CurrentSessions().All() {
		n++
		break
	}
	for range w.chat.Conns() {
		n++
		break
	}
	require.Equal(t, 2, n)
}
