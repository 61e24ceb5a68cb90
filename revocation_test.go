package mojo

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/socketio"
)

// TestRevocationNames: the numbers and names that the package documents are those
// that the Socket.IO layer uses.
func TestRevocationNames(t *testing.T) {
	require.Equal(t, []int{socketio.CodeRevoked, socketio.CodeExpired, socketio.CodeInvalid, socketio.CodeRefused, socketio.CodeReplaced},
		[]int{CodeRevoked, CodeExpired, CodeInvalid, CodeRefused, CodeReplaced})
	require.Equal(t, socketio.RevokedEvent, RevokedEvent)
	require.Equal(t, socketio.ClaimEvent, IdentityEvent)
}

// TestRevokeRefusesInvalid: a Revocation with a field out of bounds closes nothing,
// and the error says which field and what was expected.
func TestRevokeRefusesInvalid(t *testing.T) {
	h := newApp()
	srv, ch := chatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	dial(t, site, "websocket", inSession("s")).Connect(chatNamespace, nil)
	session := ch.CurrentSessions().Get("s")
	for name, test := range map[string]struct {
		why  Revocation
		want string
	}{
		"code of nobody":    {Revocation{Code: 4000}, "mojo: Revocation.Code is 4000; want 0, one of the package's codes, or at least 5000"},
		"code to come":      {Revocation{Code: 4999}, "mojo: Revocation.Code is 4999; want"},
		"negative code":     {Revocation{Code: -1}, "mojo: Revocation.Code is -1; want"},
		"sentence":          {Revocation{Reason: "you are banned, ann!"}, "mojo: Revocation.Reason is not a short token; want at most 64 bytes"},
		"long reason":       {Revocation{Reason: Reason(strings.Repeat("x", 65))}, "mojo: Revocation.Reason is not a short token; want"},
		"blank reason":      {Revocation{Reason: " "}, "mojo: Revocation.Reason is not a short token; want"},
		"reason of letters": {Revocation{Reason: "gesperrt für immer"}, "mojo: Revocation.Reason is not a short token; want"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, session.Revoke(t.Context(), test.why), test.want)
			require.Equal(t, 1, session.Len())
		})
	}
	require.NoError(t, session.Revoke(t.Context(), Revocation{Code: CodeReplaced, Reason: "re-placed_1.0 x"}))
	require.Zero(t, session.Len())
}

// TestRevocationMessage: the text for a person reaches the client beside the token.
func TestRevocationMessage(t *testing.T) {
	h := newApp()
	srv, _ := chatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	socket := dial(t, site, "websocket", inSession("s")).Connect(chatNamespace, nil)

	why := Revocation{Code: 5001, Reason: "banned", Message: "You were banned by Bob, until Monday."}
	require.NoError(t, srv.CurrentSessions().Get("s").Revoke(t.Context(), why))

	socket.Expect(RevokedEvent, json.RawMessage(
		`{"code":5001,"reason":"banned","reconnect":false,"message":"You were banned by Bob, until Monday."}`))
	require.Equal(t, Reason("banned"), await(t, h.ended).reason)
}

// TestEndedContext: changes of identity are applied as a whole even if the client of
// the request, whose context is used, has gone.
func TestEndedContext(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	h := newApp()
	srv, _ := chatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	sessions, users := srv.CurrentSessions(), srv.LoggedInSessions()
	for _, id := range []string{"revoked", "other", "rebound", "out", "in"} {
		dial(t, site, "websocket", inSession(id), asUser("ann")).Connect(chatNamespace, nil)
	}

	require.NoError(t, sessions.Get("revoked").Revoke(ended, Revocation{}))
	require.False(t, sessions.Has("revoked"))
	require.Equal(t, 4, users.Get("ann").Len())

	require.NoError(t, srv.Rebind(ended, "rebound", Identity{SessionID: "new"}))
	require.True(t, sessions.Has("new"))
	require.Equal(t, 3, users.Get("ann").Len())

	r := httptest.NewRequestWithContext(ended, "POST", "/logout", nil)
	r.Header = as(inSession("out"), asUser("ann"))
	require.NoError(t, srv.LogOut(httptest.NewRecorder(), r))
	require.False(t, sessions.Has("out"))

	r = httptest.NewRequestWithContext(ended, "POST", "/login", nil)
	r.Header = as(inSession("in"), asUser("ann"))
	require.NoError(t, srv.LogIn(httptest.NewRecorder(), r, "ann"))
	require.False(t, sessions.Has("in"))

	require.NoError(t, users.Get("ann").RevokeExcept(ended, "other", Revocation{}))
	require.Equal(t, 1, users.Get("ann").Len())
	require.True(t, sessions.Has("other"))
}
