package socketio

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestLedgerIsBounded: the oldest give way.
func TestLedgerIsBounded(t *testing.T) {
	var l ledger[int]
	until := time.Now().Add(time.Hour)
	const extra = 100
	for i := range maxLedger + extra {
		l.note(fmt.Sprint(i), i, until)
	}

	require.Len(t, l.entries, maxLedger)
	require.Equal(t, maxLedger, l.order.Len())
	_, in := l.look(fmt.Sprint(extra - 1))
	require.False(t, in)
	v, in := l.look(fmt.Sprint(extra))
	require.True(t, in)
	require.Equal(t, extra, v)
}

// TestLedgerExpires, and what has expired takes no room when others come.
func TestLedgerExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l ledger[int]
		l.note("a", 1, time.Now().Add(time.Hour))
		time.Sleep(time.Hour)
		_, in := l.look("a")
		require.True(t, in)
		_, in = l.look("")
		require.False(t, in)

		time.Sleep(time.Second)
		_, in = l.look("a")
		require.False(t, in)
		l.note("b", 2, time.Time{})
		require.Len(t, l.entries, 1)
		require.Equal(t, 1, l.order.Len())
		time.Sleep(1e6 * time.Hour)
		_, in = l.look("b")
		require.True(t, in, "without a time it is for ever")
	})
}

// clientOf is a client of nobody else's concern.
func clientOf(id Identity) *client {
	c := new(client)
	c.standing.Store(&standing{Identified: Identified{Identity: id}})
	return c
}

// enter admits a client as the server does.
func enter(t testing.TB, r *registry, id Identity) (*client, welcome) {
	t.Helper()
	c := new(client)
	w, again, err := r.admit(c, &standing{Identified: Identified{Identity: id}}, r.inPlace.n, new(Options))
	require.NoError(t, err)
	require.False(t, again)
	return c, w
}

// TestAdmitAndForget: a connection is under its identity until it is forgotten; one with a session that was given up
// is under none, but its requests come with the cookies it came with.
func TestAdmitAndForget(t *testing.T) {
	var r registry
	r.init(new(Server))
	a, _ := enter(t, &r, Identity{"s", "u"})
	b, _ := enter(t, &r, Identity{"s", ""})
	loner, _ := enter(t, &r, Identity{"", "u"})
	nobody, _ := enter(t, &r, Identity{})
	to := Identified{Identity: Identity{"new", "v"}}

	moved, closed, err := r.change(Change{To: to})
	require.NoError(t, err)
	require.Empty(t, moved)
	require.Empty(t, closed)

	moved, closed, err = r.change(Change{From: Identity{"", "u"}, To: to})
	require.NoError(t, err)
	require.Empty(t, moved)
	require.Equal(t, []*client{loner}, closed)

	moved, closed, err = r.change(Change{From: Identity{"s", "u"}, To: to})
	require.NoError(t, err)
	require.Len(t, moved, 2)
	require.Empty(t, closed)
	for _, c := range []*client{a, b} {
		require.Equal(t, Identified{}, c.standing.Load().Identified, "nobody without a proof")
		prove(t, &r, c, to)
		require.Equal(t, to, c.standing.Load().Identified)
	}
	late, w := enter(t, &r, Identity{"s", "u"})
	require.Equal(t, early, w)
	require.Equal(t, Identity{}, late.standing.Load().Identity)
	require.Equal(t, Identity{"s", "u"}, late.expected)

	_, _, err = r.change(Change{From: Identity{"x", ""}, To: Identified{Identity: Identity{"s", "u"}}})
	require.ErrorIs(t, err, ErrGivenUp)

	for _, c := range []*client{a, b, loner, nobody, late} {
		r.forget(c)
		r.forget(c)
	}
	requireNobody(t, &r)
}

// prove makes a client what it claims.
func prove(t *testing.T, r *registry, c *client, to Identified) {
	t.Helper()
	_, is := r.grant(c, to)
	require.NotNil(t, is)
}

