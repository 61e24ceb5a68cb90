package identity

import (
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// A user logs out while goroutines send numbered notes to this user. A
// connected tab receives each note that was sent before LogOut began. No tab
// receives a note that was sent after LogOut returned, not even a tab whose
// OnConnect runs or a tab that reconnects. After LogIn has returned, every note
// arrives.
func TestLogOutDuringEmits(t *testing.T) {
	const notes, emitters = 1000, 4
	for _, transport := range e2e.Transports {
		t.Run(transport, func(t *testing.T) {
			slow, goOn := make(chan struct{}), make(chan struct{})
			h := e2e.NewApp()
			h.Connect = func(c *mojo.Conn) error {
				if c.Handshake().Query().Get("slow") != "" {
					slow <- struct{}{}
					<-goOn
				}
				return nil
			}
			srv, _ := e2e.ChatServer(t, h)
			site := siotest.Serve(t, siotest.TCP, srv)
			r := cookietest.Request(e2e.SessionCookie("first"))
			client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: r.Header})
			socket := client.Connect(e2e.ChatNamespace, nil)
			user := srv.LoggedInSessions().Get("ann")
			for range e2e.Rounds(1000) {
				w := httptest.NewRecorder()
				require.NoError(t, srv.LogIn(w, r, "ann"))
				for i := range 10 {
					require.NoError(t, user.Emit("in", i))
				}
				r = cookietest.NextRequest(w)
				client.Engine.SetHeader(r.Header)
				e2e.FollowLogin(t, site, r.Header, socket)
				for i := range 10 {
					socket.Expect("in", i)
				}

				joining := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: r.Header, Query: map[string][]string{"slow": {"1"}}})
				joining.SendConnect(e2e.ChatNamespace, nil)
				e2e.Await(t, slow)
				returning := make(chan e2e.RawClient, 1)

				var number atomic.Int64
				var sent [notes + 1]atomic.Bool // whether the Emit of a note has returned, by number
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
					back, err := e2e.ConnectRaw(conn, r.Header)
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
				client.Engine.SetHeader(cookietest.NextRequest(w).Header)
				joining.Engine.SetHeader(cookietest.NextRequest(w).Header)

				goOn <- struct{}{}
				joined, refusal := joining.AwaitConnect(e2e.ChatNamespace)
				require.Nil(t, refusal)
				joined.Barrier()
				arrived := make(map[int64]bool)
				socket.Barrier()
				for socket.Unread() > 0 {
					n := noteNumber(t, socket)
					require.LessOrEqual(t, n, after, "a note arrived that was sent after LogOut")
					require.False(t, arrived[n], "a note arrived twice")
					arrived[n] = true
				}
				for _, n := range before {
					require.True(t, arrived[n], "note %d was sent before LogOut", n)
				}
				for joined.Unread() > 0 {
					require.LessOrEqual(t, noteNumber(t, joined), after, "a note arrived that was sent after LogOut")
				}
				require.NoError(t, user.Emit("note", notes+1))
				socket.ExpectNothing()
				joined.ExpectNothing()
				joining.Close()
				back := e2e.Await(t, returning)
				back.Leave()
				got, err := back.Rest()
				require.NoError(t, err)
				for _, n := range e2e.NoteNumbers(t, got) {
					require.LessOrEqual(t, n, after, "a note arrived that was sent after LogOut")
				}
				r = cookietest.NextRequest(w)
			}
		})
	}
}

// noteNumber returns the number of the next event, which must be a note.
func noteNumber(t testing.TB, s *siotest.Socket) (n int64) {
	t.Helper()
	e := s.Next()
	require.Equal(t, "note", e.Name)
	e.Arg(0, &n)
	return n
}

// emitWatcher is an App whose OnEmit blocks until the test continues it.
type emitWatcher struct {
	*e2e.App
	entered, goOn chan struct{}
}

func (e emitWatcher) OnEmit(*mojo.Conn, string, []any) {
	e.entered <- struct{}{}
	<-e.goOn
}

// If LogOut begins after an Emit has selected a connection and before it has
// queued its event, the event is not queued.
func TestLogOutDuringAnEmit(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		for what, target := range map[string]func(*mojo.Server) mojo.Session{
			"user":    func(srv *mojo.Server) mojo.Session { return srv.LoggedInSessions().Get("ann") },
			"session": func(srv *mojo.Server) mojo.Session { return srv.CurrentSessions().Get("s") },
		} {
			h := emitWatcher{e2e.NewApp(), make(chan struct{}), make(chan struct{})}
			srv, _ := e2e.ChatServer(t, h)
			site := siotest.Serve(t, n, srv)
			client := e2e.Dial(t, site, transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
			socket := client.Connect(e2e.ChatNamespace, nil)
			emitted := make(chan error, 1)
			go func() { emitted <- target(srv).Emit("note") }()
			e2e.Await(t, h.entered)

			w := httptest.NewRecorder()
			require.NoError(t, srv.LogOut(w, cookietest.Request(e2e.SessionCookie("s"), e2e.LoginCookie("ann"))))

			client.Engine.SetHeader(cookietest.NextRequest(w).Header)
			close(h.goOn)
			require.NoError(t, e2e.Await(t, emitted))
			socket.Barrier()
			require.Zero(t, socket.Unread(), what)
		}
	})
}
