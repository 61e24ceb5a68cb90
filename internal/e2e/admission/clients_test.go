package admission

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// warnings is the output of a logger.
type warnings struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (w *warnings) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func (w *warnings) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.FieldsFunc(w.out.String(), func(r rune) bool { return r == '\n' })
}

func (w *warnings) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// requireOne waits for a line, and requires that there is one and that it
// contains help.
func (w *warnings) requireOne(t *testing.T, help string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(w.lines()) > 0 }, 10*time.Second, time.Millisecond)
	require.Len(t, w.lines(), 1)
	require.Contains(t, w.lines()[0], "level=WARN")
	require.Contains(t, w.lines()[0], help)
}

// get calls a handler without a network.
func get(h http.Handler, target string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const pollURL = "/socket.io/?EIO=4&transport=polling"

// Each kind of refused request is logged once within a minute, with advice.
func TestRefusedRequestsAreLogged(t *testing.T) {
	for name, c := range map[string]struct {
		opts   mojo.Options
		url    string
		header http.Header
		status int
		help   string
	}{
		"origin":       {url: pollURL, header: http.Header{"Origin": {"https://other.example"}}, status: 403, help: "Options.Origins"},
		"no origin":    {url: pollURL, header: http.Header{"Sec-Fetch-Site": {"cross-site"}}, status: 403, help: "Options.Origins"},
		"two origins":  {url: pollURL, header: http.Header{"Origin": {"https://a.example", "https://b.example"}}, status: 403, help: "proxy"},
		"revision 3":   {url: "/socket.io/?EIO=3&transport=polling", status: 400, help: "socket.io-client 1.x and 2.x"},
		"no revision":  {url: "/socket.io/?transport=polling", status: 400, help: "EIO=4"},
		"no transport": {url: "/socket.io/?EIO=4", status: 400, help: "query parameter transport"},
		"transport":    {opts: mojo.Options{Transports: []mojo.Transport{mojo.WebSocket}}, url: pollURL, status: 400, help: "Options.Transports"},
		"unknown sid":  {url: pollURL + "&sid=x", status: 400, help: "sticky sessions"},
		"proxy":        {url: "/socket.io/?EIO=4&transport=websocket", status: 400, help: "proxy_set_header Upgrade"},
		"script":       {url: "/socket.io/socket.io.js", status: 404, help: "socket.io-client from npm"},
		"no session":   {opts: mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), RequireSession: true}, url: pollURL, status: 403, help: "Options.RequireSession"},
		"identify":     {opts: mojo.Options{Identify: func(*http.Request) (mojo.Identity, error) { return mojo.Identity{}, io.EOF }}, url: pollURL, status: 403, help: "Options.Identify"},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(warnings)
			c.opts.Logger = log.logger()
			srv, err := mojo.New(c.opts)
			require.NoError(t, err)
			for range 20 {
				require.Equal(t, c.status, get(srv, c.url, c.header).Code)
			}
			log.requireOne(t, c.help)
		})
	}
}

// A Server that is full is logged once, with the limit's name.
func TestFullServerIsLogged(t *testing.T) {
	for name, c := range map[string]struct {
		opts mojo.Options
		help string
	}{
		"connections": {mojo.Options{Limits: mojo.Limits{MaxConns: 1}}, "Options.Limits.MaxConns"},
		"unconnected": {mojo.Options{Limits: mojo.Limits{MaxUnconnected: 1}}, "Options.Limits.MaxUnconnected"},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(warnings)
			c.opts.Logger = log.logger()
			srv, err := mojo.New(c.opts)
			require.NoError(t, err)
			defer func() { _ = srv.Close() }()
			require.Equal(t, 200, get(srv, pollURL, nil).Code)
			for range 5 {
				require.Equal(t, 503, get(srv, pollURL, nil).Code)
			}
			log.requireOne(t, c.help)
		})
	}
}

