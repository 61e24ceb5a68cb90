package lifecycle

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Stats counts current, opened, closed and refused connections.
func TestStats(t *testing.T) {
	h := e2e.NewApp()
	h.Connect = func(c *mojo.Conn) error {
		switch string(c.Handshake().Auth) {
		case `{"as":"stranger"}`:
			return mojo.ClientError{Message: "no"}
		case `{"as":"bug"}`:
			return errors.New("a bug")
		}
		return nil
	}
	h.Message = func(_ *mojo.Conn, m *mojo.Message) {
		if m.Event() == "panic" {
			panic("of the test")
		}
		require.NoError(t, m.Ack())
	}
	srv, _ := e2e.ChatServer(t, h)
	_, err := srv.Handle("/", e2e.NewApp())
	require.NoError(t, err)
	site := siotest.Serve(t, siotest.TCP, srv)
	socket := e2e.Dial(t, site, "websocket", e2e.SessionCookie("s1"), e2e.LoginCookie("ann")).Connect(e2e.ChatNamespace, nil)
	e2e.Dial(t, site, "polling", e2e.SessionCookie("s2"), e2e.LoginCookie("ann")).Connect(e2e.ChatNamespace, nil)
	e2e.Dial(t, site, "polling", e2e.SessionCookie("s2"), "logged_in=forged").Connect("/", nil)
	e2e.Dial(t, site, "websocket")
	before := srv.Stats()

	require.Equal(t, 4, before.Connections)
	require.Equal(t, 2, before.WebSockets)
	require.Equal(t, 1, before.Unconnected)
	require.Equal(t, 2, before.Sessions)
	require.Equal(t, 1, before.Users)
	require.Equal(t, []mojo.AppStats{
		{App: "Chat", Namespace: e2e.ChatNamespace, Conns: 2, Sessions: 2, Users: 1},
		{App: "", Namespace: "/", Conns: 1, Sessions: 1, Users: 0},
	}, before.Apps)
	require.EqualValues(t, 4, before.Opened)
	require.Empty(t, before.Closed)
	require.NotZero(t, before.CookieFaults["forged"])

	require.NoError(t, srv.CurrentSessions().Emit("news", "12345"))
	socket.Expect("news", "12345")
	socket.Call("question")
	now := srv.Stats()
	const news = len(`42["news","12345"]`) + len(`/ChatSocket,`)
	require.EqualValues(t, 4, now.MessagesOut-before.MessagesOut, "three news events and one ack")
	require.Greater(t, now.BytesOut-before.BytesOut, uint64(3*(news-len(`/ChatSocket,`))))
	require.EqualValues(t, 1, now.MessagesIn-before.MessagesIn)
	require.EqualValues(t, len(`2/ChatSocket,0["question"]`), now.BytesIn-before.BytesIn)

	_, refusal := e2e.Dial(t, site, "websocket").TryConnect(e2e.ChatNamespace, map[string]string{"as": "stranger"})
	require.NotNil(t, refusal)
	_, refusal = e2e.Dial(t, site, "websocket").TryConnect(e2e.ChatNamespace, map[string]string{"as": "bug"})
	require.NotNil(t, refusal)
	_, err = siotest.TryDial(t.Context(), site, siotest.Options{Header: http.Header{"Origin": {"https://evil.test"}}})
	require.Error(t, err)
	require.NoError(t, srv.CurrentSessions().Get("s2").Revoke(t.Context(), mojo.Revocation{Reason: "spam"}))
	_, err = siotest.TryDial(t.Context(), site, siotest.Options{Header: e2e.CookieHeader(e2e.SessionCookie("s2"))})
	require.Error(t, err)
	socket.Emit("panic")
	socket.AwaitDisconnected()

	end := srv.Stats()
	require.EqualValues(t, 2, end.RefusedConnects)
	require.EqualValues(t, 1, end.HandlerErrors)
	require.EqualValues(t, 1, end.HandlerPanics)
	require.EqualValues(t, 1, end.Refused["origin"])
	require.EqualValues(t, 1, end.Refused["session revoked"])
	require.EqualValues(t, 2, end.Closed["spam"])
	require.EqualValues(t, 1, end.Closed[mojo.ReasonHandlerPanic])
}

// Stats counts volatile messages that are dropped.
func TestStatsOfVolatileMessages(t *testing.T) {
	srv, ch := e2e.ChatServer(t, e2e.NewApp())
	client := siotest.Dial(t, siotest.Serve(t, siotest.Memory, srv), siotest.Options{ManualPoll: true})
	client.SendConnect(e2e.ChatNamespace, nil)
	client.Engine.Poll()
	client.AwaitConnect(e2e.ChatNamespace)

	for range 3 {
		require.NoError(t, ch.Volatile().Emit("tick"))
	}

	require.EqualValues(t, 2, srv.Stats().Dropped)
}

// Health answers 503 when the Server is full, and when it is closed.
func TestHealth(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{Limits: mojo.Limits{MaxConns: 1}})
	site := siotest.Serve(t, siotest.Memory, srv)
	check := func(status int, want string) {
		t.Helper()
		w := httptest.NewRecorder()
		srv.Health().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health", nil))
		require.Equal(t, status, w.Code)
		var body struct{ Status string }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
		require.Equal(t, want, body.Status)
	}
	check(http.StatusOK, "ok")
	e2e.Dial(t, site, "websocket")
	check(http.StatusServiceUnavailable, "full")
	e2e.Shutdown(t, srv)
	check(http.StatusServiceUnavailable, "closed")
}
