package mojo

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/testhook"
)

// follow does what a page does when its browser has logged in: for each connection
// it sends the value of the event back with the new cookies.
func follow(t testing.TB, site *siotest.Site, header http.Header, sockets ...*siotest.Socket) {
	t.Helper()
	for _, socket := range sockets {
		// Another app of the same connection, or its poll, may have been faster.
		require.Contains(t, []int{http.StatusNoContent, http.StatusNotFound}, prove(t, site, header, proofOf(t, socket)))
	}
}

// proofOf reads the IdentityEvent and returns its value.
func proofOf(t testing.TB, socket *siotest.Socket) string {
	t.Helper()
	event := socket.Next()
	require.Equal(t, IdentityEvent, event.Name)
	var args []struct{ Proof string }
	require.NoError(t, json.Unmarshal([]byte(event.JSON()), &args))
	return args[0].Proof
}

// prove sends a proof and returns the status of the answer.
func prove(t testing.TB, site *siotest.Site, header http.Header, value string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site.URL+"/socket.io/", nil)
	require.NoError(t, err)
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	r.Header.Set(IdentityHeader, value)
	resp, err := site.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// planted is a browser whose session somebody else knows, because they have planted
// it: they keep connections under it, too.
type planted struct {
	srv    *Server
	site   *siotest.Site
	app    *app
	victim *browser
	thief  http.Header // the cookie of before the login
}

func plant(t testing.TB, n siotest.Network, h *app) *planted {
	t.Helper()
	srv, site := loginSite(t, n, h)
	victim := newBrowser(t, site)
	victim.visit("/who")
	return &planted{srv, site, h, victim, victim.header()}
}

// requireNobodys requires that a connection of the thief reads what is for rooms and
// everybody, and nothing that is for the user or their session.
func (p *planted) requireNobodys(t testing.TB, socket *siotest.Socket, conn *Conn, session string) {
	t.Helper()
	require.Equal(t, Identity{}, conn.Identity())
	require.NoError(t, p.srv.LoggedInSessions().Get("ann").Emit("secret", "user"))
	require.NoError(t, p.srv.LoggedInSessions().Emit("secret", "users"))
	require.NoError(t, p.srv.CurrentSessions().Get(session).Emit("secret", "session"))
	require.NoError(t, p.srv.CurrentSessions().Emit("secret", "sessions"))
	require.NoError(t, conn.Join("room"))
	require.NoError(t, conn.Channel().To("room").Emit("to the room"))
	require.NoError(t, conn.Channel().Emit("to everybody"))
	socket.Expect("to the room")
	socket.Expect("to everybody")
	socket.ExpectNothing()
}

// TestPlantedSession: who keeps a connection under the session that a browser had
// before a login is not the user after it, and reads nothing of theirs. The
// browser's own tabs become the user's.
func TestPlantedSession(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		p := plant(t, n, newApp())
		thief := siotest.Dial(t, p.site, siotest.Options{Transport: transport, Header: p.thief})
		stolen := thief.Connect(chatNamespace, nil)
		conn := await(t, p.app.accepted)
		tabs := []*siotest.Client{p.victim.dial(transport), p.victim.dial(transport)}
		var sockets []*siotest.Socket
		var conns []*Conn
		for _, tab := range tabs {
			sockets = append(sockets, tab.Connect(chatNamespace, nil))
			conns = append(conns, await(t, p.app.accepted))
		}

		session, _ := p.victim.whoIs("/login?user=ann")

		stolenValue := proofOf(t, stolen)
		p.requireNobodys(t, stolen, conn, session)
		for _, header := range []http.Header{p.thief, {}, as(inSession("other"), asUser("ann"))} {
			require.Equal(t, http.StatusConflict, prove(t, p.site, header, stolenValue))
		}
		for i, socket := range sockets {
			value := proofOf(t, socket)
			require.Contains(t, []int{http.StatusNoContent, http.StatusNotFound}, prove(t, p.site, p.victim.header(), value))
			require.Equal(t, http.StatusNotFound, prove(t, p.site, p.victim.header(), value), "a value counts once")
			require.Equal(t, session+" ann", conns[i].SessionID()+" "+conns[i].UserID())
			tabs[i].Engine.SetHeader(p.victim.header())
		}
		require.Equal(t, 2, p.srv.LoggedInSessions().Get("ann").Len())
		require.Equal(t, 2, p.srv.CurrentSessions().Get(session).Len())

		thief.Barrier()
		require.Zero(t, stolen.Waiting(), "nothing was read to the end")
		for _, socket := range sockets { // what was sent before their proof comes after it
			socket.Expect("to everybody")
			for _, what := range []string{"user", "users", "session", "sessions"} {
				socket.Expect("secret", what)
			}
		}
	})
}