func TestPollCutByDeadline(t *testing.T) {
	log := new(warnings)
	srv, err := mojo.New(mojo.Options{Logger: log.logger()})
	require.NoError(t, err)
	defer func() { _ = srv.Close() }()
	open := get(srv, pollURL, nil).Body.String()
	_, sid, _ := strings.Cut(open, `"sid":"`)
	sid, _, _ = strings.Cut(sid, `"`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	srv.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", pollURL+"&sid="+sid, nil))
	log.requireOne(t, "http.TimeoutHandler")
}

func TestOriginFunc(t *testing.T) {
	log := new(warnings)
	srv, err := mojo.New(mojo.Options{Logger: log.logger(), Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), OriginFunc: func(_ *http.Request, origin string) bool {
		if origin == "https://panics.example" {
			panic("origin")
		}
		return origin == "https://good.example"
	}})
	require.NoError(t, err)
	defer func() { _ = srv.Close() }()
	good := get(srv, pollURL, http.Header{"Origin": {"https://good.example"}})
	require.Equal(t, 200, good.Code)
	require.Equal(t, "https://good.example", good.Header().Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", good.Header().Get("Access-Control-Allow-Credentials"))
	for _, origin := range []string{"https://bad.example", "https://panics.example"} {
		bad := get(srv, pollURL, http.Header{"Origin": {origin}})
		require.Equal(t, 403, bad.Code)
		require.Empty(t, bad.Header().Get("Access-Control-Allow-Origin"))
	}
	require.EqualValues(t, 1, srv.Stats().HandlerPanics)
}

func TestOriginsThatCanBeListed(t *testing.T) {
	for _, origin := range []string{
		"null", "file://", "https://*.example.com", "http://*.example.com:8080", "http://*.localhost:3000",
		"capacitor://localhost", "ionic://localhost", "tauri://localhost", "chrome-extension://abcdef", "HTTPS://Example.com",
	} {
		_, err := mojo.New(mojo.Options{Origins: []string{origin}, Cookies: e2e.NewCookies(t, mojo.CookieOptions{})})
		require.NoError(t, err, origin)
	}
	for _, origin := range []string{
		"https://*.com", "https://*", "https://*.", "https://a.*.example.com", "https://*a.example.com", "https://*.*.example.com",
		"*://example.com", "https://*.10.0.0.1", "https://*.example.com/", "https://*.u@example.com", "https://*.example..com", "null://", "FILE", "https://",
	} {
		_, err := mojo.New(mojo.Options{Origins: []string{origin}})
		require.Error(t, err, origin)
	}
}

func TestRepeatedRevision(t *testing.T) {
	srv, err := mojo.New(mojo.Options{})
	require.NoError(t, err)
	defer func() { _ = srv.Close() }()
	require.Equal(t, 200, get(srv, pollURL+"&EIO=4", nil).Code)
	require.Equal(t, 400, get(srv, pollURL+"&EIO=3", nil).Code)
}

func TestScriptIsNotARefusal(t *testing.T) {
	srv, err := mojo.New(mojo.Options{})
	require.NoError(t, err)
	for _, file := range []string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.js.map"} {
		w := get(srv, "/socket.io/"+file, nil)
		require.Equal(t, 404, w.Code)
		require.Contains(t, w.Header().Get("Content-Type"), "text/plain")
		require.Contains(t, w.Body.String(), "does not serve the client script")
	}
	require.Empty(t, srv.Stats().Refused)
}

