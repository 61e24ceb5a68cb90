package delivery

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Each method that addresses connections reaches exactly these connections,
// each once.
func TestEmitReachesItsAddresseesOnce(t *testing.T) {
	everyone := []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news", "guest", "anonymous"}
	chat := []string{"tab1", "tab2", "phone", "bob", "guest", "anonymous"}
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		w := e2e.NewVisitors(t, n, transport)
		for i, test := range []struct {
			what string
			emit func(event string, args ...any) error
			want []string
		}{
			{"Conn", w.Conn(t, "tab2").Emit, []string{"tab2"}},
			{"Conn, volatile", w.Conn(t, "bob").Volatile().Emit, []string{"bob"}},
			{"Channel", w.Chat.Emit, chat},
			{"Channel, other", w.News.Emit, []string{"tab1/news", "bob/news"}},
			{"Channel, volatile", w.Chat.Volatile().Emit, chat},
			{"room", w.Chat.To("first").Emit, []string{"tab1", "tab2"}},
			{"two rooms, one of them empty, and one twice", w.Chat.To("first", "none").To("first").Emit, []string{"tab1", "tab2"}},
			{"room, of the other app", w.News.To("first").Emit, []string{"tab1/news"}},
			{"no room", w.Chat.To().Emit, nil},
			{"empty room", w.Chat.To("none").Emit, nil},
			{"room with the name of a session", w.Chat.To("s1", "ann", "").Emit, nil},
			{"except", w.Chat.Except("first").Emit, []string{"phone", "bob", "guest", "anonymous"}},
			{"except nothing", w.Chat.Except().Emit, chat},
			{"to and except the same room", w.Chat.To("first").Except("first").Emit, nil},
			{"without", w.Chat.Except().Without(w.Conn(t, "tab1"), w.Conn(t, "bob")).Emit, []string{"tab2", "phone", "guest", "anonymous"}},
			{"to without", w.Chat.To("first").Without(w.Conn(t, "tab1")).Emit, []string{"tab2"}},
			{"sessions", w.Srv.CurrentSessions().Emit, []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news", "guest"}},
			{"sessions of an app", w.Chat.CurrentSessions().Emit, []string{"tab1", "tab2", "phone", "bob", "guest"}},
			{"users", w.Srv.LoggedInSessions().Emit, []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news"}},
			{"users of an app", w.News.LoggedInSessions().Emit, []string{"tab1/news", "bob/news"}},
			{"session", w.Srv.CurrentSessions().Get("s1").Emit, []string{"tab1", "tab1/news", "tab2"}},
			{"session in an app", w.News.CurrentSessions().Get("s1").Emit, []string{"tab1/news"}},
			{"user", w.Srv.LoggedInSessions().Get("ann").Emit, []string{"tab1", "tab1/news", "tab2", "phone"}},
			{"user in an app", w.Chat.LoggedInSessions().Get("ann").Emit, []string{"tab1", "tab2", "phone"}},
			{"session that is offline", w.Srv.CurrentSessions().Get("gone").Emit, nil},
			{"session without an id", w.Srv.CurrentSessions().Get("").Emit, nil},
			{"user without an id", w.Srv.LoggedInSessions().Get("").Emit, nil},
			{"several users", w.Srv.LoggedInSessions().Of("ann", "bob", "ann", "gone").Emit, []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news"}},
			{"several sessions in an app", w.Chat.CurrentSessions().Of("s2", "s3").Emit, []string{"phone", "bob"}},
			{"no users", w.Srv.LoggedInSessions().Of().Emit, nil},
			{"users and a room", w.Chat.LoggedInSessions().Of("bob").To("first").Emit, []string{"tab1", "tab2", "bob"}},
			{"users in a room", w.Chat.LoggedInSessions().To("first").Emit, []string{"tab1", "tab2"}},
			{"users outside of a room", w.Chat.LoggedInSessions().Except("first").Emit, []string{"phone", "bob"}},
			{"sessions without a tab", w.Chat.CurrentSessions().Without(w.Conn(t, "tab1"), nil).Emit, []string{"tab2", "phone", "bob", "guest"}},
			{"users, latest", w.Srv.LoggedInSessions().Latest("k").Emit, []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news"}},
			{"users, volatile, local", w.News.LoggedInSessions().Volatile().Local().Emit, []string{"tab1/news", "bob/news"}},
			{"other tabs of a user", w.Srv.LoggedInSessions().Get("ann").Without(w.Conn(t, "tab1")).Emit, []string{"tab1/news", "tab2", "phone"}},
			{"user outside of a room", w.Chat.LoggedInSessions().Get("ann").Except("first").Emit, []string{"phone"}},
			{"user, volatile", w.Chat.LoggedInSessions().Get("bob").Volatile().Emit, []string{"bob"}},
			{"session, local", w.Chat.CurrentSessions().Get("s4").Local().Emit, []string{"guest"}},
			{"Channel without a tab", w.Chat.Without(w.Conn(t, "tab1")).Emit, []string{"tab2", "phone", "bob", "guest", "anonymous"}},
			{"Channel, local", w.News.Local().Emit, []string{"tab1/news", "bob/news"}},
			{"Channel, latest", w.News.Latest("k").Emit, []string{"tab1/news", "bob/news"}},
			{"Conn, latest", w.Conn(t, "guest").Latest("k").Emit, []string{"guest"}},
			{"others", w.Conn(t, "tab1").Broadcast().Emit, []string{"tab2", "phone", "bob", "guest", "anonymous"}},
			{"others in a room", w.Conn(t, "tab1").To("first").Emit, []string{"tab2"}},
			{"others outside of a room", w.Conn(t, "bob").Except("first").Emit, []string{"phone", "guest", "anonymous"}},
			{"others in a room, volatile first", w.Conn(t, "tab1").Volatile().To("first").Emit, []string{"tab2"}},
			{"others outside of a room, latest first", w.Conn(t, "bob").Latest("k").Except("first").Emit, []string{"phone", "guest", "anonymous"}},
			{"others without a tab", w.Conn(t, "tab1").Volatile().Without(w.Conn(t, "bob")).Emit, []string{"tab2", "phone", "guest", "anonymous"}},
		} {
			require.NoError(t, test.emit("event", i, test.what))

			for _, name := range test.want {
				w.Sockets[name].Expect("event", i, test.what)
			}
			for _, client := range w.Clients {
				client.Barrier()
			}
			for _, name := range everyone {
				require.Zero(t, w.Sockets[name].Unread(), "%s reached %s", test.what, name)
			}
		}
	})
}

// The views follow the connections as they close one after the other. A session
// with two tabs stays until both have closed, in either order.
func TestViewsFollowConnections(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		w := e2e.NewVisitors(t, n, transport)
		sessions, users := w.Srv.CurrentSessions(), w.Srv.LoggedInSessions()
		require.ElementsMatch(t, []string{"s1", "s2", "s3", "s4"}, e2e.SessionIDs(sessions))
		require.ElementsMatch(t, []string{"ann", "bob"}, e2e.SessionIDs(users))
		require.ElementsMatch(t, []string{"s1", "s3"}, e2e.SessionIDs(w.News.CurrentSessions()))
		require.Equal(t, []int{4, 2, 6, 2}, []int{sessions.Len(), users.Len(), w.Chat.Len(), w.News.Len()})
		require.Equal(t, []int{3, 4, 2}, []int{sessions.Get("s1").Len(), users.Get("ann").Len(), w.Chat.CurrentSessions().Get("s1").Len()})
		require.Len(t, slices.Collect(users.Get("ann").Conns()), 4)
		require.False(t, sessions.Has("") || users.Has(""))

		w.Clients["tab1"].Close() // the older tab
		e2e.Await(t, w.App.Ended)
		e2e.Await(t, w.App.Ended)
		require.True(t, sessions.Has("s1"))
		require.Equal(t, 1, sessions.Get("s1").Len())
		require.NoError(t, sessions.Get("s1").Emit("still"))
		w.Sockets["tab2"].Expect("still")
		require.Equal(t, []string{"s3"}, e2e.SessionIDs(w.News.CurrentSessions()))

		w.Clients["tab2"].Close()
		e2e.Await(t, w.App.Ended)
		require.False(t, sessions.Has("s1"))
		require.True(t, users.Has("ann"), "the phone is still connected")
		w.Clients["phone"].Close()
		e2e.Await(t, w.App.Ended)
		require.False(t, users.Has("ann"))

		for _, name := range []string{"bob", "guest", "anonymous"} {
			w.Clients[name].Close()
		}
		for range 4 {
			e2e.Await(t, w.App.Ended)
		}
		e2e.RequireEmptyViews(t, w.Srv, w.Chat, w.News)
	})
}