// TestLogInNamesAConnection: a login request that names a connection of its own
// session is the proof of that one, and of no other.
func TestLogInNamesAConnection(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		p := plant(t, n, newApp())
		thief := siotest.Dial(t, p.site, siotest.Options{Transport: transport, Header: p.thief}).Connect(chatNamespace, nil)
		stolen := await(t, p.app.accepted)
		stranger := dial(t, p.site, transport, inSession("other")).Connect(chatNamespace, nil)
		other := await(t, p.app.accepted)
		tab := p.victim.dial(transport)
		socket := tab.Connect(chatNamespace, nil)
		conn := await(t, p.app.accepted)

		logIn := func(header http.Header, socketID, user string) http.Header {
			w := httptest.NewRecorder()
			r := cookieRequest(header.Get("Cookie"))
			r.Header.Set(SocketIDHeader, socketID)
			require.NoError(t, p.srv.LogIn(w, r, user))
			return returned(w).Header
		}
		header := logIn(p.victim.header(), socket.SID(), "ann")
		logIn(as(inSession("eve's")), stranger.SID(), "eve")

		require.Equal(t, "ann", conn.UserID())
		require.Equal(t, Identity{}, stolen.Identity())
		require.Equal(t, Identity{SessionID: "other"}, Identity{SessionID: other.SessionID(), UserID: other.UserID()},
			"a login of another session moves nobody")
		tab.Engine.SetHeader(header)
		require.NoError(t, p.srv.LoggedInSessions().Get("ann").Emit("secret"))
		socket.Expect("secret")
		proofOf(t, thief)
		thief.ExpectNothing()
		stranger.ExpectNothing()
	})
}

// TestUnprovenConnectionsEnd in time, by their transport: soon where the page does
// not ask, and after five seconds where it does.
func TestUnprovenConnectionsEnd(t *testing.T) {
	defer func(before time.Duration) { testhook.AskTime = before }(testhook.AskTime)
	testhook.AskTime = 500 * time.Millisecond
	byTheClock(t, func(t *testing.T, transport string) {
		for _, asks := range []bool{false, true} {
			p := plant(t, siotest.Memory, newApp())
			tab := p.victim.dial(transport)
			socket := tab.Connect(chatNamespace, nil)
			conn := await(t, p.app.accepted)
			begun := time.Now()
			p.victim.visit("/login?user=ann")
			if value := proofOf(t, socket); asks {
				require.Equal(t, http.StatusConflict, prove(t, p.site, p.thief, value))
			}

			require.Equal(t, ending{conn, ReasonIdentityChanged}, await(t, p.app.ended))

			took := 500 * time.Millisecond
			if asks || transport == "polling" { // a poll is an attempt
				took = 5 * time.Second
			}
			require.InDelta(t, took, time.Since(begun), float64(200*time.Millisecond))
			tab.Engine.AwaitClosed()
			requireEmpty(t, p.srv)
		}
	})
}

// TestHeldForAProof: what is sent to the user before the proof arrives after it, in
// order; what is sent to somebody else does not.
func TestHeldForAProof(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		inside, goOn := make(chan struct{}, 2), make(chan struct{})
		h := newApp()
		h.connect = func(*Conn) error {
			inside <- struct{}{}
			<-goOn
			return nil
		}
		p := plant(t, n, h)
		tab := p.victim.dial(transport)
		tab.SendConnect(chatNamespace, nil)
		tab.SendConnect("/NewsSocket", nil)
		await(t, inside)
		await(t, inside)
		p.victim.visit("/login?user=ann")
		emit := func(n int) {
			require.NoError(t, p.srv.LoggedInSessions().Get("ann").Emit("note", n))
			require.NoError(t, p.srv.LoggedInSessions().Get("bob").Emit("not for ann", n))
		}

		emit(1)
		close(goOn) // OnConnect has been slow
		chat, _ := tab.AwaitConnect(chatNamespace)
		news, _ := tab.AwaitConnect("/NewsSocket")
		emit(2)
		require.NoError(t, p.srv.LoggedInSessions().Emit("to all users"))
		value := proofOf(t, chat)
		proofOf(t, news)
		tab.Engine.SetHeader(p.victim.header())
		prove(t, p.site, p.victim.header(), value)
		emit(3)

		for _, socket := range []*siotest.Socket{chat, news} {
			socket.Expect("note", 2)
			socket.Expect("to all users")
			socket.Expect("note", 3)
			socket.ExpectNothing()
		}
	})
}

// TestHeldForSomebodyElse: who holds the session of before and logs in with it, too,
// does not get what was held for the user.
func TestHeldForSomebodyElse(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		p := plant(t, n, newApp())
		thief := siotest.Dial(t, p.site, siotest.Options{Transport: transport, Header: p.thief})
		stolen := thief.Connect(chatNamespace, nil)
		conn := await(t, p.app.accepted)
		p.victim.visit("/login?user=ann")
		require.NoError(t, p.srv.LoggedInSessions().Get("ann").Emit("secret"))
		require.NoError(t, p.srv.LoggedInSessions().Emit("for users"))
		value := proofOf(t, stolen)

		w := httptest.NewRecorder()
		require.NoError(t, p.srv.LogIn(w, cookieRequest(p.thief.Get("Cookie")), "eve"))
		thief.Engine.SetHeader(returned(w).Header)
		prove(t, p.site, returned(w).Header, value)

		require.NoError(t, p.srv.LoggedInSessions().Get("eve").Emit("to eve"))
		for got := ""; got != "to eve"; {
			got = stolen.Next().Name
			require.NotEqual(t, "secret", got)
		}
		require.Equal(t, "eve", conn.UserID())
		stolen.ExpectNothing()
	})
}

