package proof

import (
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/testhook"
)

// With an image, a frame, a link or a form, an attacker's page can make the
// victim's browser send a request. The request has the new cookies and the sid
// of the attacker's connection. It does not prove that the connection belongs
// to the victim.
func TestRequestsThatProveNothing(t *testing.T) {
	const browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		for name, test := range map[string]struct {
			method string // the default is GET
			header http.Header
		}{
			"an image on the site itself": {"", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"image"}, "Sec-Fetch-Mode": {"no-cors"}}},
			"an image with cors":          {"", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"image"}, "Sec-Fetch-Mode": {"cors"}}},
			"a frame":                     {"", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Mode": {"navigate"}}},
			"a link in a mail":            {"", http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}}},
			"a prefetch of a page":        {"", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"no-cors"}}},
			"the ping of a link":          {http.MethodPost, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"no-cors"}, "Origin": {"http://mojo.test"}}},
			"a form on the site itself":   {http.MethodPost, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}}},
			"plain http":                  {"", http.Header{"Referer": {"http://evil.example/"}, "User-Agent": {browser}}},
			"plain http, no referrer":     {"", http.Header{"Accept": {"*/*"}, "User-Agent": {browser}}},
			"HEAD":                        {http.MethodHead, http.Header{"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}}},
		} {
			p := newFixation(t, siotest.Memory, e2e.NewApp())
			attacker := siotest.Dial(t, p.site, siotest.Options{Transport: transport, Header: p.attacker})
			attackerSocket := attacker.Connect(e2e.ChatNamespace, nil)
			conn := e2e.Await(t, p.app.Accepted)
			session, _ := p.victim.WhoIs("/login?user=ann")
			e2e.ReadProof(t, attackerSocket)
			method := test.method
			if method == "" {
				method = http.MethodGet
			}
			r, err := http.NewRequestWithContext(t.Context(), method, attacker.Engine.URL("polling"), nil)
			require.NoError(t, err)
			r.Header = test.header.Clone()
			if r.Header.Get("Origin") != "" {
				r.Header.Set("Origin", p.site.URL)
			}
			r.Header["Cookie"] = p.victim.Header()["Cookie"]
			done := make(chan struct{})
			go func() { // the server answers a poll when there is an event
				defer close(done)
				if resp, err := p.site.Client().Do(r); err == nil {
					_ = resp.Body.Close()
				}
			}()
			time.Sleep(300 * time.Millisecond)

			require.Empty(t, conn.UserID(), name)
			require.Zero(t, p.srv.LoggedInSessions().Get("ann").Len(), name)
			require.Zero(t, p.srv.CurrentSessions().Get(session).Len(), name)
			attacker.Engine.Drop()
			<-done
		}
	})
}

// A poll with the new cookies proves nothing if the browser sends no Sec-Fetch
// headers. The server soon closes the connection, and the client reconnects.
func TestBrowserWithoutFetchMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testhook.AskTime = 500 * time.Millisecond
		defer func() { testhook.AskTime = 5 * time.Second }()
		p := newFixation(t, siotest.Memory, e2e.NewApp())
		p.victim.Extra = http.Header{"User-Agent": {"Mozilla/5.0"}}
		tab := p.victim.Dial("polling")
		socket := tab.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, p.app.Accepted)
		p.victim.Visit("/login?user=ann")
		e2e.ReadProof(t, socket)
		at := time.Now()

		tab.Engine.SetHeader(p.victim.Header())

		require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonIdentityChanged}, e2e.Await(t, p.app.Ended))
		require.Less(t, time.Since(at), 2*time.Second)
	})
}

