package mojotest_test

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojotest"
)

func TestTabsFollowALogin(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.String(), func(t *testing.T) {
			srv := newChat(t, mojo.Options{})
			site := mojotest.NewServer(t, srv, loginForm(srv))
			ann, bob := site.NewBrowser(t), site.NewBrowser(t)
			require.Equal(t, `user ""`, ann.Get("/").Body)
			bob.Get("/")
			var annSockets []*mojotest.Socket
			for range 3 {
				annSockets = append(annSockets, ann.Dial("/ChatSocket", &mojotest.DialOptions{Transport: transport}))
			}
			bobChat := bob.Dial("/ChatSocket", &mojotest.DialOptions{Transport: transport})
			ids := func() (ids []string) {
				for _, chat := range annSockets {
					ids = append(ids, chat.ID())
				}
				return ids
			}
			before := ids()

			for _, user := range []string{"ann", "anna"} {
				require.Equal(t, "user \""+user+`"`, ann.Post("/login", url.Values{"user": {user}}).Body)
				require.Equal(t, 3, srv.LoggedInSessions().Get(user).Len())
				require.NoError(t, srv.LoggedInSessions().Get(user).Emit("note", user))
				for _, chat := range annSockets {
					chat.Expect("note", user)
				}
			}
			ann.LogIn("ann")
			require.Equal(t, 3, srv.LoggedInSessions().Get("ann").Len())
			require.Equal(t, 3, srv.CurrentSessions().Get(ann.Identity().SessionID).Len())
			ann.LogOut()
			require.Equal(t, mojo.Identity{}.UserID, ann.Identity().UserID)
			require.Zero(t, srv.LoggedInSessions().Len())
			require.Equal(t, before, ids(), "no tab has reconnected")
			require.Empty(t, mojotest.Call[string](bobChat, "who"))
			bobChat.ExpectNothing()
		})
	}
}

// After a login the server closes the connection of a tab with NoFollow. The
// tab reconnects as the user.
func TestNoFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newChat(t, mojo.Options{})
		ann := mojotest.NewServer(t, srv, nil).NewBrowser(t)
		ann.Get("/")
		chat := ann.Dial("/ChatSocket", &mojotest.DialOptions{NoFollow: true})
		ann.LogIn("ann")
		require.Equal(t, mojo.IdentityEvent, chat.Next().Event())
		require.Zero(t, srv.LoggedInSessions().Get("ann").Len())
		require.Equal(t, mojotest.ReasonTransportClose, chat.AwaitDisconnect())
		chat.Tab().Reconnect()
		require.Equal(t, "ann", mojotest.Call[string](chat, "who"))
	})
}

// A login does not wait for a paused tab, which sends its proof after Resume.
func TestLoginWithAPausedTab(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newChat(t, mojo.Options{})
		ann := mojotest.NewServer(t, srv, nil).NewBrowser(t)
		ann.Get("/")
		chat := ann.Dial("/ChatSocket", nil)
		chat.Tab().Pause()
		start := time.Now()
		ann.LogIn("ann")
		require.Zero(t, time.Since(start))
		chat.Tab().Resume()
		synctest.Wait()
		require.Equal(t, "ann", mojotest.Call[string](chat, "who"))
	})
}

func TestCookies(t *testing.T) {
	site := mojotest.NewServer(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes", Path: "/", Secure: true, HttpOnly: true})
		seen, _ := r.Cookie("seen")
		mine, _ := r.Cookie("mine")
		_, _ = w.Write([]byte(seen.String() + " " + mine.String()))
	}))
	ann, bob := site.NewBrowser(t), site.NewBrowser(t)
	ann.SetCookies(&http.Cookie{Name: "mine", Value: "1"})
	require.Equal(t, " mine=1", ann.Get("/").Body)
	require.Equal(t, "seen=yes mine=1", ann.Get("/any").Body)
	ann.SetCookies(&http.Cookie{Name: "mine", MaxAge: -1})
	require.Equal(t, "seen=yes ", ann.Get("/").Body)
	require.Len(t, ann.Cookies(), 1)
	require.Equal(t, "seen", ann.Cookies()[0].Name)
	require.Empty(t, bob.Cookies())

	r, err := http.NewRequest(http.MethodPut, site.URL+"/x", nil)
	require.NoError(t, err)
	require.Equal(t, "seen=yes ", ann.Do(r).Body)
	res, err := ann.Client().Get(site.URL)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
}

