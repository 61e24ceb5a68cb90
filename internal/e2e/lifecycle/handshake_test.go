package lifecycle

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Handshake has the headers, cookies and query of the client's request, without
// mojo's cookies and without the headers of the WebSocket.
func TestHandshake(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		srv, _ := e2e.ChatServer(t, h)
		site := siotest.Serve(t, n, srv)
		header := e2e.CookieHeader("theme=dark", e2e.SessionCookie("s"), e2e.LoginCookie("u"), "lang=de")
		header["X-List"] = []string{"a", "b: c"}
		before := time.Now()
		client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: header, Query: url.Values{"token": {"a&b", "c"}}})
		client.Connect(e2e.ChatNamespace, map[string]any{"secret": "x"})
		conn := e2e.Await(t, h.Accepted)

		got := conn.Handshake()

		require.NotEmpty(t, got.RemoteAddr)
		require.Contains(t, got.RemoteAddr, ":")
		require.WithinRange(t, got.Time, before, time.Now())
		require.JSONEq(t, `{"secret":"x"}`, string(got.Auth))
		require.Equal(t, []string{"a&b", "c"}, got.Query()["token"])
		require.Equal(t, "4", got.Query().Get("EIO"))
		require.Equal(t, site.Host(), got.Header().Get("Host"))
		require.Equal(t, []string{"a", "b: c"}, got.Header()["X-List"])
		require.Equal(t, "theme=dark; lang=de", got.Header().Get("Cookie"))
		require.Len(t, got.Cookies(), 2)
		require.Equal(t, "dark", got.Cookies()[0].Value)
		for name := range got.Header() {
			require.NotContains(t, strings.ToLower(name), "websocket")
			require.NotContains(t, []string{"Connection", "Upgrade"}, name)
		}
		got.Header().Set("X-List", "changed")
		got.Auth[2] = 'X'
		require.Equal(t, []string{"a", "b: c"}, conn.Handshake().Header()["X-List"])
		require.JSONEq(t, `{"secret":"x"}`, string(conn.Handshake().Auth))
	})
}

// The handshakes of two apps of one connection differ in Auth alone.
func TestHandshakesOfOneConnection(t *testing.T) {
	h := e2e.NewApp()
	srv, _ := e2e.ChatServer(t, h)
	e2e.Register(t, srv, "News", h)
	client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	client.Connect(e2e.ChatNamespace, map[string]int{"chat": 1})
	client.Connect("/NewsSocket", nil)
	chat, news := e2e.Await(t, h.Accepted).Handshake(), e2e.Await(t, h.Accepted).Handshake()

	require.JSONEq(t, `{"chat":1}`, string(chat.Auth))
	require.Nil(t, news.Auth)
	chat.Auth = nil
	require.Equal(t, chat, news)
}

// A large Auth is available in OnConnect only, because otherwise it would use
// memory until the connection ends.
func TestLargeAuth(t *testing.T) {
	for size, kept := range map[int]bool{8 << 10: true, 8<<10 + 1: false} {
		h := e2e.NewApp()
		inside := make(chan int, 1)
		h.Connect = func(c *mojo.Conn) error {
			inside <- len(c.Handshake().Auth)
			return nil
		}
		srv, _ := e2e.ChatServer(t, h)
		client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
		client.Connect(e2e.ChatNamespace, map[string]string{"a": strings.Repeat("x", size-len(`{"a":""}`))})

		require.Equal(t, size, e2e.Await(t, inside))
		require.Equal(t, kept, e2e.Await(t, h.Accepted).Handshake().Auth != nil)
	}
}

// The Handshake has the cookies of other handlers up to
// Options.Limits.MaxHandshake bytes. Above the limit it omits some, and the log
// says so once.
func TestLargeCookiesOfOthers(t *testing.T) {
	for name, test := range map[string]struct {
		maxHandshake, cookies int
		kept                  int
		cut                   []string
	}{
		"4,200 bytes":         {0, 4, 4, nil},
		"too many":            {0, 9, 7, []string{"Cookie"}},
		"with a larger bound": {16 << 10, 9, 9, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var log e2e.Log
			h := e2e.NewApp()
			srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Limits: mojo.Limits{MaxHandshake: test.maxHandshake}, Logger: log.Logger()})
			e2e.Register(t, srv, "Chat", h)
			site := siotest.Serve(t, siotest.TCP, srv)
			cookies := []string{e2e.SessionCookie("s")}
			for i := range test.cookies {
				cookies = append(cookies, fmt.Sprintf("c%d=%s", i, strings.Repeat("x", 1050)))
			}
			for range 2 {
				e2e.Dial(t, site, "websocket", cookies...).Connect(e2e.ChatNamespace, nil)
				hs := e2e.Await(t, h.Accepted).Handshake()
				require.Len(t, hs.Cookies(), test.kept)
				require.Equal(t, test.cut, hs.Cut)
			}
			require.Equal(t, len(test.cut), strings.Count(log.String(), "level=WARN"), log.String())
		})
	}
}
