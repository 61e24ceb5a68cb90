package proof

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// loginRace is a site for TestSessionFixationInARace, with a function that logs
// a user in to a session.
type loginRace struct {
	srv  *mojo.Server
	site *siotest.Site
	old  func(session string) http.Header
	// logIn logs user in to session. It returns the browser's new session id
	// and cookies, or no id if another login was the last one.
	logIn func(session, user string) (now string, header http.Header)
}

// loginRaces are the ways to log a user in.
var loginRaces = map[string]func(t testing.TB, h *e2e.App) *loginRace{
	"LogIn": func(t testing.TB, h *e2e.App) *loginRace {
		return raceLogIns(t, h, "%s")
	},
	"two LogIns": func(t testing.TB, h *e2e.App) *loginRace {
		return raceLogIns(t, h, "%s", "%s")
	},
	"LogIn of an attacker, too": func(t testing.TB, h *e2e.App) *loginRace {
		return raceLogIns(t, h, "%s", "attacker of %s")
	},
	"Rebind": func(t testing.TB, h *e2e.App) *loginRace {
		store, srv, site := e2e.NewSessionStore(t, siotest.TCP, h, mojo.Options{})
		return &loginRace{
			srv: srv, site: site,
			old: func(session string) http.Header {
				store.Set(session, "")
				return e2e.SessionHeader(session)
			},
			logIn: func(session, user string) (string, http.Header) {
				now := session + ", logged in"
				require.NoError(t, store.Rebind(srv, session, mojo.Identity{SessionID: now, UserID: user}))
				return now, e2e.SessionHeader(now)
			},
		}
	},
}

// raceLogIns returns a loginRace that sends one login request for each of
// users, at the same time and with the same old cookies.
func raceLogIns(t testing.TB, h *e2e.App, users ...string) *loginRace {
	srv, _ := e2e.ChatServer(t, h)
	old := func(session string) http.Header { return e2e.CookieHeader(e2e.SessionCookie(session)) }
	return &loginRace{
		srv: srv, site: siotest.Serve(t, siotest.TCP, srv), old: old,
		logIn: func(session, user string) (string, http.Header) {
			answers := make([]*httptest.ResponseRecorder, len(users))
			var requests sync.WaitGroup
			for i, format := range users {
				answers[i] = httptest.NewRecorder()
				requests.Go(func() {
					r := cookietest.Request(old(session).Get("Cookie"))
					if err := srv.LogIn(answers[i], r, fmt.Sprintf(format, user)); err != nil {
						t.Error(err)
					}
				})
			}
			requests.Wait()
			for _, w := range answers { // only the last login is valid
				if id := srv.Identity(cookietest.NextRequest(w)); id.UserID == user {
					return id.SessionID, cookietest.NextRequest(w).Header
				}
			}
			return "", old(session)
		},
	}
}

// Logins run at the same time as handshakes, upgrades, polls and a slow
// OnConnect. In every order, a connection with the old cookie never gets the
// user and receives no event for the user, and the tabs of the user's browser
// get the user.
func TestSessionFixationInARace(t *testing.T) {
	for name, race := range loginRaces {
		t.Run(name, func(t *testing.T) {
			for _, transport := range e2e.Transports {
				t.Run(transport, func(t *testing.T) {
					var goOn atomic.Pointer[chan struct{}]
					h := e2e.NewApp()
					h.Connect = func(c *mojo.Conn) error {
						if c.Handshake().Query().Has("slow") {
							<-*goOn.Load()
						}
						return nil
					}
					r := race(t, h)
					for i := range e2e.Rounds(1000) {
						release := make(chan struct{})
						goOn.Store(&release)
						user := fmt.Sprint("user", i)
						r.round(t, transport, fmt.Sprint("s", i), user, release)
						for r.srv.LoggedInSessions().Has(user) {
							e2e.Await(t, h.Ended)
						}
					}
				})
			}
		})
	}
}

// round logs a user in to a session. Two tabs of the user's browser get the
// user. Three connections of an attacker do not: one from before the login, one
// with a slow OnConnect, and one whose handshake arrives at a random time. A
// slow OnConnect waits until release is closed.
func (r *loginRace) round(t *testing.T, transport, session, user string, release chan struct{}) {
	old := r.old(session)
	var cookies atomic.Pointer[http.Header] // the cookies of the user's browser
	cookies.Store(&old)
	slow := map[string][]string{"slow": {""}}
	page := siotest.Options{Transport: transport, Header: old, Page: func() http.Header { return *cookies.Load() }}
	tab := siotest.Dial(t, r.site, page)
	socket := tab.Connect(e2e.ChatNamespace, nil)
	page.Query = slow
	slowTab := siotest.Dial(t, r.site, page)
	slowTab.SendConnect(e2e.ChatNamespace, nil)

	attack := func(query map[string][]string) *siotest.Engine {
		attacker, err := siotest.TryOpen(t.Context(), r.site, siotest.Options{Transport: transport, Header: old, Query: query})
		if err != nil { // the login was processed first
			return nil
		}
		attacker.Send("0" + e2e.ChatNamespace + ",")
		return attacker
	}
	attackers := []*siotest.Engine{attack(nil), attack(slow)}
	late := make(chan *siotest.Engine, 1)
	go func() { late <- attack([]map[string][]string{nil, slow}[rand.IntN(2)]) }()
	for range rand.IntN(50) {
		runtime.Gosched()
	}

	now, header := r.logIn(session, user)
	emit := func(note string) {
		require.NoError(t, r.srv.LoggedInSessions().Get(user).Emit("secret", note))
		require.NoError(t, r.srv.LoggedInSessions().Emit("secret", note))
		require.NoError(t, r.srv.CurrentSessions().Get(now).Emit("secret", note))
	}
	emit("early")
	close(release)
	cookies.Store(&header)
	if now != "" {
		slowSocket, refusal := slowTab.AwaitConnect(e2e.ChatNamespace)
		require.Nil(t, refusal)
		emit("late")
		for range 3 {
			socket.Expect("secret", "early")
		}
		for _, s := range []*siotest.Socket{socket, slowSocket} {
			for range 3 {
				s.Expect("secret", "late")
			}
		}
		require.Equal(t, 2, r.srv.LoggedInSessions().Get(user).Len())
		require.Equal(t, 2, r.srv.CurrentSessions().Get(now).Len())
	}
	for _, attacker := range append(attackers, <-late) {
		if attacker == nil {
			continue
		}
		const barrier = "/nothing"
		attacker.Send("0" + barrier + ",")
		for {
			packet, more := attacker.NextOrEnd() // the server may have closed the connection
			require.NotContains(t, packet.Text, "secret")
			if !more || strings.HasPrefix(packet.Text, "4"+barrier) {
				break
			}
		}
		attacker.Close()
	}
	require.False(t, r.srv.CurrentSessions().Has(session))
	tab.Close()
	slowTab.Close()
}
