package revocation

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// checker has a Revalidation.Check that records its calls and returns the
// result of answer.
type checker struct {
	mu     sync.Mutex // guards the fields below
	calls  map[mojo.Identity][]time.Time
	answer func(ctx context.Context, id mojo.Identity) (bool, error) // if it is nil, check returns true
}

// check is the Revalidation.Check.
func (v *checker) check(ctx context.Context, id mojo.Identity) (bool, error) {
	id.Expires = time.Time{}
	v.mu.Lock()
	if v.calls == nil {
		v.calls = make(map[mojo.Identity][]time.Time)
	}
	v.calls[id] = append(v.calls[id], time.Now())
	answer := v.answer
	v.mu.Unlock()
	if answer == nil {
		return true, nil
	}
	return answer(ctx, id)
}

// takeCalls returns the times of the recorded calls by identity, and deletes
// the records.
func (v *checker) takeCalls() map[mojo.Identity][]time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	calls := v.calls
	v.calls = nil
	return calls
}

// revalidatedSite serves a site with the apps Chat and News. Its cookies are
// valid for ten days.
func revalidatedSite(t testing.TB, v *checker, opts mojo.Options) (*mojo.Server, *siotest.Site, *e2e.App) {
	t.Helper()
	opts.Cookies = e2e.NewCookies(t, mojo.CookieOptions{MaxAge: 240 * time.Hour})
	opts.Revalidation.Check = v.check
	srv, h := e2e.NewServer(t, opts), e2e.NewApp()
	e2e.Register(t, srv, "Chat", h)
	e2e.Register(t, srv, "News", h)
	return srv, siotest.Serve(t, siotest.Memory, srv), h
}

// Check is called once in Revalidation.Every for each session, and for each
// user without one, no matter how many tabs and apps it has. It is not called
// for connections without an identity. The calls are spread over the interval.
func TestRevalidateCallsCheckOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every, cycles, sessions = 2 * time.Minute, 5, 50
		var v checker
		_, site, _ := revalidatedSite(t, &v, mojo.Options{Revalidation: mojo.Revalidation{Every: every}})
		e2e.Dial(t, site, "websocket").Connect(e2e.ChatNamespace, nil)
		want := []mojo.Identity{{UserID: "u"}}
		for i := range sessions {
			id := mojo.Identity{SessionID: fmt.Sprint("s", i), UserID: []string{"", "u"}[i%2]}
			want = append(want, id)
		}
		for i, id := range want {
			var cookies []string
			if id.SessionID != "" {
				cookies = append(cookies, e2e.SessionCookie(id.SessionID))
			}
			if id.UserID != "" {
				cookies = append(cookies, e2e.LoginCookie(id.UserID))
			}
			for tab := range i%3 + 1 {
				client := e2e.Dial(t, site, e2e.Transports[tab], cookies...)
				client.Connect(e2e.ChatNamespace, nil)
				client.Connect("/NewsSocket", nil)
			}
		}
		time.Sleep(every)
		v.takeCalls()

		time.Sleep(cycles * every)

		calls := v.takeCalls()
		require.ElementsMatch(t, want, slices.Collect(maps.Keys(calls)))
		moments := make(map[time.Time]int)
		for id, times := range calls {
			require.Len(t, times, cycles, "%v", id)
			for i := range times[1:] {
				require.InDelta(t, every, times[i+1].Sub(times[i]), float64(every/64))
			}
			moments[times[0]]++
		}
		require.Greater(t, len(moments), sessions/4)
	})
}

// If Check returns false, the session is revoked with all its tabs and apps,
// and its cookie is refused. Other sessions stay.
func TestRevalidateRevokes(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		v := checker{answer: func(_ context.Context, id mojo.Identity) (bool, error) { return id.SessionID != "bad", nil }}
		srv, site, h := revalidatedSite(t, &v, mojo.Options{})
		other := e2e.Dial(t, site, transport, e2e.SessionCookie("good"), e2e.LoginCookie("u")).Connect(e2e.ChatNamespace, nil)
		var sockets []*siotest.Socket
		for range 2 {
			client := e2e.Dial(t, site, transport, e2e.SessionCookie("bad"), e2e.LoginCookie("u"))
			sockets = append(sockets, client.Connect(e2e.ChatNamespace, nil), client.Connect("/NewsSocket", nil))
		}

		time.Sleep(time.Minute)

		for _, socket := range sockets {
			socket.Expect(mojo.RevokedEvent, map[string]any{"code": mojo.CodeInvalid, "reason": mojo.ReasonInvalid, "reconnect": false})
			require.Equal(t, siotest.ReasonServerDisconnect, socket.AwaitDisconnected())
			require.Equal(t, mojo.ReasonInvalid, e2e.Await(t, h.Ended).Reason)
		}
		_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: e2e.CookieHeader(e2e.SessionCookie("bad"))})
		var refusal *siotest.HTTPError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, http.StatusForbidden, refusal.Status)
		require.False(t, srv.CurrentSessions().Has("bad"))
		other.ExpectNothing()
	})
}

