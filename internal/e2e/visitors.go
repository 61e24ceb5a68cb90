package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Visitors is a site with the apps Chat and News, and with connected clients.
// ann has two tabs with the session s1, tab1 and tab2, and a phone with s2. bob
// has s3, guest has the session s4 and no login, and anonymous has neither. All
// are on Chat, and tab1 and bob also on News. The clients with s1 are in the
// room "first" of each app.
type Visitors struct {
	Srv        *mojo.Server
	Site       *siotest.Site
	Chat, News *mojo.Channel
	App        *App                       // the handler of both apps
	Clients    map[string]*siotest.Client // by name: tab1, tab2, phone, bob, guest, anonymous
	Sockets    map[string]*siotest.Socket // by name; on News, by tab1/news and bob/news
}

// NewVisitors serves the site and connects its visitors.
func NewVisitors(t testing.TB, n siotest.Network, transport string) *Visitors {
	t.Helper()
	v := &Visitors{App: NewApp(), Sockets: make(map[string]*siotest.Socket), Clients: make(map[string]*siotest.Client)}
	v.App.Connect = func(c *mojo.Conn) error {
		if c.SessionID() == "s1" {
			return c.Join("first")
		}
		return nil
	}
	v.Srv, v.Chat = ChatServer(t, v.App)
	v.News = Register(t, v.Srv, "News", v.App)
	v.Site = siotest.Serve(t, n, v.Srv)
	for _, visitor := range []struct {
		name, session, user string
		news                bool
	}{
		{"tab1", "s1", "ann", true},
		{"tab2", "s1", "ann", false},
		{"phone", "s2", "ann", false},
		{"bob", "s3", "bob", true},
		{"guest", "s4", "", false},
		{"anonymous", "", "", false},
	} {
		var cookies []string
		if visitor.session != "" {
			cookies = append(cookies, SessionCookie(visitor.session))
		}
		if visitor.user != "" {
			cookies = append(cookies, LoginCookie(visitor.user))
		}
		client := Dial(t, v.Site, transport, cookies...)
		v.Clients[visitor.name] = client
		v.Sockets[visitor.name] = client.Connect(ChatNamespace, nil)
		if visitor.news {
			v.Sockets[visitor.name+"/news"] = client.Connect("/NewsSocket", nil)
		}
	}
	return v
}

// Drain empties App.Accepted.
func (v *Visitors) Drain() {
	for len(v.App.Accepted) > 0 {
		<-v.App.Accepted
	}
}

// Conn returns a visitor's Conn on Chat.
func (v *Visitors) Conn(t testing.TB, name string) *mojo.Conn {
	t.Helper()
	c, found := v.Chat.Conn(v.Sockets[name].SID())
	require.True(t, found)
	return c
}