// If a handler emits received events to other clients under the same names, it
// does not emit a proof.
func TestProofThatAnAppEmits(t *testing.T) {
	h := e2e.NewApp()
	var emitErr error
	h.Message = func(c *mojo.Conn, m *mojo.Message) {
		var value any
		_ = m.Decode(&value)
		emitErr = c.Channel().Emit(m.Event(), value)
	}
	p := newFixation(t, siotest.TCP, h)
	attacker := siotest.Dial(t, p.site, siotest.Options{Transport: "websocket", Header: p.attacker})
	attackerSocket := attacker.Connect(e2e.ChatNamespace, nil)
	e2e.Await(t, h.Accepted)
	p.victim.Visit("/login?user=ann")
	value := e2e.ReadProof(t, attackerSocket)
	page := p.victim.Dial("websocket").Connect(e2e.ChatNamespace, nil) // the page that loads after the login
	conn := e2e.Await(t, h.Accepted)

	attackerSocket.Emit(mojo.IdentityEvent, map[string]string{"proof": value})

	require.Equal(t, mojo.ReasonParseError, e2e.Await(t, h.Ended).Reason)
	require.ErrorIs(t, conn.Emit(mojo.IdentityEvent, map[string]string{"proof": value}), mojo.ErrReservedEvent)
	require.ErrorIs(t, conn.Channel().Emit(mojo.IdentityEvent), mojo.ErrReservedEvent)
	page.ExpectNothing()
	require.NoError(t, emitErr)
}

// A page that answers the IdentityEvent keeps its connection, even if OnConnect
// takes a long time.
func TestProofOfASlowOnConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		testhook.AskTime = 500 * time.Millisecond
		defer func() { testhook.AskTime = 5 * time.Second }()
		h := e2e.NewApp()
		h.Connect = func(*mojo.Conn) error {
			time.Sleep(2 * time.Second)
			return nil
		}
		p := newFixation(t, siotest.Memory, h)
		tab := p.victim.Dial("websocket")
		tab.SendConnect(e2e.ChatNamespace, nil)
		time.Sleep(100 * time.Millisecond)

		p.victim.Visit("/login?user=ann")
		socket, refused := tab.AwaitConnect(e2e.ChatNamespace)
		require.Nil(t, refused)

		require.Equal(t, http.StatusNoContent, e2e.SendProof(t, p.site, p.victim.Header(), e2e.ReadProof(t, socket)))
		require.Equal(t, "ann", e2e.Await(t, h.Accepted).UserID())
		time.Sleep(time.Minute)
		require.Empty(t, h.Ended)
	})
}

// If a client connects to an app many times before its proof, the number of
// queued bytes stays correct.
func TestQueuedBytesOfConnectsWithoutAProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		reached := make(chan struct{})
		h.Connect = func(c *mojo.Conn) error {
			if !c.Handshake().Query().Has("history") {
				return nil
			}
			require.NoError(t, c.Emit("history", string(make([]byte, 50_000))))
			close(reached)
			<-c.Context().Done()
			return nil
		}
		p := newFixation(t, siotest.Memory, h)
		attacker := siotest.Dial(t, p.site, siotest.Options{Transport: "websocket", Header: p.attacker})
		attackerSocket := attacker.Connect(e2e.ChatNamespace, nil)
		e2e.Await(t, h.Accepted)
		p.victim.Visit("/login?user=ann")
		e2e.ReadProof(t, attackerSocket)
		for range 500 {
			attacker.SendConnect(e2e.ChatNamespace, nil)
		}
		attacker.Barrier()
		attacker.Engine.Drop()
		time.Sleep(time.Second)
		history := siotest.Options{Transport: "websocket", Header: p.victim.Header(), Query: map[string][]string{"history": {""}}}
		siotest.Dial(t, p.site, history).SendConnect(e2e.ChatNamespace, nil)
		<-reached

		require.Greater(t, p.srv.Stats().QueuedBytes, 50_000)
		require.Less(t, p.srv.Stats().QueuedBytes, 310_000) // JSON encodes a NUL as six bytes
	})
}

// A login request that names a connection of another session does not prove
// that connection.
func TestSocketOfAnotherSession(t *testing.T) {
	h := e2e.NewApp()
	srv, site := e2e.LoginSite(t, siotest.Memory, h)
	owner, other := e2e.NewBrowser(t, site), e2e.NewBrowser(t, site)
	owner.Visit("/who")
	other.Visit("/who")
	socket := owner.Dial("websocket").Connect(e2e.ChatNamespace, nil)
	conn := e2e.Await(t, h.Accepted)

	other.Extra = http.Header{mojo.SocketIDHeader: {socket.SID()}}
	other.Visit("/login?user=mallory")

	require.Empty(t, conn.UserID())
	require.Zero(t, srv.LoggedInSessions().Len())
}

