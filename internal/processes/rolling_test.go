package processes

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// visitor is a browser that connects again when its connection has ended.
type visitor struct {
	t             testing.TB
	balancer      *balancer
	session, user string
	transport     string

	connects  atomic.Int64
	connected atomic.Bool
	latest    atomic.Int64 // the number of the latest "end" event
}

// stay connects until ctx ends.
func (v *visitor) stay(ctx context.Context) {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for ctx.Err() == nil {
		if err := v.visit(ctx); err != nil {
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		}
	}
}

// visit connects, and reads until the connection has ended. It returns an error
// if it cannot connect.
func (v *visitor) visit(ctx context.Context) error {
	opening, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	header := http.Header{"Cookie": {cookiesOf(v.session, v.user)}}
	client, err := siotest.TryDial(opening, v.balancer.Site, siotest.Options{Transport: v.transport, Header: header})
	if err != nil {
		return err
	}
	defer client.Engine.Drop()
	defer context.AfterFunc(ctx, client.Engine.Drop)()
	client.SendConnect(e2e.ChatNamespace, nil)
	socket, err := client.TryAwaitConnect(opening, e2e.ChatNamespace)
	if err != nil {
		return err
	}
	v.connects.Add(1)
	v.connected.Store(true)
	defer v.connected.Store(false)
	for {
		e, err := socket.TryNext()
		if err != nil {
			return nil
		}
		var number int64
		if err := e.Decode(0, &number); err != nil {
			v.t.Errorf("%s: %v", v.session, err)
		}
		if e.Name == "end" {
			v.latest.Store(number)
		}
	}
}

// All nodes are restarted, one after the other, while they are in use. Then all
// clients are back, the nodes know them and nobody else, and what was revoked
// before is still revoked, although no node has been there all the time.
func TestRollingRestart(t *testing.T) {
	broker, n := startCluster(t)
	b := newBalancer(t, n...)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var visitors []*visitor
	for i := range long(150, 24) {
		v := &visitor{t: t, balancer: b, session: name("session", i), user: name("user", i/2), transport: transportOf(i)}
		visitors = append(visitors, v)
		running.Go(func() { v.stay(ctx) })
	}
	n[0].visit("websocket", "revoked", "eve")
	n[1].visit("polling", "also revoked", "")
	loggedOut := n[2].visit("websocket", "logged out", "bob")
	require.NoError(t, n[0].revoke(Target{User: "eve"}))
	require.NoError(t, n[1].revoke(Target{Session: "also revoked"}))
	require.NoError(t, n[2].change(Change{Cookie: loggedOut.cookie}).err())
	loggedOut.Close()
	awaitVisitors(t, n, visitors)

	load := sync.WaitGroup{}
	loading, calm := context.WithCancel(ctx)
	load.Go(func() { emitUntil(loading, b) })
	for i, old := range slices.Clone(n) {
		b.set(slices.Concat(n[:i], n[i+1:])...)
		old.shutDown()
		n[i] = start(t, Config{Redis: broker.Addr, Grace: grace})
		awaitWhole(t, n...)
		b.set(n...)
	}
	calm()
	load.Wait()

	measured(t, "all clients are back after", awaitVisitors(t, n, visitors), 10*time.Second)
	for i, other := range n {
		require.Zero(t, other.emit(Emission{Event: "end", First: i + 1}).Failed)
		waitUntil(t, "all clients receive an event", func() bool {
			return !slices.ContainsFunc(visitors, func(v *visitor) bool { return v.latest.Load() < int64(i+1) })
		})
		other.requireRefused(cookiesOf("revoked", "eve"))
		other.requireRefused(cookiesOf("revoked", ""))
		other.requireRefused(cookiesOf("also revoked", ""))
		nobody := &person{Client: siotest.Dial(t, other.site, siotest.Options{
			Transport: "websocket", Header: http.Header{"Cookie": {loggedOut.cookie}},
		})}
		nobody.Socket = nobody.Connect(e2e.ChatNamespace, nil)
		require.Zero(t, other.emit(Emission{Event: "secret", Users: []string{"bob"}}).Failed)
		require.Zero(t, other.emit(Emission{Event: "secret", Session: "logged out"}).Failed)
		nobody.ExpectNothing()
		nobody.Close()
	}
	connects := int64(0)
	for _, v := range visitors {
		connects += v.connects.Load()
	}
	t.Logf("%d clients have connected %d times", len(visitors), connects)
	require.Greater(t, connects, int64(len(visitors)))

	cancel()
	running.Wait()
	waitUntil(t, "nobody is left", func() bool {
		for _, other := range n {
			if view := other.look(); len(view.Sessions)+len(view.Users) > 0 {
				return false
			}
		}
		return true
	})
}

// emitUntil lets the nodes emit in turn until ctx ends. A node may end
// meanwhile.
func emitUntil(ctx context.Context, b *balancer) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		var result Emitted
		_ = b.take().tryCall("Emit", Emission{Event: "all", First: i}, &result)
		_ = b.take().tryCall("Emit", Emission{Event: "user", Users: []string{name("user", i%12)}, First: i}, &result)
	}
}

// awaitVisitors waits until all clients are connected, and the nodes know their
// sessions and users, and no others. It returns how long it took.
func awaitVisitors(t *testing.T, n []*node, visitors []*visitor) time.Duration {
	t.Helper()
	sessions, users := make(map[string]bool), make(map[string]bool)
	for _, v := range visitors {
		sessions[v.session], users[v.user] = true, true
	}
	missing := ""
	defer func() {
		if t.Failed() {
			t.Log(missing)
		}
	}()
	return waitUntil(t, "the nodes know the clients", func() bool {
		for _, v := range visitors {
			if !v.connected.Load() {
				missing = v.session + " is not connected"
				return false
			}
		}
		for _, other := range n {
			view := other.look()
			missing = fmt.Sprintf("%s knows %q, want %d; %q, want %d", other.Name, view.Sessions, len(sessions), view.Users, len(users))
			unknown := slices.ContainsFunc(view.Sessions, func(id string) bool { return !sessions[id] })
			if unknown || len(view.Sessions) != len(sessions) || len(view.Users) != len(users) {
				return false
			}
		}
		return true
	})
}
