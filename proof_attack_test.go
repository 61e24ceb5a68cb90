package mojo

import (
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/testhook"
)

// TestRequestsThatProveNothing: a page of the site, or of another one, can make the
// victim's browser request what somebody else has written into it. Such a request comes
// with the new cookies, and names the connection of somebody else.
func TestRequestsThatProveNothing(t *testing.T) {
	const browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
	byTheClock(t, func(t *testing.T, transport string) {
		for name, test := range map[string]struct {
			method string // GET if empty
			header http.Header
		}{
			"an image on the site itself": {"", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"image"}, "Sec-Fetch-Mode": {"no-cors"}}},
			"one that asks for cors":      {"", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"image"}, "Sec-Fetch-Mode": {"cors"}}},
			"a frame":                     {"", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Mode": {"navigate"}}},
			"a link in a mail":            {"", http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}}},
			"a hint to load a page":       {"", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"no-cors"}}},
			"the ping of a link":          {http.MethodPost, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"no-cors"}, "Origin": {"http://mojo.test"}}},
			"a form on the site itself":   {http.MethodPost, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}}},
			"plain http":                  {"", http.Header{"Referer": {"http://evil.example/"}, "User-Agent": {browser}}},
			"plain http, no referrer":     {"", http.Header{"Accept": {"*/*"}, "User-Agent": {browser}}},
			"HEAD":                        {http.MethodHead, http.Header{"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}}},
		} {
			p := plant(t, siotest.Memory, newApp())
			thief := siotest.Dial(t, p.site, siotest.Options{Transport: transport, Header: p.thief})
			stolen := thief.Connect(chatNamespace, nil)
			conn := await(t, p.app.accepted)
			session, _ := p.victim.whoIs("/login?user=ann")
			proofOf(t, stolen)
			method := test.method
			if method == "" {
				method = http.MethodGet
			}
			r, err := http.NewRequestWithContext(t.Context(), method, thief.Engine.URL("polling"), nil)
			require.NoError(t, err)
			r.Header = test.header.Clone()
			if r.Header.Get("Origin") != "" {
				r.Header.Set("Origin", p.site.URL)
			}
			r.Header["Cookie"] = p.victim.header()["Cookie"]
			done := make(chan struct{})
			go func() { // a poll may be answered late
				defer close(done)
				if resp, err := p.site.Client().Do(r); err == nil {
					_ = resp.Body.Close()
				}
			}()
			time.Sleep(300 * time.Millisecond)

			require.Empty(t, conn.UserID(), name)
			require.Zero(t, p.srv.LoggedInSessions().Get("ann").Len(), name)
			require.Zero(t, p.srv.CurrentSessions().Get(session).Len(), name)
			thief.Engine.Drop()
			<-done
		}
	})
}

// TestBrowserThatSaysLittle: where a browser does not say what makes a request, a poll
// with the new cookies proves nothing, and the connection comes again soon.
func TestBrowserThatSaysLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testhook.AskTime = 500 * time.Millisecond
		defer func() { testhook.AskTime = 5 * time.Second }()
		p := plant(t, siotest.Memory, newApp())
		p.victim.extra = http.Header{"User-Agent": {"Mozilla/5.0"}}
		tab := p.victim.dial("polling")
		socket := tab.Connect(chatNamespace, nil)
		conn := await(t, p.app.accepted)
		p.victim.visit("/login?user=ann")
		proofOf(t, socket)
		at := time.Now()

		tab.Engine.SetHeader(p.victim.header())

		require.Equal(t, ending{conn, ReasonIdentityChanged}, await(t, p.app.ended))
		require.Less(t, time.Since(at), 2*time.Second)
	})
}

// TestProofThatAnAppPassesOn: a handler that passes on events by their names does not
// pass on the value of somebody else.
func TestProofThatAnAppPassesOn(t *testing.T) {
	h := newApp()
	var passed error
	h.message = func(c *Conn, m *Message) {
		var value any
		_ = m.Decode(&value)
		passed = c.Channel().Emit(m.Event(), value)
	}
	p := plant(t, siotest.TCP, h)
	thief := siotest.Dial(t, p.site, siotest.Options{Transport: "websocket", Header: p.thief})
	stolen := thief.Connect(chatNamespace, nil)
	await(t, h.accepted)
	p.victim.visit("/login?user=ann")
	value := proofOf(t, stolen)
	page := p.victim.dial("websocket").Connect(chatNamespace, nil) // the page behind the login
	conn := await(t, h.accepted)

	stolen.Emit(IdentityEvent, map[string]string{"proof": value})

	require.Equal(t, ReasonParseError, await(t, h.ended).reason)
	require.ErrorIs(t, conn.Emit(IdentityEvent, map[string]string{"proof": value}), ErrReservedEvent)
	require.ErrorIs(t, conn.Channel().Emit(IdentityEvent), ErrReservedEvent)
	page.ExpectNothing()
	require.NoError(t, passed)
}

// TestProofOfASlowOnConnect: a page that follows a login keeps its connection, however
// long OnConnect takes.
func TestProofOfASlowOnConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testhook.AskTime = 500 * time.Millisecond
		defer func() { testhook.AskTime = 5 * time.Second }()
		h := newApp()
		h.connect = func(*Conn) error {
			time.Sleep(2 * time.Second)
			return nil
		}
		p := plant(t, siotest.Memory, h)
		tab := p.victim.dial("websocket")
		tab.SendConnect(chatNamespace, nil)
		time.Sleep(100 * time.Millisecond)

		p.victim.visit("/login?user=ann")
		socket, refused := tab.AwaitConnect(chatNamespace)
		require.Nil(t, refused)

		require.Equal(t, http.StatusNoContent, prove(t, p.site, p.victim.header(), proofOf(t, socket)))
		require.Equal(t, "ann", await(t, h.accepted).UserID())
		time.Sleep(time.Minute)
		require.Empty(t, h.ended)
	})
}

