package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Town is two apps and four pages: two tabs of one session, another session of the same user, and somebody else.
// All are on Chat, the first tab and the stranger on News too.
type Town struct {
	Srv        *mojo.Server
	Site       *siotest.Site
	Chat, News *mojo.Channel
	App        *App
	Sockets    map[string]*siotest.Socket
	Clients    map[string]*siotest.Client
}

func NewTown(t testing.TB, n siotest.Network, transport string) *Town {
	t.Helper()
	w := &Town{App: NewApp(), Sockets: make(map[string]*siotest.Socket), Clients: make(map[string]*siotest.Client)}
	w.App.Connect = func(c *mojo.Conn) error {
		if c.SessionID() == "s1" {
			return c.Join("first")
		}
		return nil
	}
	w.Srv, w.Chat = ChatServer(t, w.App)
	w.News = Register(t, w.Srv, "News", w.App)
	w.Site = siotest.Serve(t, n, w.Srv)
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
			cookies = append(cookies, SessionCookie(page.session))
		}
		if page.user != "" {
			cookies = append(cookies, LoginCookie(page.user))
		}
		client := Dial(t, w.Site, transport, cookies...)
		w.Clients[page.name] = client
		w.Sockets[page.name] = client.Connect(ChatNamespace, nil)
		if page.news {
			w.Sockets[page.name+"/news"] = client.Connect("/NewsSocket", nil)
		}
	}
	return w
}

// Drain forgets which connections were accepted.
func (w *Town) Drain() {
	for len(w.App.Accepted) > 0 {
		<-w.App.Accepted
	}
}

// Conn is the Conn of a page.
func (w *Town) Conn(t testing.TB, name string) *mojo.Conn {
	t.Helper()
	c, found := w.Chat.Conn(w.Sockets[name].SID())
	require.True(t, found)
	return c
}