// A session with 32 tabs stays in the views until the last tab has closed. Each
// tab receives every message to the session.
func TestThirtyTwoTabs(t *testing.T) {
	h := e2e.NewApp()
	srv, ch := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.TCP, srv)
	tabs := make(map[*siotest.Client]*siotest.Socket)
	for i := range 32 {
		client := e2e.Dial(t, site, e2e.Transports[i%len(e2e.Transports)], e2e.SessionCookie("s"))
		tabs[client] = client.Connect(e2e.ChatNamespace, nil)
	}
	session := srv.CurrentSessions().Get("s")
	for client := range tabs {
		require.Equal(t, len(tabs), session.Len())
		require.NoError(t, session.Emit("to all", len(tabs)))
		for _, socket := range tabs {
			socket.Expect("to all", len(tabs))
		}
		client.Close()
		e2e.Await(t, h.Ended)
		delete(tabs, client)
		require.Equal(t, len(tabs) > 0, srv.CurrentSessions().Has("s"))
	}
	e2e.RequireEmptyViews(t, srv, ch)
}

// A connection with invalid cookies has no identity, and no view uses their
// text as an id.
func TestInvalidCookiesGiveNoIdentity(t *testing.T) {
	for name, test := range map[string]struct {
		cookies       []string
		session, user string
	}{
		"none":                       {nil, "", ""},
		"forged":                     {[]string{"session_id=None", "logged_in=admin"}, "", ""},
		"signed with an unknown key": {[]string{e2e.SignSession(e2e.UnknownKey, `"s"`, 0), e2e.SignLogin(e2e.UnknownKey, `"u"`, 0)}, "", ""},
		"expired":                    {[]string{e2e.SignSession(e2e.Key, `"s"`, e2e.MaxAge+time.Second), e2e.SignLogin(e2e.Key, `"u"`, e2e.MaxAge+time.Second)}, "", ""},
		"session and login swapped":  {[]string{"session_id=" + e2e.LoginCookie("u")[len("logged_in="):], "logged_in=" + e2e.SessionCookie("s")[len("session_id="):]}, "", ""},
		"login of another session":   {[]string{e2e.SessionCookie("s"), e2e.SignLogin(e2e.Key, `["u","other"]`, 0)}, "s", ""},
		"login of a session, alone":  {[]string{e2e.SignLogin(e2e.Key, `["u","s"]`, 0)}, "", ""},
		"two sessions":               {[]string{e2e.SessionCookie("s"), e2e.SignSession(e2e.Key, `"z"`, time.Second)}, "s", ""},
		"forged login":               {[]string{e2e.SessionCookie("s"), "logged_in=x"}, "s", ""},
		"login without a session":    {[]string{e2e.LoginCookie("u")}, "", "u"},
		"session and its login":      {[]string{e2e.SessionCookie("s"), e2e.SignLogin(e2e.Key, `["u","s"]`, 0)}, "s", "u"},
		"older key":                  {[]string{e2e.SignSession(e2e.OldKey, `"s"`, 0)}, "s", ""},
		"session and unbound login":  {[]string{e2e.SessionCookie("s"), e2e.LoginCookie("u")}, "s", "u"},
	} {
		t.Run(name, func(t *testing.T) {
			h := e2e.NewApp()
			srv, ch := e2e.ChatServer(t, h)
			site := siotest.Serve(t, siotest.Memory, srv)
			for _, transport := range e2e.Transports {
				e2e.Dial(t, site, transport, test.cookies...).Connect(e2e.ChatNamespace, nil)
				conn := e2e.Await(t, h.Accepted)

				require.Equal(t, test.session, conn.SessionID())
				require.Equal(t, test.user, conn.UserID())
				require.Equal(t, test.session, conn.Identity().SessionID)
				require.Equal(t, test.user, conn.Identity().UserID)
				require.Equal(t, test.session+test.user == "", conn.Identity().Expires.IsZero())
			}
			require.Equal(t, idsOf(test.session), e2e.SessionIDs(srv.CurrentSessions()))
			require.Equal(t, idsOf(test.user), e2e.SessionIDs(ch.LoggedInSessions()))
			require.Equal(t, len(e2e.Transports), ch.Len())
		})
	}
}

// idsOf returns a list with the id, or an empty list if the id is empty.
func idsOf(id string) []string {
	if id == "" {
		return []string{}
	}
	return []string{id}
}

// The body of a loop over a view may emit, join and disconnect, and may wait
// for goroutines that do so.
func TestIteratorsHoldNoLock(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	for session := range w.Srv.CurrentSessions().All() {
		for conn := range session.Conns() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = session.Emit("x")
				_ = conn.Join("new")
				_ = conn.Disconnect()
			}()
			e2e.AwaitClosed(t, done)
		}
	}
	for conn := range w.Chat.Conns() {
		_ = conn.Disconnect()
	}
	for range w.Sockets {
		e2e.Await(t, w.App.Ended)
	}
	e2e.RequireEmptyViews(t, w.Srv, w.Chat, w.News)
	for range w.Chat.To("new").Conns() {
		require.Fail(t, "a member that left is in the room")
	}
}

// An iterator stops when the loop breaks.
func TestIteratorsStop(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	n := 0
	for range w.Srv.CurrentSessions().All() {
		n++
		break
	}
	for range w.Chat.Conns() {
		n++
		break
	}
	require.Equal(t, 2, n)
}