// If Check returns an error, panics or does not return in time, the session
// stays valid. After several consecutive failures the server closes its
// connections or keeps them, depending on the option. Its cookie stays valid,
// and the count of failures starts again at zero.
func TestRevalidateFails(t *testing.T) {
	for name, fail := range map[string]func(ctx context.Context) (bool, error){
		"error":   func(context.Context) (bool, error) { return true, e2e.ErrSecret },
		"panic":   func(context.Context) (bool, error) { panic("no database") },
		"Goexit":  func(context.Context) (bool, error) { runtime.Goexit(); return true, nil },
		"timeout": func(ctx context.Context) (bool, error) { <-ctx.Done(); return true, ctx.Err() },
	} {
		for _, open := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", open ", open), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					log := new(e2e.Log)
					var v checker
					srv, site, h := revalidatedSite(t, &v, mojo.Options{Revalidation: mojo.Revalidation{Failures: 4, FailOpen: open}, Logger: log.Logger()})
					answers := func(answer func(context.Context, mojo.Identity) (bool, error)) {
						v.mu.Lock()
						v.answer = answer
						v.mu.Unlock()
					}
					failing := func(ctx context.Context, _ mojo.Identity) (bool, error) { return fail(ctx) }
					begin := func() *siotest.Socket {
						return e2e.Dial(t, site, "websocket", e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
					}
					socket := begin()
					step := time.Minute
					if name == "timeout" {
						step *= 2 // only one Check at a time runs for a session
					}

					for range 3 { // three times three consecutive failures
						answers(failing)
						for total := 0; total < 3; total += len(v.takeCalls()[mojo.Identity{SessionID: "s"}]) {
							time.Sleep(time.Second)
						}
						answers(nil)
						time.Sleep(2 * step)
						v.takeCalls()
					}
					socket.ExpectNothing()
					answers(failing)
					time.Sleep(6 * step)

					if open {
						socket.ExpectNothing()
						require.Empty(t, h.Ended)
						e2e.Shutdown(t, srv)
						return
					}
					socket.Expect(mojo.RevokedEvent, map[string]any{"code": mojo.CodeInvalid, "reason": mojo.ReasonInvalid, "reconnect": false})
					require.Equal(t, mojo.ReasonInvalid, e2e.Await(t, h.Ended).Reason)
					v.takeCalls()
					again := begin()
					require.True(t, srv.CurrentSessions().Has("s"))
					time.Sleep(6 * step)
					require.Equal(t, mojo.RevokedEvent, e2e.LastEvent(again).Name)
					require.Len(t, v.takeCalls()[mojo.Identity{SessionID: "s"}], 4)
					require.Contains(t, log.String(), `msg="mojo: Options.Revalidation.Check failed" failures=4 error=`)
					if name == "panic" {
						require.Contains(t, log.String(), `msg="mojo: a handler panicked" callback=Revalidation.Check panic="no database"`)
						require.GreaterOrEqual(t, srv.Stats().HandlerPanics, uint64(4))
					}
				})
			})
		}
	}
}

// At most sixteen calls of Check run at a time, and the others wait. A session
// that ends while it waits is not checked.
func TestRevalidateSixteenAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		v := checker{answer: func(context.Context, mojo.Identity) (bool, error) {
			<-goOn
			return true, nil
		}}
		_, site, _ := revalidatedSite(t, &v, mojo.Options{})
		clients := make(map[mojo.Identity]*siotest.Client)
		for i := range 40 {
			id := fmt.Sprint("s", i)
			client := e2e.Dial(t, site, "websocket", e2e.SessionCookie(id))
			client.Connect(e2e.ChatNamespace, nil)
			clients[mojo.Identity{SessionID: id}] = client
		}
		time.Sleep(10 * time.Minute)
		first := v.takeCalls()
		require.Len(t, first, 16)
		closed := 0
		for id, client := range clients {
			if _, under := first[id]; !under && closed < 9 {
				client.Close()
				closed++
			}
		}
		synctest.Wait()

		close(goOn)
		synctest.Wait()

		second := v.takeCalls()
		require.Len(t, second, 40-16-9)
		for id, times := range second {
			require.NotContains(t, first, id)
			require.Len(t, times, 1, "Check is called once for a session that waits")
		}
	})
}

