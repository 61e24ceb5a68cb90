package mojo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// ownSessions is a site with sessions of its own: a client names its session in a header, and the site knows whose
// that is.
type ownSessions struct {
	mu   sync.Mutex // guards what follows
	user map[string]string
	look func() // called by each Identify when it knows the answer; may be nil
}

func (o *ownSessions) identify(r *http.Request) (Identity, error) {
	session := r.Header.Get("X-Session")
	o.mu.Lock()
	user, known := o.user[session]
	look := o.look
	o.mu.Unlock()
	if look != nil {
		look()
	}
	if session != "" && !known {
		return Identity{}, errors.New("no such session")
	}
	return Identity{SessionID: session, UserID: user}, nil
}

func (o *ownSessions) set(session, user string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.user[session] = user
}

// rebind is set and Rebind at once: a poll in between would be refused, as it comes as somebody whom the Server does
// not know of yet, and the client would start anew.
func (o *ownSessions) rebind(srv *Server, session string, now Identity) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.user[now.SessionID] = now.UserID
	return srv.Rebind(context.Background(), session, now)
}

// newOwnSessions is a Server for them, with the app Chat; all sessions are nobody's.
func newOwnSessions(t testing.TB, n siotest.Network, h SocketHandler, opts Options, sessions ...string) (*ownSessions, *Server, *siotest.Site) {
	t.Helper()
	own := &ownSessions{user: make(map[string]string)}
	for _, session := range sessions {
		own.user[session] = ""
	}
	opts.Identify = own.identify
	srv := newTestServer(t, opts)
	register(t, srv, "Chat", h)
	return own, srv, siotest.Serve(t, n, srv)
}

func named(session string) http.Header { return http.Header{"X-Session": {session}} }

// requireReached requires that what goes to an identity reaches the socket once for each of its ids.
func requireReached(t testing.TB, srv *Server, socket *siotest.Socket, id Identity) {
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

// TestRebind: connections go on as whom the site says, to others by the next id or by none, and are to be reached in
// no other way.
func TestRebind(t *testing.T) {
	for name, now := range map[string]Identity{
		"another id and a user": {SessionID: "t", UserID: "bob"},
		"another id":            {SessionID: "t"},
		"another user":          {SessionID: "s", UserID: "bob"},
		"nobody, by the old id": {SessionID: "s"},
		"nobody":                {},
		"a user without an id":  {UserID: "bob"},
		"the same":              {SessionID: "s", UserID: "ann"},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				h := newWatchingApp()
				own, srv, site := newOwnSessions(t, n, h, Options{}, "", "s", "t", "other")
				own.set("s", "ann")
				own.set("other", "ann")
				client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: named("s")})
				bystander := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: named("other")}).Connect(chatNamespace, nil)
				await(t, h.accepted)
				socket := client.Connect(chatNamespace, nil)
				conn := await(t, h.accepted)
				old := Identity{SessionID: "s", UserID: "ann"}
				requireReached(t, srv, socket, old)
				bystander.Expect("user", "ann")

				require.NoError(t, own.rebind(srv, "s", now))

				client.Engine.SetHeader(named(now.SessionID))
				if now.UserID == "bob" {
					require.Empty(t, conn.UserID(), "nobody without a proof")
					follow(t, site, named(now.SessionID), socket)
					require.Equal(t, change{conn, old, Identity{}}, await(t, h.changes))
					old = Identity{}
				}
				require.Equal(t, now, conn.Identity())
				requireReached(t, srv, socket, now)
				if now.UserID == "ann" {
					bystander.Expect("user", "ann")
				}
				require.Equal(t, now.SessionID == "s", srv.CurrentSessions().Has("s"))
				require.Equal(t, 1, srv.LoggedInSessions().Get("ann").Len()-btoi(now.UserID == "ann"))
				if now != old {
					require.Equal(t, change{conn, old, now}, await(t, h.changes))
				}
				bystander.ExpectNothing()
				require.Empty(t, h.changes)
				if now.SessionID != "s" {
					late := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: named("s")})
					late.Connect(chatNamespace, nil)
					require.Equal(t, Identity{}, await(t, h.accepted).Identity())
				}
				require.Empty(t, h.ended)
			})
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestRebindRefuses and changes nothing.
func TestRebindRefuses(t *testing.T) {
	h := newWatchingApp()
	own, srv, site := newOwnSessions(t, siotest.Memory, h, Options{}, "s", "t", "u")
	own.set("s", "ann")
	gone := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: named("t")}).Connect(chatNamespace, nil)
	require.NoError(t, srv.Rebind(t.Context(), "t", Identity{SessionID: "u"}))
	gone.ExpectNothing()
	await(t, h.changes)
	socket := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: named("s")}).Connect(chatNamespace, nil)
	long := strings.Repeat("x", 1025)
	for want, test := range map[string]struct {
		session string
		now     Identity
	}{
		"mojo: Rebind: the session id is empty; want the one that connections have now":     {"", Identity{SessionID: "new"}},
		fmt.Sprintf("mojo: the session id has %d bytes; want at most %d", len(long), 1024):  {"s", Identity{SessionID: long}},
		fmt.Sprintf("mojo: the session id has %d bytes; want at most %d ", len(long), 1024): {long, Identity{}},
		fmt.Sprintf("mojo: the user id has %d bytes; want at most %d", len(long), 1024):     {"s", Identity{UserID: long}},
		"mojo: the session id is not valid UTF-8":                                           {"s", Identity{SessionID: "\xff"}},
		"mojo: the session id is not valid UTF-8 ":                                          {"\xff", Identity{}},
		"mojo: the user id is not valid UTF-8":                                              {"s", Identity{SessionID: "new", UserID: "\xff"}},
		"mojo: Rebind: now.SessionID was given up or revoked; want a new one":               {"s", Identity{SessionID: "t"}},
	} {
		require.EqualError(t, srv.Rebind(t.Context(), test.session, test.now), strings.TrimSpace(want))
	}
	require.NoError(t, srv.CurrentSessions().Get("v").Revoke(t.Context(), Revocation{}))
	require.ErrorContains(t, srv.Rebind(t.Context(), "s", Identity{SessionID: "v"}), "given up or revoked")
	requireReached(t, srv, socket, Identity{SessionID: "s", UserID: "ann"})
	require.Empty(t, h.changes)

	require.NoError(t, srv.Rebind(t.Context(), "nobody's", Identity{SessionID: "new"}), "nobody is connected")
	require.EqualError(t, newTestServer(t, Options{}).Rebind(t.Context(), "s", Identity{}),
		"mojo: Rebind: neither Options.Cookies nor Options.Identify is set, so nobody has a session")
}

