package proof

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/testhook"
)

// fixation is an attack by session fixation: the attacker has planted a session
// cookie in the victim's browser, and keeps connections under that session.
type fixation struct {
	srv      *mojo.Server
	site     *siotest.Site
	app      *e2e.App
	victim   *e2e.Browser
	attacker http.Header // headers with the cookie from before the login
}

// newFixation serves a LoginSite, whose pages the victim's browser has visited.
func newFixation(t testing.TB, n siotest.Network, h *e2e.App) *fixation {
	t.Helper()
	srv, site := e2e.LoginSite(t, n, h)
	victim := e2e.NewBrowser(t, site)
	victim.Visit("/who")
	return &fixation{srv, site, h, victim, victim.Header()}
}

// requireNoIdentity requires that the attacker's connection has no identity: it
// receives events to rooms and to all connections, and no events to the user or
// the session.
func (p *fixation) requireNoIdentity(t testing.TB, socket *siotest.Socket, conn *mojo.Conn, session string) {
	t.Helper()
	require.Equal(t, mojo.Identity{}, conn.Identity())
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

// After a login, an attacker's connection with the old session has no identity
// and receives no event for the user. The tabs of the browser get the user
// after their proof.
func TestSessionFixation(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		p := newFixation(t, n, e2e.NewApp())
		attacker := siotest.Dial(t, p.site, siotest.Options{Transport: transport, Header: p.attacker})
		attackerSocket := attacker.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, p.app.Accepted)
		tabs := []*siotest.Client{p.victim.Dial(transport), p.victim.Dial(transport)}
		var sockets []*siotest.Socket
		var conns []*mojo.Conn
		for _, tab := range tabs {
			sockets = append(sockets, tab.Connect(e2e.ChatNamespace, nil))
			conns = append(conns, e2e.Await(t, p.app.Accepted))
		}

		session, _ := p.victim.WhoIs("/login?user=ann")

		attackerProof := e2e.ReadProof(t, attackerSocket)
		p.requireNoIdentity(t, attackerSocket, conn, session)
		for _, header := range []http.Header{p.attacker, {}, e2e.CookieHeader(e2e.SessionCookie("other"), e2e.LoginCookie("ann"))} {
			require.Equal(t, http.StatusConflict, e2e.SendProof(t, p.site, header, attackerProof))
		}
		for i, socket := range sockets {
			value := e2e.ReadProof(t, socket)
			require.Contains(t, []int{http.StatusNoContent, http.StatusNotFound}, e2e.SendProof(t, p.site, p.victim.Header(), value))
			require.Equal(t, http.StatusNotFound, e2e.SendProof(t, p.site, p.victim.Header(), value), "a value counts once")
			require.Equal(t, session+" ann", conns[i].SessionID()+" "+conns[i].UserID())
			tabs[i].Engine.SetHeader(p.victim.Header())
		}
		require.Equal(t, 2, p.srv.LoggedInSessions().Get("ann").Len())
		require.Equal(t, 2, p.srv.CurrentSessions().Get(session).Len())

		attacker.Barrier()
		require.Zero(t, attackerSocket.Unread(), "the attacker has unread events")
		for _, socket := range sockets { // events that were sent before the proof arrive after it
			socket.Expect("to everybody")
			for _, what := range []string{"user", "users", "session", "sessions"} {
				socket.Expect("secret", what)
			}
		}
	})
}

// A login request that names a connection of its own session is a proof for
// that connection, and for no other.
func TestLogInNamesAConnection(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		p := newFixation(t, n, e2e.NewApp())
		attacker := siotest.Dial(t, p.site, siotest.Options{Transport: transport, Header: p.attacker}).Connect(e2e.ChatNamespace, nil)
		attackerSocket := e2e.Await(t, p.app.Accepted)
		stranger := e2e.Dial(t, p.site, transport, e2e.SessionCookie("other")).Connect(e2e.ChatNamespace, nil)
		other := e2e.Await(t, p.app.Accepted)
		tab := p.victim.Dial(transport)
		socket := tab.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, p.app.Accepted)

		logIn := func(header http.Header, socketID, user string) http.Header {
			w := httptest.NewRecorder()
			r := cookietest.Request(header.Get("Cookie"))
			r.Header.Set(mojo.SocketIDHeader, socketID)
			require.NoError(t, p.srv.LogIn(w, r, user))
			return cookietest.NextRequest(w).Header
		}
		header := logIn(p.victim.Header(), socket.SID(), "ann")
		logIn(e2e.CookieHeader(e2e.SessionCookie("eve's")), stranger.SID(), "eve")

		require.Equal(t, "ann", conn.UserID())
		require.Equal(t, mojo.Identity{}, attackerSocket.Identity())
		require.Equal(t, mojo.Identity{SessionID: "other"}, mojo.Identity{SessionID: other.SessionID(), UserID: other.UserID()},
			"a login of another session changes no connection")
		tab.Engine.SetHeader(header)
		require.NoError(t, p.srv.LoggedInSessions().Get("ann").Emit("secret"))
		socket.Expect("secret")
		e2e.ReadProof(t, attacker)
		attacker.ExpectNothing()
		stranger.ExpectNothing()
	})
}