// The browser stores the cookies of a handshake.
func TestCookiesOfAHandshake(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.String(), func(t *testing.T) {
			cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
			require.NoError(t, err)
			srv := newChat(t, mojo.Options{Cookies: cookies, BeginSessions: true})
			ann := mojotest.NewServer(t, srv, srv).NewBrowser(t)
			ann.Dial("/ChatSocket", &mojotest.DialOptions{Transport: transport})
			ann.Dial("/ChatSocket", &mojotest.DialOptions{Transport: transport})
			require.Equal(t, 2, srv.CurrentSessions().Get(ann.Identity().SessionID).Len())
		})
	}
}

func TestRequestsThatFail(t *testing.T) {
	srv := newChat(t, mojo.Options{Identify: func(*http.Request) (mojo.Identity, error) { return mojo.Identity{}, nil }})
	site := mojotest.NewServer(t, srv, nil)
	text := failure(t, func(t testing.TB) { site.NewBrowser(t).LogIn("ann") })
	require.Contains(t, text, "mojotest: log in: mojo: ")
	require.NotContains(t, text, "\n")
	text = failure(t, func(t testing.TB) {
		r, err := http.NewRequest(http.MethodGet, "http://", nil)
		require.NoError(t, err)
		site.NewBrowser(t).Do(r)
	})
	require.Contains(t, text, "no Host")
}

// A browser fails its own test and ends with it, not with the test of its
// Server.
func TestBrowserOfASubtest(t *testing.T) {
	site := mojotest.NewServer(t, newChat(t, mojo.Options{}), nil)
	var chat *mojotest.Socket
	text := failure(t, func(t testing.TB) {
		chat = site.Dial(t, "/ChatSocket", nil)
		chat.Emit("say", 1)
		chat.Call("who")
		chat.Emit("say", "x")
		chat.Expect("said", "y")
	})
	require.Equal(t, "another event was expected on /ChatSocket:\ngot  \"said\" [\"x\"]\nwant \"said\" [\"y\"]", text)
	require.True(t, chat.Connected())
	t.Run("browser ends with its test", func(t *testing.T) { chat = site.Dial(t, "/ChatSocket", nil) })
	require.Equal(t, mojotest.ReasonForcedClose, chat.AwaitDisconnect())
}

// Close tells the server that the connections end, also over polling.
func TestBrowserClose(t *testing.T) {
	for _, transport := range transports {
		synctest.Test(t, func(t *testing.T) {
			srv := newChat(t, mojo.Options{})
			browser := mojotest.NewServer(t, srv, nil).NewBrowser(t)
			chat := browser.Dial("/ChatSocket", &mojotest.DialOptions{Transport: transport})
			start := time.Now()
			browser.Close()
			require.Equal(t, mojotest.ReasonForcedClose, chat.AwaitDisconnect())
			synctest.Wait()
			require.Equal(t, map[mojo.Reason]uint64{mojo.ReasonTransportClose: 1}, srv.Stats().Closed)
			require.Zero(t, time.Since(start))
		})
	}
}

// A request with the headers of LogIn and a wrong token reaches the site.
func TestLogInHeadersOfAVisitor(t *testing.T) {
	srv := newChat(t, mojo.Options{})
	site := mojotest.NewServer(t, srv, loginForm(srv))
	r, err := http.NewRequest(http.MethodPost, site.URL+"/?user=ann", nil)
	require.NoError(t, err)
	r.Header.Set("Mojotest-Command", "log in")
	r.Header.Set("Mojotest-Token", "guessed")
	eve := site.NewBrowser(t)
	require.Equal(t, http.StatusMethodNotAllowed, eve.Do(r).Status)
	require.Empty(t, eve.Identity().UserID)
}
