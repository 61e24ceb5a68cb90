package e2e

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// RequireReached emits an event to the session of id and one to the user of id.
// It requires that the socket receives each of them once, and none if that id
// is empty.
func RequireReached(t testing.TB, srv *mojo.Server, socket *siotest.Socket, id mojo.Identity) {
	t.Helper()
	require.NoError(t, srv.CurrentSessions().Get(id.SessionID).Emit("session", id.SessionID))
	require.NoError(t, srv.LoggedInSessions().Get(id.UserID).Emit("user", id.UserID))
	if id.SessionID != "" {
		socket.Expect("session", id.SessionID)
	}
	if id.UserID != "" {
		socket.Expect("user", id.UserID)
	}
	socket.ExpectNothing()
}

// RequireEmptyViews requires that the views of a Server and of its channels are
// empty.
func RequireEmptyViews(t testing.TB, srv *mojo.Server, channels ...*mojo.Channel) {
	t.Helper()
	views := []mojo.Sessions{srv.CurrentSessions(), srv.LoggedInSessions()}
	for _, ch := range channels {
		require.Zero(t, ch.Len())
		require.Empty(t, slices.Collect(ch.Conns()))
		views = append(views, ch.CurrentSessions(), ch.LoggedInSessions())
	}
	for _, view := range views {
		require.Zero(t, view.Len())
		require.Empty(t, SessionIDs(view))
	}
}

// SessionIDs returns the ids of the sessions in view, in any order. The result
// is never nil.
func SessionIDs(view mojo.Sessions) []string {
	list := []string{}
	for session := range view.All() {
		list = append(list, session.ID())
	}
	return list
}
