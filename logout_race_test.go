package mojo

import (
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestLogOutDuringEmits: while many goroutines send numbered notes to a user, she logs out. No note with a number from
// after LogOut returned arrives, in a tab that is connected, in one whose OnConnect still runs, and in one that is just
// coming back; every note that was sent before does arrive in the first. In the same way every note arrives from when
// LogIn returned.
func TestLogOutDuringEmits(t *testing.T) {
	const notes, emitters = 1000, 4
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			slow, goOn := make(chan struct{}), make(chan struct{})
			h := newApp()
			h.connect = func(c *Conn) error {
				if c.Handshake().Query().Get("slow") != "" {
					slow <- struct{}{}
					<-goOn
				}
				return nil
			}
			srv, _ := chatServer(t, h)
			site := siotest.Serve(t, siotest.TCP, srv)
			r := cookieRequest(inSession("first"))
			client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: r.Header})
			socket := client.Connect(chatNamespace, nil)
			user := srv.LoggedInSessions().Get("ann")
			for range rounds(1000) {
				w := httptest.NewRecorder()
				require.NoError(t, srv.LogIn(w, r, "ann"))
				for i := range 10 {
					require.NoError(t, user.Emit("in", i))
				}
				r = returned(w)
				client.Engine.SetHeader(r.Header)
				follow(t, site, r.Header, socket)
				for i := range 10 {
					socket.Expect("in", i)
				}

				joining := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: r.Header, Query: map[string][]string{"slow": {"1"}}})
				joining.SendConnect(chatNamespace, nil)
				await(t, slow)
				returning := make(chan wire, 1)

				var number atomic.Int64
				var sent [notes + 1]atomic.Bool // whose Emit has returned
				var emitting sync.WaitGroup
				for range emitters {
					emitting.Go(func() {
						for n := number.Add(1); n <= notes; n = number.Add(1) {
							if err := user.Emit("note", n); err != nil {
								t.Error(err)
							}
							sent[n].Store(true)
						}
					})
				}
				go func() {
					defer close(returning)
					conn, err := site.Dial(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					back, err := join(conn, r.Header)
					if err != nil {
						t.Error(err)
						return
					}
					returning <- back
				}()
				for soon := rand.Int64N(notes); number.Load() < soon; {
					runtime.Gosched()
				}
				var before []int64
				for n := range int64(notes) {
					if sent[n+1].Load() {
						before = append(before, n+1)
					}
				}
				w = httptest.NewRecorder()
				require.NoError(t, srv.LogOut(w, r))
				after := number.Load()
				emitting.Wait()
				client.Engine.SetHeader(returned(w).Header)
				joining.Engine.SetHeader(returned(w).Header)

				goOn <- struct{}{}
				joined, refusal := joining.AwaitConnect(chatNamespace)
				require.Nil(t, refusal)
				joined.Barrier()
				arrived := make(map[int64]bool)
				socket.Barrier()
				for socket.Waiting() > 0 {
					n := noteNumber(t, socket)
					require.LessOrEqual(t, n, after, "it was sent after LogOut")
					require.False(t, arrived[n], "it came twice")
					arrived[n] = true
				}
				for _, n := range before {
					require.True(t, arrived[n], "note %d was sent before LogOut", n)
				}
				for joined.Waiting() > 0 {
					require.LessOrEqual(t, noteNumber(t, joined), after, "it was sent after LogOut")
				}
				require.NoError(t, user.Emit("note", notes+1))
				socket.ExpectNothing()
				joined.ExpectNothing()
				joining.Close()
				back := await(t, returning)
				back.leave()
				got, err := back.rest()
				require.NoError(t, err)
				for _, n := range numbersOf(t, got) {
					require.LessOrEqual(t, n, after, "it was sent after LogOut")
				}
				r = returned(w)
			}
		})
	}
}

func noteNumber(t testing.TB, s *siotest.Socket) (n int64) {
	t.Helper()
	e := s.Next()
	require.Equal(t, "note", e.Name)
	e.Arg(0, &n)
	return n
}

// emitWatcher is an app whose OnEmit the test holds.
type emitWatcher struct {
	*app
	entered, goOn chan struct{}
}

func (e emitWatcher) OnEmit(*Conn, string, []any) {
	e.entered <- struct{}{}
	<-e.goOn
}

// TestLogOutOvertakesAnEmit that has found the connection and not queued anything yet: then it does not.
func TestLogOutOvertakesAnEmit(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		for what, target := range map[string]func(*Server) Session{
			"user":    func(srv *Server) Session { return srv.LoggedInSessions().Get("ann") },
			"session": func(srv *Server) Session { return srv.CurrentSessions().Get("s") },
		} {
			h := emitWatcher{newApp(), make(chan struct{}), make(chan struct{})}
			srv, _ := chatServer(t, h)
			site := siotest.Serve(t, n, srv)
			client := dial(t, site, transport, inSession("s"), asUser("ann"))
			socket := client.Connect(chatNamespace, nil)
			emitted := make(chan error, 1)
			go func() { emitted <- target(srv).Emit("note") }()
			await(t, h.entered)

			w := httptest.NewRecorder()
			require.NoError(t, srv.LogOut(w, cookieRequest(inSession("s"), asUser("ann"))))

			client.Engine.SetHeader(returned(w).Header)
			close(h.goOn)
			require.NoError(t, await(t, emitted))
			socket.Barrier()
			require.Zero(t, socket.Waiting(), what)
		}
	})
}
