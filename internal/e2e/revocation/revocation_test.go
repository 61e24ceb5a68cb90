package revocation

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/socketio"
)

// The documented codes and event names are those that package socketio uses.
func TestRevocationNames(t *testing.T) {
	require.Equal(t, []int{socketio.CodeRevoked, socketio.CodeExpired, socketio.CodeInvalid, socketio.CodeRefused, socketio.CodeReplaced},
		[]int{mojo.CodeRevoked, mojo.CodeExpired, mojo.CodeInvalid, mojo.CodeRefused, mojo.CodeReplaced})
	require.Equal(t, socketio.RevokedEvent, mojo.RevokedEvent)
	require.Equal(t, socketio.ClaimEvent, mojo.IdentityEvent)
}

// Revoke refuses a Revocation with an invalid field, and closes no connection.
// The error names the field and the expected value.
func TestRevokeRefusesInvalid(t *testing.T) {
	h := e2e.NewApp()
	srv, ch := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	e2e.Dial(t, site, "websocket", e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
	session := ch.CurrentSessions().Get("s")
	for name, test := range map[string]struct {
		why  mojo.Revocation
		want string
	}{
		"unassigned code":   {mojo.Revocation{Code: 4000}, "mojo: Revocation.Code is 4000; want 0, one of the package's codes, or at least 5000"},
		"reserved code":     {mojo.Revocation{Code: 4999}, "mojo: Revocation.Code is 4999; want"},
		"negative code":     {mojo.Revocation{Code: -1}, "mojo: Revocation.Code is -1; want"},
		"sentence":          {mojo.Revocation{Reason: "you are banned, ann!"}, "mojo: Revocation.Reason is not a short token; want at most 64 bytes"},
		"long reason":       {mojo.Revocation{Reason: mojo.Reason(strings.Repeat("x", 65))}, "mojo: Revocation.Reason is not a short token; want"},
		"blank reason":      {mojo.Revocation{Reason: " "}, "mojo: Revocation.Reason is not a short token; want"},
		"reason of letters": {mojo.Revocation{Reason: "gesperrt für immer"}, "mojo: Revocation.Reason is not a short token; want"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, session.Revoke(t.Context(), test.why), test.want)
			require.Equal(t, 1, session.Len())
		})
	}
	require.NoError(t, session.Revoke(t.Context(), mojo.Revocation{Code: mojo.CodeReplaced, Reason: "re-placed_1.0 x"}))
	require.Zero(t, session.Len())
}

// The client gets the Message of a Revocation and its Reason.
func TestRevocationMessage(t *testing.T) {
	h := e2e.NewApp()
	srv, _ := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	socket := e2e.Dial(t, site, "websocket", e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)

	why := mojo.Revocation{Code: 5001, Reason: "banned", Message: "You were banned by Bob, until Monday."}
	require.NoError(t, srv.CurrentSessions().Get("s").Revoke(t.Context(), why))

	socket.Expect(mojo.RevokedEvent, json.RawMessage(
		`{"code":5001,"reason":"banned","reconnect":false,"message":"You were banned by Bob, until Monday."}`))
	require.Equal(t, mojo.Reason("banned"), e2e.Await(t, h.Ended).Reason)
}

// A change of identity is complete even if the context of its request has
// ended.
func TestEndedContext(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	h := e2e.NewApp()
	srv, _ := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	sessions, users := srv.CurrentSessions(), srv.LoggedInSessions()
	for _, id := range []string{"revoked", "other", "rebound", "out", "in"} {
		e2e.Dial(t, site, "websocket", e2e.SessionCookie(id), e2e.LoginCookie("ann")).Connect(e2e.ChatNamespace, nil)
	}

	require.NoError(t, sessions.Get("revoked").Revoke(ended, mojo.Revocation{}))
	require.False(t, sessions.Has("revoked"))
	require.Equal(t, 4, users.Get("ann").Len())

	require.NoError(t, srv.Rebind(ended, "rebound", mojo.Identity{SessionID: "new"}))
	require.True(t, sessions.Has("new"))
	require.Equal(t, 3, users.Get("ann").Len())

	r := httptest.NewRequestWithContext(ended, "POST", "/logout", nil)
	r.Header = e2e.CookieHeader(e2e.SessionCookie("out"), e2e.LoginCookie("ann"))
	require.NoError(t, srv.LogOut(httptest.NewRecorder(), r))
	require.False(t, sessions.Has("out"))

	r = httptest.NewRequestWithContext(ended, "POST", "/login", nil)
	r.Header = e2e.CookieHeader(e2e.SessionCookie("in"), e2e.LoginCookie("ann"))
	require.NoError(t, srv.LogIn(httptest.NewRecorder(), r, "ann"))
	require.False(t, sessions.Has("in"))

	require.NoError(t, users.Get("ann").RevokeExcept(ended, "other", mojo.Revocation{}))
	require.Equal(t, 1, users.Get("ann").Len())
	require.True(t, sessions.Has("other"))
}