// The page script is served to pages of every origin.
func TestPageScript(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Origins: []string{"https://app.example.com"}})
	site := siotest.Serve(t, siotest.TCP, srv)
	script, err := os.ReadFile("../../../mojo.js")
	require.NoError(t, err)
	for _, header := range []http.Header{
		nil,
		{"Origin": {"https://app.example.com"}},
		{"Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"script"}},
	} {
		got := e2e.Do(t, site, http.MethodGet, site.URL+"/socket.io/mojo.js", header, "")
		require.Equal(t, http.StatusOK, got.Status)
		require.Equal(t, string(script), got.Body)
		require.Contains(t, got.Header.Get("Content-Type"), "javascript")
		require.Empty(t, got.Header["Set-Cookie"])
	}
	got := e2e.Do(t, site, http.MethodHead, site.URL+"/socket.io/mojo.js", nil, "")
	require.Equal(t, http.StatusOK, got.Status)
	require.Empty(t, got.Body)
}

// If Identify fails for the request with a proof, the answer asks the page to
// try again. A panic is counted.
func TestIdentifyThatFailsForAProof(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return e2e.ErrSecret },
		"panic": func() error { panic(e2e.ErrSecret) },
	} {
		t.Run(name, func(t *testing.T) {
			h := e2e.NewApp()
			id := mojo.Identity{SessionID: "s"}
			var failing func() error
			srv := e2e.NewServer(t, mojo.Options{Identify: func(r *http.Request) (mojo.Identity, error) {
				if failing != nil && r.Method == http.MethodPost {
					return mojo.Identity{}, failing()
				}
				return id, nil
			}})
			e2e.Register(t, srv, "Chat", h)
			site := siotest.Serve(t, siotest.Memory, srv)
			socket := e2e.Dial(t, site, "websocket").Connect(e2e.ChatNamespace, nil)
			e2e.Await(t, h.Accepted)
			id = mojo.Identity{SessionID: "new", UserID: "ann"}
			require.NoError(t, srv.Rebind(t.Context(), "s", id))
			value := e2e.ReadProof(t, socket)

			failing = fail
			require.Equal(t, http.StatusConflict, e2e.SendProof(t, site, http.Header{}, value))

			failing = nil
			require.Equal(t, http.StatusNoContent, e2e.SendProof(t, site, http.Header{}, value))
			require.Equal(t, name == "panic", srv.Stats().HandlerPanics == 1)
		})
	}
}

// If a site calls Rebind twice with the same arguments, the result is the same
// as after one call.
func TestRebindTwice(t *testing.T) {
	h := e2e.NewApp()
	now := mojo.Identity{SessionID: "new", UserID: "ann"}
	srv := e2e.NewServer(t, mojo.Options{Identify: func(*http.Request) (mojo.Identity, error) { return now, nil }})
	e2e.Register(t, srv, "Chat", h)
	require.NoError(t, srv.Rebind(t.Context(), "old", now))
	require.NoError(t, srv.Rebind(t.Context(), "old", now))

	e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket").Connect(e2e.ChatNamespace, nil)

	require.Equal(t, "ann", e2e.Await(t, h.Accepted).UserID())
}

// The server refuses an upgrade request with the cookies from before a logout:
// the WebSocket would receive events that a poll with these cookies does not
// receive.
func TestUpgradeWithOldCookies(t *testing.T) {
	h := e2e.NewApp()
	_, site := e2e.LoginSite(t, siotest.TCP, h)
	b := e2e.NewBrowser(t, site)
	b.Visit("/login?user=ann")
	tab := b.Dial("polling")
	tab.Connect(e2e.ChatNamespace, nil)
	e2e.Await(t, h.Accepted)
	before := b.Header()
	b.Visit("/logout")

	got := e2e.Do(t, site, http.MethodGet, tab.Engine.URL("websocket"), before, "")

	require.Equal(t, http.StatusBadRequest, got.Status)
}