// The server closes a connection without a proof: soon if its page does not
// send one, and after five seconds if it sends a wrong one.
func TestUnprovenConnectionsEnd(t *testing.T) {
	defer func(before time.Duration) { testhook.AskTime = before }(testhook.AskTime)
	testhook.AskTime = 500 * time.Millisecond
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		for _, sendsWrongProof := range []bool{false, true} {
			p := newFixation(t, siotest.Memory, e2e.NewApp())
			tab := p.victim.Dial(transport)
			socket := tab.Connect(e2e.ChatNamespace, nil)
			conn := e2e.Await(t, p.app.Accepted)
			begun := time.Now()
			p.victim.Visit("/login?user=ann")
			if value := e2e.ReadProof(t, socket); sendsWrongProof {
				require.Equal(t, http.StatusConflict, e2e.SendProof(t, p.site, p.attacker, value))
			}

			require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonIdentityChanged}, e2e.Await(t, p.app.Ended))

			timeout := 500 * time.Millisecond
			if sendsWrongProof || transport == "polling" { // a poll with the old cookies counts as a wrong proof
				timeout = 5 * time.Second
			}
			require.InDelta(t, timeout, time.Since(begun), float64(200*time.Millisecond))
			tab.Engine.AwaitClosed()
			e2e.RequireEmptyViews(t, p.srv)
		}
	})
}

// Events to the user that are sent before the proof arrive after it, in order.
// Events to other users do not arrive.
func TestEventsHeldForAProof(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		inside, goOn := make(chan struct{}, 2), make(chan struct{})
		h := e2e.NewApp()
		h.Connect = func(*mojo.Conn) error {
			inside <- struct{}{}
			<-goOn
			return nil
		}
		p := newFixation(t, n, h)
		tab := p.victim.Dial(transport)
		tab.SendConnect(e2e.ChatNamespace, nil)
		tab.SendConnect("/NewsSocket", nil)
		e2e.Await(t, inside)
		e2e.Await(t, inside)
		p.victim.Visit("/login?user=ann")
		emit := func(n int) {
			require.NoError(t, p.srv.LoggedInSessions().Get("ann").Emit("note", n))
			require.NoError(t, p.srv.LoggedInSessions().Get("bob").Emit("not for ann", n))
		}

		emit(1)
		close(goOn) // lets OnConnect return after the login
		chat, _ := tab.AwaitConnect(e2e.ChatNamespace)
		news, _ := tab.AwaitConnect("/NewsSocket")
		emit(2)
		require.NoError(t, p.srv.LoggedInSessions().Emit("to all users"))
		value := e2e.ReadProof(t, chat)
		e2e.ReadProof(t, news)
		tab.Engine.SetHeader(p.victim.Header())
		e2e.SendProof(t, p.site, p.victim.Header(), value)
		emit(3)

		for _, socket := range []*siotest.Socket{chat, news} {
			socket.Expect("note", 2)
			socket.Expect("to all users")
			socket.Expect("note", 3)
			socket.ExpectNothing()
		}
	})
}

// An attacker who logs in with the old session does not receive the events that
// are held for the user.
func TestHeldEventsOfAnotherUser(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		p := newFixation(t, n, e2e.NewApp())
		attacker := siotest.Dial(t, p.site, siotest.Options{Transport: transport, Header: p.attacker})
		attackerSocket := attacker.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, p.app.Accepted)
		p.victim.Visit("/login?user=ann")
		require.NoError(t, p.srv.LoggedInSessions().Get("ann").Emit("secret"))
		require.NoError(t, p.srv.LoggedInSessions().Emit("for users"))
		value := e2e.ReadProof(t, attackerSocket)

		w := httptest.NewRecorder()
		require.NoError(t, p.srv.LogIn(w, cookietest.Request(p.attacker.Get("Cookie")), "eve"))
		attacker.Engine.SetHeader(cookietest.NextRequest(w).Header)
		e2e.SendProof(t, p.site, cookietest.NextRequest(w).Header, value)

		require.NoError(t, p.srv.LoggedInSessions().Get("eve").Emit("to eve"))
		for got := ""; got != "to eve"; {
			got = attackerSocket.Next().Name
			require.NotEqual(t, "secret", got)
		}
		require.Equal(t, "eve", conn.UserID())
		attackerSocket.ExpectNothing()
	})
}

