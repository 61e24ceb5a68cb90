package identity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Rebind gives connections the identity that the site chooses. Only the new
// identity reaches them.
func TestRebind(t *testing.T) {
	for name, now := range map[string]mojo.Identity{
		"another id and a user": {SessionID: "t", UserID: "bob"},
		"another id":            {SessionID: "t"},
		"another user":          {SessionID: "s", UserID: "bob"},
		"no user, the same id":  {SessionID: "s"},
		"no identity":           {},
		"a user without an id":  {UserID: "bob"},
		"the same":              {SessionID: "s", UserID: "ann"},
	} {
		t.Run(name, func(t *testing.T) {
			e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				h := e2e.NewWatchingApp()
				store, srv, site := e2e.NewSessionStore(t, n, h, mojo.Options{}, "", "s", "t", "other")
				store.Set("s", "ann")
				store.Set("other", "ann")
				client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: e2e.SessionHeader("s")})
				bystander := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: e2e.SessionHeader("other")}).Connect(e2e.ChatNamespace, nil)
				e2e.Await(t, h.Accepted)
				socket := client.Connect(e2e.ChatNamespace, nil)
				conn := e2e.Await(t, h.Accepted)
				old := mojo.Identity{SessionID: "s", UserID: "ann"}
				e2e.RequireReached(t, srv, socket, old)
				bystander.Expect("user", "ann")

				require.NoError(t, store.Rebind(srv, "s", now))

				if now.UserID == "bob" && (transport == "websocket" || now.SessionID != "s") {
					require.Empty(t, conn.UserID(), "no user without a proof, which the next poll under the same id is")
				}
				client.Engine.SetHeader(e2e.SessionHeader(now.SessionID))
				if now.UserID == "bob" {
					e2e.FollowLogin(t, site, e2e.SessionHeader(now.SessionID), socket)
					require.Equal(t, e2e.IdentityChange{Conn: conn, Old: old, Now: mojo.Identity{}}, e2e.Await(t, h.Changes))
					old = mojo.Identity{}
				}
				require.Equal(t, now, conn.Identity())
				e2e.RequireReached(t, srv, socket, now)
				if now.UserID == "ann" {
					bystander.Expect("user", "ann")
				}
				require.Equal(t, now.SessionID == "s", srv.CurrentSessions().Has("s"))
				require.Equal(t, 1, srv.LoggedInSessions().Get("ann").Len()-btoi(now.UserID == "ann"))
				if now != old {
					require.Equal(t, e2e.IdentityChange{Conn: conn, Old: old, Now: now}, e2e.Await(t, h.Changes))
				}
				bystander.ExpectNothing()
				require.Empty(t, h.Changes)
				if now.SessionID != "s" {
					late := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: e2e.SessionHeader("s")})
					late.Connect(e2e.ChatNamespace, nil)
					require.Equal(t, mojo.Identity{}, e2e.Await(t, h.Accepted).Identity())
				}
				require.Empty(t, h.Ended)
			})
		})
	}
}

// btoi returns 1 for true and 0 for false.
func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Rebind returns an error for an invalid id, and changes nothing.
func TestRebindRefuses(t *testing.T) {
	h := e2e.NewWatchingApp()
	store, srv, site := e2e.NewSessionStore(t, siotest.Memory, h, mojo.Options{}, "s", "t", "u")
	store.Set("s", "ann")
	rebound := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: e2e.SessionHeader("t")}).Connect(e2e.ChatNamespace, nil)
	require.NoError(t, srv.Rebind(t.Context(), "t", mojo.Identity{SessionID: "u"}))
	rebound.ExpectNothing()
	e2e.Await(t, h.Changes)
	socket := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: e2e.SessionHeader("s")}).Connect(e2e.ChatNamespace, nil)
	long := strings.Repeat("x", 1025)
	for want, test := range map[string]struct {
		session string
		now     mojo.Identity
	}{
		"mojo: Rebind: the session id is empty; want the one that connections have now":     {"", mojo.Identity{SessionID: "new"}},
		fmt.Sprintf("mojo: the session id has %d bytes; want at most %d", len(long), 1024):  {"s", mojo.Identity{SessionID: long}},
		fmt.Sprintf("mojo: the session id has %d bytes; want at most %d ", len(long), 1024): {long, mojo.Identity{}},
		fmt.Sprintf("mojo: the user id has %d bytes; want at most %d", len(long), 1024):     {"s", mojo.Identity{UserID: long}},
		"mojo: the session id is not valid UTF-8":                                           {"s", mojo.Identity{SessionID: "\xff"}},
		"mojo: the session id is not valid UTF-8 ":                                          {"\xff", mojo.Identity{}},
		"mojo: the user id is not valid UTF-8":                                              {"s", mojo.Identity{SessionID: "new", UserID: "\xff"}},
		"mojo: Rebind: now.SessionID was given up or revoked; want a new one":               {"s", mojo.Identity{SessionID: "t"}},
	} {
		require.EqualError(t, srv.Rebind(t.Context(), test.session, test.now), strings.TrimSpace(want))
	}
	require.NoError(t, srv.CurrentSessions().Get("v").Revoke(t.Context(), mojo.Revocation{}))
	require.ErrorContains(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "v"}), "given up or revoked")
	e2e.RequireReached(t, srv, socket, mojo.Identity{SessionID: "s", UserID: "ann"})
	require.Empty(t, h.Changes)

	require.NoError(t, srv.Rebind(t.Context(), "unused", mojo.Identity{SessionID: "new"}), "no connection has the session")
	require.EqualError(t, e2e.NewServer(t, mojo.Options{}).Rebind(t.Context(), "s", mojo.Identity{}),
		"mojo: Rebind: neither Options.Cookies nor Options.Identify is set, so nobody has a session")
}