// TestConnectsWithoutAProofCountNothing: a client that asks for an app again and again
// before its proof leaves the number of bytes that wait as it is.
func TestConnectsWithoutAProofCountNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		reached := make(chan struct{})
		h.connect = func(c *Conn) error {
			if !c.Handshake().Query().Has("history") {
				return nil
			}
			require.NoError(t, c.Emit("history", string(make([]byte, 50_000))))
			close(reached)
			<-c.Context().Done()
			return nil
		}
		p := plant(t, siotest.Memory, h)
		thief := siotest.Dial(t, p.site, siotest.Options{Transport: "websocket", Header: p.thief})
		stolen := thief.Connect(chatNamespace, nil)
		await(t, h.accepted)
		p.victim.visit("/login?user=ann")
		proofOf(t, stolen)
		for range 500 {
			thief.SendConnect(chatNamespace, nil)
		}
		thief.Barrier()
		thief.Engine.Drop()
		time.Sleep(time.Second)
		history := siotest.Options{Transport: "websocket", Header: p.victim.header(), Query: map[string][]string{"history": {""}}}
		siotest.Dial(t, p.site, history).SendConnect(chatNamespace, nil)
		<-reached

		require.Greater(t, p.srv.Stats().QueuedBytes, 50_000)
		require.Less(t, p.srv.Stats().QueuedBytes, 310_000) // as JSON writes each of the zeros
	})
}

// TestSocketOfAnotherSession: a login names none but a connection of its own session.
func TestSocketOfAnotherSession(t *testing.T) {
	h := newApp()
	srv, site := loginSite(t, siotest.Memory, h)
	owner, other := newBrowser(t, site), newBrowser(t, site)
	owner.visit("/who")
	other.visit("/who")
	socket := owner.dial("websocket").Connect(chatNamespace, nil)
	conn := await(t, h.accepted)

	other.extra = http.Header{SocketIDHeader: {socket.SID()}}
	other.visit("/login?user=mallory")

	require.Empty(t, conn.UserID())
	require.Zero(t, srv.LoggedInSessions().Len())
}

// TestPageScript is served to whoever asks, pages of other origins included.
func TestPageScript(t *testing.T) {
	srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), Origins: []string{"https://app.example.com"}})
	site := siotest.Serve(t, siotest.TCP, srv)
	script, err := os.ReadFile("mojo.js")
	require.NoError(t, err)
	for _, header := range []http.Header{
		nil,
		{"Origin": {"https://app.example.com"}},
		{"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"script"}},
	} {
		got := ask(t, site, http.MethodGet, site.URL+"/socket.io/mojo.js", header, "")
		require.Equal(t, http.StatusOK, got.status)
		require.Equal(t, string(script), got.body)
		require.Contains(t, got.header.Get("Content-Type"), "javascript")
		require.Empty(t, got.header["Set-Cookie"])
	}
	got := ask(t, site, http.MethodHead, site.URL+"/socket.io/mojo.js", nil, "")
	require.Equal(t, http.StatusOK, got.status)
	require.Empty(t, got.body)
}

// TestIdentifyThatFailsForAProof: a panic is counted as any other, and after an error
// the page tries again.
func TestIdentifyThatFailsForAProof(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errTest },
		"panic": func() error { panic(errTest) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newApp()
			id := Identity{SessionID: "s"}
			var failing func() error
			srv := newTestServer(t, Options{Identify: func(r *http.Request) (Identity, error) {
				if failing != nil && r.Method == http.MethodPost {
					return Identity{}, failing()
				}
				return id, nil
			}})
			register(t, srv, "Chat", h)
			site := siotest.Serve(t, siotest.Memory, srv)
			socket := dial(t, site, "websocket").Connect(chatNamespace, nil)
			await(t, h.accepted)
			id = Identity{SessionID: "new", UserID: "ann"}
			require.NoError(t, srv.Rebind(t.Context(), "s", id))
			value := proofOf(t, socket)

			failing = fail
			require.Equal(t, http.StatusConflict, prove(t, site, http.Header{}, value))

			failing = nil
			require.Equal(t, http.StatusNoContent, prove(t, site, http.Header{}, value))
			require.Equal(t, name == "panic", srv.Stats().HandlerPanics == 1)
		})
	}
}

// TestRebindTwice, by a site that calls it on each of two requests: the new session
// counts as before.
func TestRebindTwice(t *testing.T) {
	h := newApp()
	now := Identity{SessionID: "new", UserID: "ann"}
	srv := newTestServer(t, Options{Identify: func(*http.Request) (Identity, error) { return now, nil }})
	register(t, srv, "Chat", h)
	require.NoError(t, srv.Rebind(t.Context(), "old", now))
	require.NoError(t, srv.Rebind(t.Context(), "old", now))

	dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket").Connect(chatNamespace, nil)

	require.Equal(t, "ann", await(t, h.accepted).UserID())
}

// TestUpgradeWithOldCookies: after a logout they open no WebSocket, which would get what
// a poll with them does not.
func TestUpgradeWithOldCookies(t *testing.T) {
	h := newApp()
	_, site := loginSite(t, siotest.TCP, h)
	b := newBrowser(t, site)
	b.visit("/login?user=ann")
	tab := b.dial("polling")
	tab.Connect(chatNamespace, nil)
	await(t, h.accepted)
	before := b.header()
	b.visit("/logout")

	got := ask(t, site, http.MethodGet, tab.Engine.URL("websocket"), before, "")

	require.Equal(t, http.StatusBadRequest, got.status)
}