// TestAdmitLooksAgain, if an identity has changed between the check of a cookie and the entry in the index.
func TestAdmitLooksAgain(t *testing.T) {
	var r registry
	r.init(new(Server))
	seen := r.changesInPlace()
	_, _, err := r.change(Change{From: Identity{"s", ""}, To: Identified{Identity: Identity{"s", "u"}}})
	require.NoError(t, err)

	_, again, err := r.admit(new(client), &standing{Identified: Identified{Identity: Identity{"s", ""}}}, seen, new(Options))

	require.NoError(t, err)
	require.True(t, again)
	requireNobody(t, &r)
}

// requireNobody requires that nothing is left in the indexes of connections and of everybody.
func requireNobody(t testing.TB, r *registry) {
	t.Helper()
	r.mu.RLock()
	defer r.mu.RUnlock()
	for k := range r.clients {
		require.Zero(t, r.clients[k].len())
	}
	requireScopeEmpty(t, &r.all)
}

func requireScopeEmpty(t testing.TB, sc *scope) {
	t.Helper()
	require.Zero(t, sc.everyone.len())
	require.Empty(t, sc.everyone.at)
	require.Empty(t, sc.byID)
	for k := range sc.keyed {
		require.Zero(t, sc.keyed[k].len())
	}
}

// TestChangeWaitsForWhoQueues: whoever looks at an identity to queue something holds the lock of the socket until that
// is done, and a change is not over before.
func TestChangeWaitsForWhoQueues(t *testing.T) {
	app := newTestApp()
	s, _, site := serve(t, app, "/")
	dial(t, site, "websocket", "s", "u").Connect("/", nil)
	socket := await(t, app.connected)
	done := make(chan error, 1)

	socket.mu.Lock()
	go func() {
		done <- s.Change(Change{From: Identity{"s", "u"}, To: Identified{Identity: Identity{"t", ""}}})
	}()
	for socket.Identity().User != "" {
		runtime.Gosched()
	}
	for range 1000 {
		runtime.Gosched()
	}
	early := len(done)
	socket.mu.Unlock()

	require.Zero(t, early)
	require.NoError(t, await(t, done))
}

// TestLedgerKeepsTheLatest: what is noted again is the latest.
func TestLedgerKeepsTheLatest(t *testing.T) {
	var l ledger[int]
	for i := range maxLedger {
		l.note(fmt.Sprint(i), i, time.Time{})
	}
	l.note("0", -1, time.Time{})
	l.note("new", 1, time.Time{})

	v, in := l.look("0")
	require.True(t, in)
	require.Equal(t, -1, v)
	_, in = l.look("1")
	require.False(t, in)
	require.Len(t, l.entries, maxLedger)
}

// TestAdmitOfARevokedLogin, whose handshake was under way while it was revoked, is a session that is not logged in.
func TestAdmitOfARevokedLogin(t *testing.T) {
	var r registry
	r.init(new(Server))
	id := Identity{"s", "u"}
	proven := time.Now().Add(-time.Second)
	r.revoke(Key{User, "u"}, "spared", true, time.Time{})

	for want, is := range map[string]Identified{
		"":   {Identity: id, Proven: proven},
		"u":  {Identity: id, Proven: time.Now().Add(time.Second)},
		"u ": {Identity: id}, // it is not known when that was
	} {
		c := new(client)
		_, _, err := r.admit(c, &standing{Identified: is}, 0, new(Options))
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(want), c.standing.Load().User)
		require.Equal(t, id, c.expected, "its requests come with the cookies it came with")
	}
	c := new(client)
	_, _, err := r.admit(c, &standing{Identified: Identified{Identity: Identity{"spared", "u"}, Proven: proven}}, 0, new(Options))
	require.NoError(t, err)
	require.Equal(t, "u", c.standing.Load().User)
}

// identityApp is a testApp that is told of identities, too.
type identityApp struct{ *testApp }

func (a identityApp) Changed(s *Socket, _, to Identified) *Refusal {
	defer a.tell(s, "identity "+to.User)()
	a.connected <- s
	return nil
}