func TestSubprotocol(t *testing.T) {
	second := func(_ *http.Request, offered []string) string { return offered[len(offered)-1] }
	for name, c := range map[string]struct {
		choose  func(*http.Request, []string) string
		offered []string
		want    string
	}{
		"none offered":  {},
		"the first":     {nil, []string{"my.v1, my.v2"}, "my.v1"},
		"no token":      {nil, []string{"a b,,\"x\"", "my.v1"}, "my.v1"},
		"chosen":        {second, []string{"my.v1", "my.v2"}, "my.v2"},
		"none chosen":   {func(*http.Request, []string) string { return "" }, []string{"my.v1"}, ""},
		"not offered":   {func(*http.Request, []string) string { return "x" }, []string{"my.v1"}, ""},
		"panic":         {func(*http.Request, []string) string { panic("x") }, []string{"my.v1"}, ""},
		"only nonsense": {second, []string{"a b"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := mojo.New(mojo.Options{Subprotocol: c.choose, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			t.Cleanup(func() { _ = srv.Close() })
			site := siotest.Serve(t, siotest.TCP, srv)
			sid := ""
			for _, opened := range []bool{false, true} { // by a handshake, or by an upgrade
				if opened {
					open := e2e.Do(t, site, "GET", site.URL+pollURL, nil, "").Body
					_, sid, _ = strings.Cut(open, `"sid":"`)
					sid, _, _ = strings.Cut(sid, `"`)
					sid = "&sid=" + sid
				}
				header := http.Header{}
				if c.offered != nil {
					header["Sec-Websocket-Protocol"] = c.offered
				}
				got := switchedTo(t, site, site.URL+"/socket.io/?EIO=4&transport=websocket"+sid, header)
				require.Equal(t, c.want, got)
			}
		})
	}
}

// switchedTo returns the subprotocol of the WebSocket that a request opens.
func switchedTo(t *testing.T, site *siotest.Site, url string, header http.Header) string {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	require.NoError(t, err)
	r.Header = header
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	resp, err := site.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 101, resp.StatusCode)
	return resp.Header.Get("Sec-WebSocket-Protocol")
}

// Auth data that is no object counts as none. Older clients sent it.
func TestNumericAuth(t *testing.T) {
	auths := make(chan string, 2)
	srv, err := mojo.New(mojo.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	_, err = srv.Handle("/", (&mojo.Events{Connect: func(c *mojo.Conn) error {
		auths <- string(c.Handshake().Auth)
		return nil
	}}).Handler())
	require.NoError(t, err)
	client := siotest.Open(t, siotest.Serve(t, siotest.TCP, srv), siotest.Options{Transport: "websocket"})
	for _, connect := range []string{"042", "012345678901234567890"} {
		client.Send(connect)
		require.Empty(t, e2e.Await(t, auths))
		require.Contains(t, client.Next().Text, `0{"sid":`)
	}
}

// If a page's own data looks like a placeholder, the event is refused and the
// connection stays.
func TestPlaceholderAsData(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		log := new(warnings)
		srv, err := mojo.New(mojo.Options{Logger: log.logger()})
		require.NoError(t, err)
		t.Cleanup(func() { _ = srv.Close() })
		ev := new(mojo.Events)
		mojo.On(ev, "e", func(c *mojo.Conn, _ string) error { return nil })
		_, err = srv.Handle("/", ev.Handler())
		require.NoError(t, err)
		client := siotest.Open(t, siotest.Serve(t, n, srv), siotest.Options{Transport: transport})
		client.Send("0")
		client.Next()
		const place = `{"_placeholder":true,"num":`
		for _, event := range []string{
			`51-7["e",` + place + `0},` + place + `0}]`,
			`51-7["e",` + place + `1},` + place + `0}]`,
			`51-7["e",` + place + `9}]`,
		} {
			client.Send(event)
			client.SendBinary([]byte{1})
			require.Equal(t, `37[{"error":{"message":"invalid arguments"}}]`, client.Next().Text)
		}
		client.Send(`28["e","x"]`)
		require.Equal(t, `38[]`, client.Next().Text)
		log.requireOne(t, "_placeholder")
	})
}

