package mojo

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestHandshake: what a client said of itself, without what is secret and what is about the WebSocket.
func TestHandshake(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		srv, _ := chatServer(t, h)
		site := siotest.Serve(t, n, srv)
		header := as("theme=dark", inSession("s"), asUser("u"), "lang=de")
		header["X-List"] = []string{"a", "b: c"}
		before := time.Now()
		client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: header, Query: url.Values{"token": {"a&b", "c"}}})
		client.Connect(chatNamespace, map[string]any{"secret": "x"})
		conn := await(t, h.accepted)

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

// TestHandshakesShareWhatIsOne: two apps of one connection differ in Auth alone.
func TestHandshakesShareWhatIsOne(t *testing.T) {
	h := newApp()
	srv, _ := chatServer(t, h)
	register(t, srv, "News", h)
	client := dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	client.Connect(chatNamespace, map[string]int{"chat": 1})
	client.Connect("/NewsSocket", nil)
	chat, news := await(t, h.accepted).Handshake(), await(t, h.accepted).Handshake()

	require.JSONEq(t, `{"chat":1}`, string(chat.Auth))
	require.Nil(t, news.Auth)
	chat.Auth = nil
	require.Equal(t, chat, news)
}

// TestLargeAuth is there in OnConnect alone: it would stay in memory as long as the connection.
func TestLargeAuth(t *testing.T) {
	for size, kept := range map[int]bool{8 << 10: true, 8<<10 + 1: false} {
		h := newApp()
		inside := make(chan int, 1)
		h.connect = func(c *Conn) error {
			inside <- len(c.Handshake().Auth)
			return nil
		}
		srv, _ := chatServer(t, h)
		client := dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
		client.Connect(chatNamespace, map[string]string{"a": strings.Repeat("x", size-len(`{"a":""}`))})

		require.Equal(t, size, await(t, inside))
		require.Equal(t, kept, await(t, h.accepted).Handshake().Auth != nil)
	}
}

// TestHandshakeIsBounded: whatever comes, so much is kept and no more, of whole headers, cookies and parameters. What
// was left out is said.
func TestHandshakeIsBounded(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for name, change := range map[string]func(r *http.Request){
		"nothing":        func(*http.Request) {},
		"long header":    func(r *http.Request) { r.Header.Set("A", long) },
		"many headers":   func(r *http.Request) { many(2000, func(i int) { r.Header.Set(fmt.Sprint("A", i), "v") }) },
		"many values":    func(r *http.Request) { many(2000, func(int) { r.Header.Add("A", "v") }) },
		"many cookies":   func(r *http.Request) { many(2000, func(i int) { r.AddCookie(&http.Cookie{Name: fmt.Sprint("c", i)}) }) },
		"long query":     func(r *http.Request) { r.URL.RawQuery = "first=1&a=" + long + "&z=1" },
		"long parameter": func(r *http.Request) { r.URL.RawQuery = long },
		"many parameters": func(r *http.Request) {
			r.URL.RawQuery = "first=1" + strings.Repeat("&a=1", 10_000)
		},
		"long address":  func(r *http.Request) { r.RemoteAddr = long },
		"long host":     func(r *http.Request) { r.Host = long },
		"bad query":     func(r *http.Request) { r.URL.RawQuery = "first=1&%zz=%" },
		"all of it":     func(r *http.Request) { r.URL.RawQuery, r.RemoteAddr, r.Host = long+"&"+long, long, long },
		"line in value": func(r *http.Request) { r.Header.Set("A", "b\nSet: x") },
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/?first=1&last=2", nil)
			r.Header.Set("Z-Last", "kept")
			change(r)

			hs := newHandshake(r, newTestCookies(t, CookieOptions{}), 4<<10, time.Now())

			require.LessOrEqual(t, len(hs.text)+len(hs.browser.Value()), 5<<10)
			public := hs.public(nil)
			whole := name == "nothing" || name == "bad query" || name == "line in value" || name == "long address"
			require.Equal(t, whole, public.Cut == nil, public.Cut)
			for name, values := range public.Header() {
				require.Contains(t, []string{"Host", "Z-Last", "A", "Cookie"}, strings.TrimRight(name, "0123456789"))
				if name == "Z-Last" {
					require.Equal(t, []string{"kept"}, values)
				}
			}
			for name := range public.Query() {
				require.Contains(t, []string{"first", "last", "a", ""}, name)
			}
			_ = public.Cookies()
			if strings.HasPrefix(r.URL.RawQuery, "first=1") {
				require.Equal(t, "1", public.Query().Get("first"))
			}
		})
	}
}