// Shutdown cancels the context of a Check that runs, and no other begins.
func TestRevalidateAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 100)
		v := checker{answer: func(ctx context.Context, _ mojo.Identity) (bool, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return false, nil
		}}
		srv, site, h := revalidatedSite(t, &v, mojo.Options{Revalidation: mojo.Revalidation{Every: time.Hour}})
		for i := range 40 {
			e2e.Dial(t, site, "websocket", e2e.SessionCookie(fmt.Sprint(i))).Connect(e2e.ChatNamespace, nil)
		}
		time.Sleep(time.Hour - time.Minute)
		require.Len(t, v.takeCalls(), 16)

		e2e.Shutdown(t, srv)

		require.Len(t, ended, 16)
		for range 16 {
			require.ErrorIs(t, <-ended, context.Canceled)
		}
		require.Empty(t, v.takeCalls())
		for range 40 {
			require.Equal(t, mojo.ReasonShutdown, e2e.Await(t, h.Ended).Reason, "a result of Check after Shutdown has no effect")
		}
	})
}

// The context of a Check ends after Revalidation.Every.
func TestRevalidateContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		remaining := make(chan time.Duration, 10)
		v := checker{answer: func(ctx context.Context, _ mojo.Identity) (bool, error) {
			deadline, _ := ctx.Deadline()
			remaining <- time.Until(deadline)
			return true, nil
		}}
		_, site, _ := revalidatedSite(t, &v, mojo.Options{Revalidation: mojo.Revalidation{Every: 7 * time.Second}})
		e2e.Dial(t, site, "websocket", e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
		require.Equal(t, 7*time.Second, e2e.Await(t, remaining))
	})
}

// No Check runs while no client is connected. The checks begin again with the
// next connection.
func TestRevalidateWithoutConnections(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		var v checker
		_, site, _ := revalidatedSite(t, &v, mojo.Options{})
		const between = 10*time.Minute + 100*time.Millisecond // the time between two runs
		for range 3 {
			client := e2e.Dial(t, site, transport, e2e.SessionCookie("s"))
			client.Connect(e2e.ChatNamespace, nil)
			time.Sleep(between)
			require.InDelta(t, 10, len(v.takeCalls()[mojo.Identity{SessionID: "s"}]), 1)
			client.Close()
			time.Sleep(between)
			require.Empty(t, v.takeCalls())
		}
	})
}

// Check is called with the current identity of the connections. If it returns
// false for the identity from before a login, the connections and the new
// session stay.
func TestRevalidateAfterLogIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside, goOn := make(chan mojo.Identity), make(chan struct{})
		v := checker{answer: func(_ context.Context, id mojo.Identity) (bool, error) {
			inside <- id
			<-goOn
			return id.UserID != "", nil
		}}
		srv, site, h := revalidatedSite(t, &v, mojo.Options{Revalidation: mojo.Revalidation{Every: 5 * time.Second}})
		client := e2e.Dial(t, site, "websocket", e2e.SessionCookie("s"))
		socket := client.Connect(e2e.ChatNamespace, nil)
		require.Equal(t, mojo.Identity{SessionID: "s"}, e2e.Await(t, inside))
		require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "s2", UserID: "u"}))
		e2e.FollowLogin(t, site, e2e.CookieHeader(e2e.SessionCookie("s2"), e2e.LoginCookie("u")), socket)
		close(goOn)
		require.Equal(t, mojo.Identity{SessionID: "s2", UserID: "u"}, e2e.Await(t, inside))
		socket.ExpectNothing()
		require.Empty(t, h.Ended)
		e2e.Await(t, h.Accepted)
		e2e.Dial(t, site, "websocket", e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
		require.Equal(t, mojo.Identity{}, e2e.Await(t, h.Accepted).Identity(), "a tab that connects later with the old session has no identity, and is not refused")
		go func() {
			for range inside {
			}
		}()
		t.Cleanup(func() { close(inside) })
		e2e.Shutdown(t, srv)
	})
}

// If an identity is rebound while Check runs for it, and Check returns false,
// the new identity of the same session stays.
func TestRevalidateAfterRebindInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside, goOn := make(chan mojo.Identity), make(chan struct{})
		v := checker{answer: func(ctx context.Context, id mojo.Identity) (bool, error) {
			if id.UserID == "ann" {
				inside <- id
				<-goOn
				return false, nil // ann was logged out while Check ran
			}
			return true, nil
		}}
		store, srv, site := e2e.NewSessionStore(t, siotest.Memory, e2e.NewApp(), mojo.Options{Revalidation: mojo.Revalidation{Check: v.check, Every: 5 * time.Second}}, "s")
		store.Set("s", "ann")
		options := siotest.Options{Transport: "websocket", Header: e2e.SessionHeader("s")}
		socket := siotest.Dial(t, site, options).Connect(e2e.ChatNamespace, nil)
		e2e.Await(t, inside)
		store.Set("s", "")
		require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "s"}))

		close(goOn)
		synctest.Wait()

		e2e.RequireReached(t, srv, socket, mojo.Identity{SessionID: "s"})
		siotest.Dial(t, site, options).Connect(e2e.ChatNamespace, nil)
		e2e.Shutdown(t, srv)
	})
}