// A WebSocket message in base64 is accepted on every WebSocket. The parameter
// b64 concerns what the server sends on the transport of that request.
func TestBase64OfTheTransport(t *testing.T) {
	srv, err := mojo.New(mojo.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	ev := new(mojo.Events)
	mojo.OnCall(ev, "e", func(_ *mojo.Conn, in mojo.Binary) (mojo.Binary, error) { return in, nil })
	_, err = srv.Handle("/", ev.Handler())
	require.NoError(t, err)
	site := siotest.Serve(t, siotest.TCP, srv)
	client := siotest.Open(t, site, siotest.Options{Transport: "websocket"})
	client.Send("0")
	client.Next()
	client.Send(`51-1["e",{"_placeholder":true,"num":0}]`)
	client.SendPacket("bAQID")
	require.Equal(t, `61-1[{"_placeholder":true,"num":0}]`, client.Next().Text)
	require.Equal(t, []byte{1, 2, 3}, client.Next().Data)
}

// The parameter b64 of an upgrade request counts for the WebSocket, and that of
// the polls before it does not.
func TestBase64OfTheUpgrade(t *testing.T) {
	for name, c := range map[string]struct {
		poll, upgrade, want string
	}{
		"of the poll":    {"&b64=1", "", "\x82\x01\x07"},
		"of the upgrade": {"", "&b64=1", "\x81\x05bBw=="},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := mojo.New(mojo.Options{})
			require.NoError(t, err)
			t.Cleanup(func() { _ = srv.Close() })
			_, err = srv.Handle("/", (&mojo.Events{Connect: func(c *mojo.Conn) error { return c.Emit("e", mojo.Binary{7}) }}).Handler())
			require.NoError(t, err)
			site := siotest.Serve(t, siotest.TCP, srv)
			open := e2e.Do(t, site, "GET", site.URL+pollURL+c.poll, nil, "").Body
			_, sid, _ := strings.Cut(open, `"sid":"`)
			sid, _, _ = strings.Cut(sid, `"`)

			conn, err := site.Dial(t.Context())
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, "GET /socket.io/?EIO=4&transport=websocket&sid="+sid+c.upgrade+" HTTP/1.1\r\nHost: "+site.Host()+
				"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+
				"\x81\x86\x00\x00\x00\x002probe\x81\x81\x00\x00\x00\x005\x81\x82\x00\x00\x00\x0040")
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
			var got []byte
			for !bytes.HasSuffix(got, []byte(c.want)) {
				one := make([]byte, 1)
				_, err := io.ReadFull(conn, one)
				require.NoError(t, err, "%q", got)
				got = append(got, one[0])
			}
		})
	}
}

// A connection that is closed for what it sent, or did not send, is logged
// once, with advice.
func TestClosedConnectionsAreLogged(t *testing.T) {
	const attachment = `{"_placeholder":true,"num":0}`
	many := strings.Repeat("x", 1<<11)
	for name, c := range map[string]struct {
		opts mojo.Options
		send []string
		help string
	}{
		"rate":             {mojo.Options{Limits: mojo.Limits{MaxRate: 3}}, []string{"40", `42["e"]`, `42["e"]`, `42["e"]`, `42["e"]`}, "Options.Limits.MaxRate"},
		"payload":          {mojo.Options{Limits: mojo.Limits{MaxPayload: 1 << 10}}, []string{"4" + many}, "Options.Limits.MaxPayload"},
		"attachments":      {mojo.Options{Limits: mojo.Limits{MaxAttachments: 1}}, []string{"40", `452-["e",` + attachment + `]`}, "Options.Limits.MaxAttachments"},
		"attachment bytes": {mojo.Options{Limits: mojo.Limits{MaxAttachmentBytes: 1 << 10}}, []string{"40", `451-["e",` + attachment + `]`, "b" + many}, "Options.Limits.MaxAttachmentBytes"},
		"auth":             {mojo.Options{}, []string{`40"token"`}, "payload is not a JSON object"},
		"namespace":        {mojo.Options{}, []string{"40/chatsocket,", "40/chatsocket,"}, "Server.Register"},
		"no app":           {mojo.Options{Timeouts: mojo.Timeouts{ConnectTimeout: time.Millisecond}}, nil, "Options.Timeouts.ConnectTimeout"},
	} {
		for _, transport := range []string{"polling", "websocket"} {
			t.Run(name+"/"+transport, func(t *testing.T) {
				log := new(warnings)
				c.opts.Logger = log.logger()
				srv, err := mojo.New(c.opts)
				require.NoError(t, err)
				t.Cleanup(func() { _ = srv.Close() })
				_, err = srv.Handle("/", new(mojo.Events).Handler())
				require.NoError(t, err)
				site := siotest.Serve(t, siotest.TCP, srv)
				for range 2 {
					client := siotest.Open(t, site, siotest.Options{Transport: transport})
					for _, packet := range c.send {
						client.SendPacket(packet)
					}
					if name == "namespace" {
						client.Next()
						client.Next()
						continue
					}
					client.AwaitClosed()
				}
				log.requireOne(t, c.help)
			})
		}
	}
}