// TestLargeCookiesOfOthers are there beside mojo's own, up to Options.Limits.MaxHandshake; above it some of them are, and it
// is said once.
func TestLargeCookiesOfOthers(t *testing.T) {
	for name, test := range map[string]struct {
		most, cookies int
		kept          int
		cut           []string
	}{
		"4,200 bytes":         {0, 4, 4, nil},
		"too many":            {0, 9, 7, []string{"Cookie"}},
		"with a larger bound": {16 << 10, 9, 9, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var log journal
			h := newApp()
			srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), Limits: Limits{MaxHandshake: test.most}, Logger: log.logger()})
			register(t, srv, "Chat", h)
			site := siotest.Serve(t, siotest.TCP, srv)
			cookies := []string{inSession("s")}
			for i := range test.cookies {
				cookies = append(cookies, fmt.Sprintf("c%d=%s", i, strings.Repeat("x", 1050)))
			}
			for range 2 {
				dial(t, site, "websocket", cookies...).Connect(chatNamespace, nil)
				hs := await(t, h.accepted).Handshake()
				require.Len(t, hs.Cookies(), test.kept)
				require.Equal(t, test.cut, hs.Cut)
			}
			require.Equal(t, len(test.cut), strings.Count(log.String(), "level=WARN"), log.String())
		})
	}
}

func many(n int, do func(i int)) {
	for i := range n {
		do(i)
	}
}

// TestHandshakeHidesOwnCookies, however they are spelled and named.
func TestHandshakeHidesOwnCookies(t *testing.T) {
	for header, want := range map[string]string{
		"session_id=x":                            "",
		"session_id =x; a=b":                      "a=b",
		" a=b ;session_id=x;logged_in=y; ; c=d":   "a=b; c=d",
		"logged_in":                               "",
		"session_id=1; session_id=2; my_session=": "my_session=",
		"session_id2=x":                           "session_id2=x",
	} {
		require.Equal(t, want, newTestCookies(t, CookieOptions{}).strip(header), header)
	}
	require.Equal(t, "session_id=x", newTestCookies(t, CookieOptions{SessionName: "s", LoginName: "l"}).strip("s=1; session_id=x; l=2"))
}

// TestHandshakesOneAfterAnother holds that the room in which handshakes are read
// carries nothing from one to the next.
func TestHandshakesOneAfterAnother(t *testing.T) {
	long := httptest.NewRequest(http.MethodGet, "/?long="+strings.Repeat("q", 3<<10), nil)
	long.Header.Set("User-Agent", strings.Repeat("u", 3<<10))
	for i := range 20 {
		long.Header.Set(fmt.Sprintf("A%d", i), strings.Repeat("v", 400))
	}
	short := httptest.NewRequest(http.MethodGet, "/?a=b", nil)
	short.Header.Set("User-Agent", "short")
	opts := newTestCookies(t, CookieOptions{})

	first := newHandshake(long, opts, 4<<10, time.Now()).public(nil)
	again := newHandshake(short, opts, 4<<10, time.Now()).public(nil)

	require.NotEmpty(t, first.Cut)
	require.Nil(t, again.Cut)
	require.Equal(t, http.Header{"Host": {"example.com"}, "User-Agent": {"short"}}, again.Header())
	require.Equal(t, url.Values{"a": {"b"}}, again.Query())
	require.Equal(t, strings.Repeat("v", 400), first.Header().Get("A0"), "it keeps what it said")
}