// Rebind to no session closes the connections if RequireSession is set.
func TestRebindToNoSession(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewWatchingApp()
		_, srv, site := e2e.NewSessionStore(t, n, h, mojo.Options{RequireSession: true}, "s")
		client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: e2e.SessionHeader("s")})
		client.Connect(e2e.ChatNamespace, nil)

		require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{}))

		client.Engine.AwaitClosed()
		require.Equal(t, mojo.ReasonIdentityChanged, e2e.Await(t, h.Ended).Reason)
		e2e.RequireEmptyViews(t, srv)
		_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: e2e.SessionHeader("s")})
		require.ErrorContains(t, err, "403")
	})
}

// If a session is rebound after Identify has looked it up for a handshake, the
// server calls Identify again. After rebinds of other sessions it does not,
// unless there were very many.
func TestHandshakesDuringRebind(t *testing.T) {
	for name, test := range map[string]struct {
		rebind  func(store *e2e.SessionStore, srv *mojo.Server) error
		want    mojo.Identity
		lookups int
	}{
		"to another user": {func(store *e2e.SessionStore, srv *mojo.Server) error {
			store.Set("s", "ann")
			return srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "s", UserID: "ann"})
		}, mojo.Identity{SessionID: "s", UserID: "ann"}, 2},
		"to another id": {func(store *e2e.SessionStore, srv *mojo.Server) error {
			store.Set("t", "ann")
			return srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "t", UserID: "ann"})
		}, mojo.Identity{}, 1},
		"another session": {func(_ *e2e.SessionStore, srv *mojo.Server) error {
			return srv.Rebind(t.Context(), "other", mojo.Identity{SessionID: "other", UserID: "ann"})
		}, mojo.Identity{SessionID: "s"}, 1},
		"very many sessions": {func(_ *e2e.SessionStore, srv *mojo.Server) error {
			for i := range 1000 {
				other := fmt.Sprint(i)
				if err := srv.Rebind(t.Context(), other, mojo.Identity{SessionID: other, UserID: "ann"}); err != nil {
					return err
				}
			}
			return nil
		}, mojo.Identity{SessionID: "s"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				h := e2e.NewWatchingApp()
				store, srv, site := e2e.NewSessionStore(t, n, h, mojo.Options{}, "s")
				looked, goOn := make(chan struct{}, 1000), make(chan struct{})
				store.AfterLookup = func() {
					looked <- struct{}{}
					<-goOn
				}
				dialed := make(chan *siotest.Client, 1)
				go func() {
					client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: e2e.SessionHeader("s")})
					if err != nil {
						t.Error(err)
					}
					dialed <- client
				}()
				e2e.Await(t, looked)

				require.NoError(t, test.rebind(store, srv))

				close(goOn)
				client := e2e.Await(t, dialed)
				require.NotNil(t, client)
				client.Connect(e2e.ChatNamespace, nil)
				require.Equal(t, test.want, e2e.Await(t, h.Accepted).Identity())
				require.Empty(t, h.Changes, "the connection began after the rebind")
				if transport == "websocket" { // a WebSocket needs one request
					require.Len(t, looked, test.lookups-1)
				}
			})
		})
	}
}