// A session or user that exceeds its limit of connections is logged once.
func TestCrowdedSessionsAreLogged(t *testing.T) {
	for name, c := range map[string]struct {
		opts mojo.Options
		help string
	}{
		"session": {mojo.Options{Limits: mojo.Limits{MaxConnsPerSession: 1}}, "Options.Limits.MaxConnsPerSession"},
		"user":    {mojo.Options{Limits: mojo.Limits{MaxConnsPerUser: 1}}, "Options.Limits.MaxConnsPerUser"},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(warnings)
			c.opts.Logger = log.logger()
			c.opts.Identify = func(*http.Request) (mojo.Identity, error) { return mojo.Identity{SessionID: "s", UserID: "u"}, nil }
			srv, err := mojo.New(c.opts)
			require.NoError(t, err)
			defer func() { _ = srv.Close() }()
			for range 4 {
				require.Equal(t, 200, get(srv, pollURL, nil).Code)
			}
			log.requireOne(t, c.help)
		})
	}
}

// A ResponseWriter that cannot be hijacked is logged once.
func TestFailedHijackIsLogged(t *testing.T) {
	log := new(warnings)
	srv, err := mojo.New(mojo.Options{Logger: log.logger()})
	require.NoError(t, err)
	defer func() { _ = srv.Close() }()
	upgrade := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for range 3 {
		require.Equal(t, 500, get(srv, "/socket.io/?EIO=4&transport=websocket", upgrade).Code)
	}
	log.requireOne(t, "Unwrap")
}

// A few requests for unknown sessions are not logged: after a restart each
// client makes one.
func TestFewUnknownSessionsAreNotLogged(t *testing.T) {
	log := new(warnings)
	srv, err := mojo.New(mojo.Options{Logger: log.logger()})
	require.NoError(t, err)
	for range 9 {
		require.Equal(t, 400, get(srv, pollURL+"&sid=x", nil).Code)
	}
	require.Empty(t, log.lines())
}

// An answer whose data looks like a placeholder ends its EmitWithAck with an
// error, and the connection stays.
func TestPlaceholderInAnAnswer(t *testing.T) {
	errs := make(chan error, 1)
	srv, err := mojo.New(mojo.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	ev := new(mojo.Events)
	mojo.OnCall(ev, "ask", func(c *mojo.Conn, _ string) (string, error) {
		go func() {
			_, err := c.EmitWithAck(t.Context(), "question")
			errs <- err
		}()
		return "asked", nil
	})
	_, err = srv.Handle("/", ev.Handler())
	require.NoError(t, err)
	client := siotest.Open(t, siotest.Serve(t, siotest.TCP, srv), siotest.Options{Transport: "websocket"})
	client.Send("0")
	client.Next()
	client.Send(`21["ask"]`)
	got := []string{client.Next().Text, client.Next().Text}
	require.ElementsMatch(t, []string{`31["asked"]`, `20["question"]`}, got)
	client.Send(`61-0[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`)
	client.SendBinary([]byte{1})
	require.ErrorContains(t, e2e.Await(t, errs), "placeholder")
	client.Send(`22["ask"]`)
	require.NotEmpty(t, client.Next().Text)
}
