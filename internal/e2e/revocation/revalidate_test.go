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

// validity is a Revalidation.Check that records its calls. It returns what
// answer returns, and true if answer is nil.
type validity struct {
	mu     sync.Mutex // guards the fields below
	asked  map[mojo.Identity][]time.Time
	answer func(ctx context.Context, id mojo.Identity) (bool, error) // nil: yes
}

// ask is the Check.
func (v *validity) ask(ctx context.Context, id mojo.Identity) (bool, error) {
	id.Expires = time.Time{}
	v.mu.Lock()
	if v.asked == nil {
		v.asked = make(map[mojo.Identity][]time.Time)
	}
	v.asked[id] = append(v.asked[id], time.Now())
	answer := v.answer
	v.mu.Unlock()
	if answer == nil {
		return true, nil
	}
	return answer(ctx, id)
}

// questions returns the calls since the last call of questions: the times of
// each identity.
func (v *validity) questions() map[mojo.Identity][]time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	asked := v.asked
	v.asked = nil
	return asked
}

// revalidatedSite serves a site with the apps Chat and News, whose cookies are
// valid for ten days.
func revalidatedSite(t testing.TB, v *validity, opts mojo.Options) (*mojo.Server, *siotest.Site, *e2e.App) {
	t.Helper()
	opts.Cookies = e2e.NewCookies(t, mojo.CookieOptions{MaxAge: 240 * time.Hour})
	opts.Revalidation.Check = v.ask
	srv, h := e2e.NewServer(t, opts), e2e.NewApp()
	e2e.Register(t, srv, "Chat", h)
	e2e.Register(t, srv, "News", h)
	return srv, siotest.Serve(t, siotest.Memory, srv), h
}

// Check is called once in Revalidation.Every for each session, and for each
// user without one, no matter how many tabs and apps it has. It is not called
// for connections without an identity. The calls are spread over the interval.
func TestRevalidateAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every, cycles, sessions = 2 * time.Minute, 5, 50
		var v validity
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
		v.questions()

		time.Sleep(cycles * every)

		asked := v.questions()
		require.ElementsMatch(t, want, slices.Collect(maps.Keys(asked)))
		moments := make(map[time.Time]int)
		for id, times := range asked {
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
func TestRevalidateSaysNo(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		v := validity{answer: func(_ context.Context, id mojo.Identity) (bool, error) { return id.SessionID != "bad", nil }}
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
// stays valid. After several failures in a row its connections are closed or
// stay, as the site has chosen. Its cookie stays valid, and counting begins
// anew.
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
					var v validity
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
						step *= 2 // a session is asked about once at a time
					}

					for range 3 { // three failures in a row, three times
						answers(failing)
						for total := 0; total < 3; total += len(v.questions()[mojo.Identity{SessionID: "s"}]) {
							time.Sleep(time.Second)
						}
						answers(nil)
						time.Sleep(2 * step)
						v.questions()
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
					v.questions()
					again := begin()
					require.True(t, srv.CurrentSessions().Has("s"))
					time.Sleep(6 * step)
					require.Equal(t, mojo.RevokedEvent, e2e.LastEvent(again).Name)
					require.Len(t, v.questions()[mojo.Identity{SessionID: "s"}], 4)
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
		v := validity{answer: func(context.Context, mojo.Identity) (bool, error) {
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
		first := v.questions()
		require.Len(t, first, 16)
		left := 0
		for id, client := range clients {
			if _, under := first[id]; !under && left < 9 {
				client.Close()
				left++
			}
		}
		synctest.Wait()

		close(goOn)
		synctest.Wait()

		second := v.questions()
		require.Len(t, second, 40-16-9)
		for id, times := range second {
			require.NotContains(t, first, id)
			require.Len(t, times, 1, "one question about a session, however long it waits")
		}
	})
}

// Shutdown cancels the context of a Check that runs, and no other begins.
func TestRevalidateAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 100)
		v := validity{answer: func(ctx context.Context, _ mojo.Identity) (bool, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return false, nil
		}}
		srv, site, h := revalidatedSite(t, &v, mojo.Options{Revalidation: mojo.Revalidation{Every: time.Hour}})
		for i := range 40 {
			e2e.Dial(t, site, "websocket", e2e.SessionCookie(fmt.Sprint(i))).Connect(e2e.ChatNamespace, nil)
		}
		time.Sleep(time.Hour - time.Minute)
		require.Len(t, v.questions(), 16)

		e2e.Shutdown(t, srv)

		require.Len(t, ended, 16)
		for range 16 {
			require.ErrorIs(t, <-ended, context.Canceled)
		}
		require.Empty(t, v.questions())
		for range 40 {
			require.Equal(t, mojo.ReasonShutdown, e2e.Await(t, h.Ended).Reason, "an answer that comes now counts for nothing")
		}
	})
}

// The context of a Check ends after Revalidation.Every.
func TestRevalidateContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan time.Duration, 10)
		v := validity{answer: func(ctx context.Context, _ mojo.Identity) (bool, error) {
			deadline, _ := ctx.Deadline()
			left <- time.Until(deadline)
			return true, nil
		}}
		_, site, _ := revalidatedSite(t, &v, mojo.Options{Revalidation: mojo.Revalidation{Every: 7 * time.Second}})
		e2e.Dial(t, site, "websocket", e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
		require.Equal(t, 7*time.Second, e2e.Await(t, left))
	})
}

// Nothing runs while nobody is connected. The checks begin again with the next
// connection.
func TestRevalidateRests(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		var v validity
		_, site, _ := revalidatedSite(t, &v, mojo.Options{})
		const between = 10*time.Minute + 100*time.Millisecond // the time between two runs
		for range 3 {
			client := e2e.Dial(t, site, transport, e2e.SessionCookie("s"))
			client.Connect(e2e.ChatNamespace, nil)
			time.Sleep(between)
			require.InDelta(t, 10, len(v.questions()[mojo.Identity{SessionID: "s"}]), 1)
			client.Close()
			time.Sleep(between)
			require.Empty(t, v.questions())
		}
	})
}

// Check is called with the identity that the connections have at that time. If
// it returns false for the identity from before a login, the connections and
// the new session stay.
func TestRevalidateAfterLogIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside, goOn := make(chan mojo.Identity), make(chan struct{})
		v := validity{answer: func(_ context.Context, id mojo.Identity) (bool, error) {
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

// If Check returns false for an identity that was rebound meanwhile, the new
// identity of the same session stays.
func TestRevalidateAfterRebindInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside, goOn := make(chan mojo.Identity), make(chan struct{})
		v := validity{answer: func(ctx context.Context, id mojo.Identity) (bool, error) {
			if id.UserID == "ann" {
				inside <- id
				<-goOn
				return false, nil // she was logged out during the look-up
			}
			return true, nil
		}}
		own, srv, site := e2e.NewSessionStore(t, siotest.Memory, e2e.NewApp(), mojo.Options{Revalidation: mojo.Revalidation{Check: v.ask, Every: 5 * time.Second}}, "s")
		own.Set("s", "ann")
		options := siotest.Options{Transport: "websocket", Header: e2e.SessionHeader("s")}
		socket := siotest.Dial(t, site, options).Connect(e2e.ChatNamespace, nil)
		e2e.Await(t, inside)
		own.Set("s", "")
		require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "s"}))

		close(goOn)
		synctest.Wait()

		e2e.RequireReached(t, srv, socket, mojo.Identity{SessionID: "s"})
		siotest.Dial(t, site, options).Connect(e2e.ChatNamespace, nil)
		e2e.Shutdown(t, srv)
	})
}
