package admission

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// requireOneWarning waits for a warning, and requires that there is only one
// and that it contains help.
func requireOneWarning(t *testing.T, log *e2e.Log, help string) {
	t.Helper()
	e2e.WaitUntil(t, "a warning is logged", func() bool { return len(log.Warnings()) > 0 })
	require.Len(t, log.Warnings(), 1)
	require.Contains(t, log.Warnings()[0], "level=WARN")
	require.Contains(t, log.Warnings()[0], help)
}

// get returns the response of a handler to a GET request, without a network.
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
		"script":       {url: "/socket.io/socket.io.js", status: 404, help: "Options.Client"},
		"no session":   {opts: mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), RequireSession: true}, url: pollURL, status: 403, help: "Options.RequireSession"},
		"identify":     {opts: mojo.Options{Identify: func(*http.Request) (mojo.Identity, error) { return mojo.Identity{}, io.EOF }}, url: pollURL, status: 403, help: "Options.Identify"},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(e2e.Log)
			c.opts.Logger = log.Logger()
			srv := e2e.NewServer(t, c.opts)
			for range 20 {
				require.Equal(t, c.status, get(srv, c.url, c.header).Code)
			}
			requireOneWarning(t, log, c.help)
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
			log := new(e2e.Log)
			c.opts.Logger = log.Logger()
			srv := e2e.NewServer(t, c.opts)
			require.Equal(t, 200, get(srv, pollURL, nil).Code)
			for range 5 {
				require.Equal(t, 503, get(srv, pollURL, nil).Code)
			}
			requireOneWarning(t, log, c.help)
		})
	}
}

// A handler that ends a waiting poll with a deadline is logged, with advice.
func TestPollCutByDeadline(t *testing.T) {
	log := new(e2e.Log)
	srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
	open := get(srv, pollURL, nil).Body.String()
	_, sid, _ := strings.Cut(open, `"sid":"`)
	sid, _, _ = strings.Cut(sid, `"`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	srv.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", pollURL+"&sid="+sid, nil))
	requireOneWarning(t, log, "http.TimeoutHandler")
}

// A request for the official client script is answered with advice, and is not
// counted as refused.
func TestScriptIsNotARefusal(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{})
	for _, file := range []string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.js.map"} {
		w := get(srv, "/socket.io/"+file, nil)
		require.Equal(t, 404, w.Code)
		require.Contains(t, w.Header().Get("Content-Type"), "text/plain")
		require.Contains(t, w.Body.String(), "does not serve the client script")
	}
	require.Empty(t, srv.Stats().Refused)
}

// When the server closes a connection because of what the client sent or did
// not send, it logs it once, with advice.
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
				log := new(e2e.Log)
				c.opts.Logger = log.Logger()
				srv := e2e.NewServer(t, c.opts)
				e2e.Handle(t, srv, "/", new(mojo.Events).Handler())
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
				requireOneWarning(t, log, c.help)
			})
		}
	}
}

// A session or user that exceeds its limit of connections is logged once.
func TestSessionsAboveTheLimitAreLogged(t *testing.T) {
	for name, c := range map[string]struct {
		opts mojo.Options
		help string
	}{
		"session": {mojo.Options{Limits: mojo.Limits{MaxConnsPerSession: 1}}, "Options.Limits.MaxConnsPerSession"},
		"user":    {mojo.Options{Limits: mojo.Limits{MaxConnsPerUser: 1}}, "Options.Limits.MaxConnsPerUser"},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(e2e.Log)
			c.opts.Logger = log.Logger()
			c.opts.Identify = func(*http.Request) (mojo.Identity, error) { return mojo.Identity{SessionID: "s", UserID: "u"}, nil }
			srv := e2e.NewServer(t, c.opts)
			for range 4 {
				require.Equal(t, 200, get(srv, pollURL, nil).Code)
			}
			requireOneWarning(t, log, c.help)
		})
	}
}

// A ResponseWriter that cannot be hijacked is logged once.
func TestFailedHijackIsLogged(t *testing.T) {
	log := new(e2e.Log)
	srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
	upgrade := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for range 3 {
		require.Equal(t, 500, get(srv, "/socket.io/?EIO=4&transport=websocket", upgrade).Code)
	}
	requireOneWarning(t, log, "Unwrap")
}

// A few requests for unknown sessions are not logged: after a restart each
// client makes one.
func TestFewUnknownSessionsAreNotLogged(t *testing.T) {
	log := new(e2e.Log)
	srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
	for range 9 {
		require.Equal(t, 400, get(srv, pollURL+"&sid=x", nil).Code)
	}
	require.Empty(t, log.Warnings())
}