// TestRebindToNoSession closes connections where everybody must have one.
func TestRebindToNoSession(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newWatchingApp()
		_, srv, site := newOwnSessions(t, n, h, Options{RequireSession: true}, "s")
		client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: named("s")})
		client.Connect(chatNamespace, nil)

		require.NoError(t, srv.Rebind(t.Context(), "s", Identity{}))

		client.Engine.AwaitClosed()
		require.Equal(t, ReasonIdentityChanged, await(t, h.ended).reason)
		requireEmpty(t, srv)
		_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: named("s")})
		require.ErrorContains(t, err, "403")
	})
}

// TestHandshakesDuringRebind: one whose identity was looked up just before the session became somebody else's is
// looked up again, and is that one's; changes of other sessions do not delay it, unless there were very many.
func TestHandshakesDuringRebind(t *testing.T) {
	for name, test := range map[string]struct {
		rebind func(own *ownSessions, srv *Server) error
		want   Identity
		looks  int
	}{
		"to another user": {func(own *ownSessions, srv *Server) error {
			own.set("s", "ann")
			return srv.Rebind(t.Context(), "s", Identity{SessionID: "s", UserID: "ann"})
		}, Identity{SessionID: "s", UserID: "ann"}, 2},
		"to another id": {func(own *ownSessions, srv *Server) error {
			own.set("t", "ann")
			return srv.Rebind(t.Context(), "s", Identity{SessionID: "t", UserID: "ann"})
		}, Identity{}, 1},
		"of another session": {func(_ *ownSessions, srv *Server) error {
			return srv.Rebind(t.Context(), "other", Identity{SessionID: "other", UserID: "ann"})
		}, Identity{SessionID: "s"}, 1},
		"of very many": {func(_ *ownSessions, srv *Server) error {
			for i := range 1000 {
				other := fmt.Sprint(i)
				if err := srv.Rebind(t.Context(), other, Identity{SessionID: other, UserID: "ann"}); err != nil {
					return err
				}
			}
			return nil
		}, Identity{SessionID: "s"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				h := newWatchingApp()
				own, srv, site := newOwnSessions(t, n, h, Options{}, "s")
				looked, goOn := make(chan struct{}, 1000), make(chan struct{})
				own.look = func() {
					looked <- struct{}{}
					<-goOn
				}
				dialed := make(chan *siotest.Client, 1)
				go func() {
					client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: named("s")})
					if err != nil {
						t.Error(err)
					}
					dialed <- client
				}()
				await(t, looked)

				require.NoError(t, test.rebind(own, srv))

				close(goOn)
				client := await(t, dialed)
				require.NotNil(t, client)
				client.Connect(chatNamespace, nil)
				require.Equal(t, test.want, await(t, h.accepted).Identity())
				require.Empty(t, h.changes, "it began after the change")
				if transport == "websocket" { // which is a single request
					require.Len(t, looked, test.looks-1)
				}
			})
		})
	}
}