// TestProofRequests of other sites' pages are refused.
func TestProofRequests(t *testing.T) {
	p := plant(t, siotest.TCP, newApp())
	socket := p.victim.dial("websocket").Connect(chatNamespace, nil)
	p.victim.visit("/login?user=ann")
	value := proofOf(t, socket)
	for _, from := range []http.Header{
		{"Origin": {"https://evil.example"}},
		{"Origin": {"null"}},
		{"Sec-Fetch-Site": {"same-site"}},
		{"Sec-Fetch-Site": {"cross-site"}},
	} {
		header := p.victim.header()
		maps.Copy(header, from)
		require.Equal(t, http.StatusForbidden, prove(t, p.site, header, value), from)
	}
	require.Equal(t, http.StatusNotFound, prove(t, p.site, p.victim.header(), "no such value"))
	require.Equal(t, http.StatusNoContent, prove(t, p.site, p.victim.header(), value))
}

// TestRevokedBeforeTheProof: no proof counts for a user or session that was revoked
// since the login.
func TestRevokedBeforeTheProof(t *testing.T) {
	for name, revoke := range map[string]func(srv *Server, session string) error{
		"user": func(srv *Server, _ string) error {
			return srv.LoggedInSessions().Get("ann").Revoke(t.Context(), Revocation{})
		},
		"session": func(srv *Server, s string) error {
			return srv.CurrentSessions().Get(s).Revoke(t.Context(), Revocation{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := plant(t, siotest.TCP, newApp())
			socket := p.victim.dial("websocket").Connect(chatNamespace, nil)
			conn := await(t, p.app.accepted)
			session, _ := p.victim.whoIs("/login?user=ann")
			require.NoError(t, revoke(p.srv, session))

			require.Equal(t, http.StatusConflict, prove(t, p.site, p.victim.header(), proofOf(t, socket)))

			require.Equal(t, Identity{}, conn.Identity())
			requireEmpty(t, p.srv)
		})
	}
}

// TestPollsWithOldCookies of a live connection get nothing that was sent after it
// has changed: after LogOut, and when the proof of a login has come another way.
func TestPollsWithOldCookies(t *testing.T) {
	srv, site := loginSite(t, siotest.TCP, newApp())
	b := newBrowser(t, site)
	b.visit("/login?user=ann")
	engine := siotest.Open(t, site, siotest.Options{Transport: "polling", ManualPoll: true, Header: b.header()})
	engine.Post("40" + chatNamespace + ",")
	engine.Poll()
	require.NoError(t, srv.LoggedInSessions().Get("ann").Emit("before"))
	poll := func() string {
		_, payload := engine.Poll()
		return payload
	}
	require.Contains(t, poll(), "before")
	const noop = "6"

	session, _ := b.whoIs("/logout")
	require.NoError(t, srv.CurrentSessions().Get(session).Emit("to the new session"))
	require.Equal(t, noop, poll())
	require.Equal(t, noop, poll())
	engine.SetHeader(b.header())
	require.Contains(t, poll(), "to the new session")

	b.visit("/login?user=bob")
	told := poll() // nobody's: what is for the connection and for everybody arrives
	require.Contains(t, told, IdentityEvent)
	_, value, _ := strings.Cut(told, `"proof":"`)
	value, _, _ = strings.Cut(value, `"`)
	require.Equal(t, http.StatusNoContent, prove(t, site, b.header(), value))
	require.NoError(t, srv.LoggedInSessions().Get("bob").Emit("to bob"))
	require.Equal(t, noop, poll())
	require.Equal(t, noop, poll())
	engine.SetHeader(b.header())
	require.Contains(t, poll(), "to bob")
}

// TestPollUnderWay when its connection changes is answered with what was sent
// before, and what is sent after is for the next.
func TestPollUnderWay(t *testing.T) {
	srv, site := loginSite(t, siotest.TCP, newApp())
	b := newBrowser(t, site)
	b.visit("/login?user=ann")
	engine := siotest.Open(t, site, siotest.Options{Transport: "polling", ManualPoll: true, Header: b.header()})
	engine.Post("40" + chatNamespace + ",")
	engine.Poll()
	for range rounds(1000) {
		payload := make(chan string)
		go func() {
			_, got := engine.Poll()
			payload <- got
		}()
		session, _ := b.whoIs("/logout")
		require.NoError(t, srv.CurrentSessions().Get(session).Emit("after"))
		require.Equal(t, "6", await(t, payload))

		engine.SetHeader(b.header())
		_, got := engine.Poll()
		require.Contains(t, got, "after")
	}
}