// TestNothingIsToldAfterDisconnect, when a socket ends while its identity changes.
func TestNothingIsToldAfterDisconnect(t *testing.T) {
	app := newTestApp()
	s := NewServer(serverOptions())
	t.Cleanup(s.Close)
	require.True(t, s.Mount(s.NewNamespace("/", app, Watchers{Identity: identityApp{app}})))
	site := siotest.Serve(t, siotest.Memory, s)
	dial(t, site, "websocket", "s", "").Connect("/", nil)
	socket := await(t, app.connected)
	was := socket.client.standing.Load()
	ann := Identified{Identity: Identity{"s", "ann"}}
	require.NoError(t, s.Change(Change{From: Identity{"s", ""}, To: ann}))
	require.True(t, socket.client.proves(ann))
	await(t, app.connected)

	socket.end(ClientDisconnect)
	socket.identityChanged(was, socket.client.standing.Load())

	require.NoError(t, s.Shutdown(t.Context()))
	require.Equal(t, []string{"connect ", "identity ann", "disconnect"}, app.told)
}

// TestRevokeFindsWhatIsReplaced: a socket whose place another takes on its namespace, and that one.
func TestRevokeFindsWhatIsReplaced(t *testing.T) {
	app := newTestApp()
	entered, goOn := make(chan struct{}), make(chan struct{})
	first := true
	app.connect = func(*Socket, []byte) *Refusal {
		if !first {
			entered <- struct{}{}
			<-goOn
		}
		first = false
		return nil
	}
	s, namespaces, site := serve(t, app, "/")
	client := dial(t, site, "websocket", "s", "u")
	old := client.Connect("/", nil)
	replaced := await(t, app.connected)
	client.SendConnect("/", nil)
	require.Equal(t, ClientDisconnect, await(t, app.ended))
	await(t, entered)
	require.True(t, replaced.Ended())

	s.Revoke(View{Server: s}, Key{User, "u"}, "", Revocation{Reason: Revoked}, time.Time{})

	_, refusal := client.AwaitConnect("/")
	require.NotNil(t, refusal)
	close(goOn)
	require.Equal(t, Revoked, await(t, app.ended))
	old.AwaitDisconnected()
	s.registry.mu.RLock()
	requireScopeEmpty(t, &namespaces[0].scope)
	s.registry.mu.RUnlock()
	requireNobody(t, &s.registry)
}

// TestASocketThatBeganAfterAChange is not told of it, though whoever completes the change may find it.
func TestASocketThatBeganAfterAChange(t *testing.T) {
	app := newTestApp()
	s := NewServer(serverOptions())
	t.Cleanup(s.Close)
	require.True(t, s.Mount(s.NewNamespace("/", app, Watchers{Identity: identityApp{app}})))
	client := dial(t, siotest.Serve(t, siotest.Memory, s), "websocket", "s", "")
	client.Connect("/", nil)
	socket := await(t, app.connected)

	socket.identityChanged(&standing{Identified: Identified{Identity: Identity{"t", ""}}}, socket.client.standing.Load())

	require.NoError(t, s.Shutdown(t.Context()))
	require.Equal(t, []string{"connect ", "disconnect"}, app.told)
}

// TestShowAfterEvict: a socket that is accepted while its client is revoked does not become visible.
func TestShowAfterEvict(t *testing.T) {
	s := NewServer(serverOptions())
	r := &s.registry
	c, _ := enter(t, r, Identity{"s", "u"})
	socket := &Socket{namespace: s.NewNamespace("/", newTestApp(), Watchers{}), client: c}
	require.Equal(t, []*client{c}, r.revoke(Key{User, "u"}, "", false, time.Time{}))

	r.show(socket)

	requireNobody(t, r)
	requireScopeEmpty(t, &socket.namespace.scope)
}

// TestALoginIsMadeWhenItChangesConnections: one whose cookie was written before a Revoke that came first counts, as
// its connections do.
func TestALoginIsMadeWhenItChangesConnections(t *testing.T) {
	s := NewServer(serverOptions())
	r := &s.registry
	c, _ := enter(t, r, Identity{"s", ""})
	written := time.Unix(time.Now().Unix()-2, 0)
	s.Revoke(View{Server: s}, Key{User, "ann"}, "", Revocation{}, time.Time{})

	to := Identified{Identity: Identity{"s2", "ann"}, Proven: written}
	_, _, err := r.change(Change{From: Identity{"s", ""}, To: to})
	require.NoError(t, err)

	prove(t, r, c, to)
	require.True(t, s.LoginCounts(to.Identity, written))
	require.False(t, s.LoginCounts(Identity{"s3", "ann"}, written))
}