// Proofs from pages of other sites are refused.
func TestProofRequests(t *testing.T) {
	p := newFixation(t, siotest.TCP, e2e.NewApp())
	socket := p.victim.Dial("websocket").Connect(e2e.ChatNamespace, nil)
	p.victim.Visit("/login?user=ann")
	value := e2e.ReadProof(t, socket)
	for _, from := range []http.Header{
		{"Origin": {"https://evil.example"}},
		{"Origin": {"null"}},
		{"Sec-Fetch-Site": {"same-site"}},
		{"Sec-Fetch-Site": {"cross-site"}},
	} {
		header := p.victim.Header()
		maps.Copy(header, from)
		require.Equal(t, http.StatusForbidden, e2e.SendProof(t, p.site, header, value), from)
	}
	require.Equal(t, http.StatusNotFound, e2e.SendProof(t, p.site, p.victim.Header(), "no such value"))
	require.Equal(t, http.StatusNoContent, e2e.SendProof(t, p.site, p.victim.Header(), value))
}

// A proof has no effect if the user or the session was revoked after the login.
func TestRevokedBeforeTheProof(t *testing.T) {
	for name, test := range map[string]struct {
		revoke func(srv *mojo.Server, session string) error
		status int // of the proof
	}{
		"user": {func(srv *mojo.Server, _ string) error {
			return srv.LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{})
		}, http.StatusConflict},
		"session, which ends the connection that would get it": {func(srv *mojo.Server, s string) error {
			return srv.CurrentSessions().Get(s).Revoke(t.Context(), mojo.Revocation{})
		}, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFixation(t, siotest.TCP, e2e.NewApp())
			socket := p.victim.Dial("websocket").Connect(e2e.ChatNamespace, nil)
			conn := e2e.Await(t, p.app.Accepted)
			session, _ := p.victim.WhoIs("/login?user=ann")
			require.NoError(t, test.revoke(p.srv, session))

			require.Equal(t, test.status, e2e.SendProof(t, p.site, p.victim.Header(), e2e.ReadProof(t, socket)))

			require.Equal(t, mojo.Identity{}, conn.Identity())
			e2e.RequireEmptyViews(t, p.srv)
		})
	}
}

// Polls with old cookies receive no event that was sent after the identity
// changed, neither after LogOut nor after a proof in another request.
func TestPollsWithOldCookies(t *testing.T) {
	srv, site := e2e.LoginSite(t, siotest.TCP, e2e.NewApp())
	b := e2e.NewBrowser(t, site)
	b.Visit("/login?user=ann")
	engine := siotest.Open(t, site, siotest.Options{Transport: "polling", ManualPoll: true, Header: b.Header()})
	engine.Post("40" + e2e.ChatNamespace + ",")
	engine.Poll()
	require.NoError(t, srv.LoggedInSessions().Get("ann").Emit("before"))
	poll := func() string {
		_, payload := engine.Poll()
		return payload
	}
	require.Contains(t, poll(), "before")
	const noop = "6"

	session, _ := b.WhoIs("/logout")
	require.NoError(t, srv.CurrentSessions().Get(session).Emit("to the new session"))
	require.Equal(t, noop, poll())
	require.Equal(t, noop, poll())
	engine.SetHeader(b.Header())
	require.Contains(t, poll(), "to the new session")

	b.Visit("/login?user=bob")
	payload := poll() // the connection has no identity, and receives events to itself and to all
	require.Contains(t, payload, mojo.IdentityEvent)
	_, value, _ := strings.Cut(payload, `"proof":"`)
	value, _, _ = strings.Cut(value, `"`)
	require.Equal(t, http.StatusNoContent, e2e.SendProof(t, site, b.Header(), value))
	require.NoError(t, srv.LoggedInSessions().Get("bob").Emit("to bob"))
	require.Equal(t, noop, poll())
	require.Equal(t, noop, poll())
	engine.SetHeader(b.Header())
	require.Contains(t, poll(), "to bob")
}

// When the identity changes, the server answers the poll in progress without
// events. Later events are in the answer to the next poll.
func TestPollUnderWay(t *testing.T) {
	srv, site := e2e.LoginSite(t, siotest.TCP, e2e.NewApp())
	b := e2e.NewBrowser(t, site)
	b.Visit("/login?user=ann")
	engine := siotest.Open(t, site, siotest.Options{Transport: "polling", ManualPoll: true, Header: b.Header()})
	engine.Post("40" + e2e.ChatNamespace + ",")
	engine.Poll()
	for range e2e.Rounds(1000) {
		payload := make(chan string)
		go func() {
			_, got := engine.Poll()
			payload <- got
		}()
		session, _ := b.WhoIs("/logout")
		require.NoError(t, srv.CurrentSessions().Get(session).Emit("after"))
		require.Equal(t, "6", e2e.Await(t, payload))

		engine.SetHeader(b.Header())
		_, got := engine.Poll()
		require.Contains(t, got, "after")
	}
}
