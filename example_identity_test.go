package mojo_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojotest"
)

// newServer makes a Server with cookies.
func newServer() *mojo.Server {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, HostPrefix: true})
	check(err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	check(err)
	return srv
}

// An HTTP handler emits to every session.
func ExampleServer_CurrentSessions() {
	srv := newServer()
	_, err := srv.Register("Status", new(mojo.Events).Handler())
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		for session := range srv.CurrentSessions().All() {
			check(session.Emit("joinedStatus", map[string]string{"data": "Ada has joined the chat"}))
		}
		fmt.Fprint(w, "hello")
	})

	site := mojotest.NewServer(t, srv, srv.EnsureSession(mux))
	defer site.Close()
	ada := site.NewBrowser(t)
	ada.Get("/") // sets the session
	page := ada.Dial("/StatusSocket", nil)
	fmt.Println(ada.Get("/hello").Body)
	fmt.Println(page.Next())
	// Output:
	// hello
	// joinedStatus [{"data":"Ada has joined the chat"}]
}

// A message to a user goes to every tab.
func ExampleSessions() {
	srv := newServer()
	_, err := srv.Register("Status", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	ada := site.NewBrowser(t)
	ada.LogIn("ada")
	first, second := ada.Dial("/StatusSocket", nil), ada.Dial("/StatusSocket", nil)
	users := srv.LoggedInSessions()
	check(users.Get("ada").Emit("note", "for all your tabs"))
	check(users.Get("bob").Emit("note", "reaches nobody"))
	fmt.Println(first.Next(), second.Next())
	fmt.Println(users.Has("ada"), users.Has("bob"), users.Len())
	// Output:
	// note ["for all your tabs"] note ["for all your tabs"]
	// true false 1
}

// A session has all tabs of one browser.
func ExampleSession() {
	gone := make(chan mojo.Reason, 1)
	srv := newServer()
	_, err := srv.Register("Status", (&mojo.Events{Disconnect: func(_ *mojo.Conn, reason mojo.Reason) { gone <- reason }}).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	browser := site.NewBrowser(t)
	browser.Get("/")
	page := browser.Dial("/StatusSocket", nil)
	session := srv.CurrentSessions().Get(browser.Identity().SessionID)
	fmt.Println(session.Len())
	check(session.Disconnect())
	fmt.Println(page.AwaitDisconnect())
	fmt.Println(<-gone, session.Len())
	// Output:
	// 1
	// io server disconnect
	// server namespace disconnect 0
}

// An open page stays connected when its user logs in and out. After the login
// it gets the messages to the user, as soon as the browser has proven that the
// connection belongs to it. After the logout it gets none of them.
func ExampleServer_LogIn() {
	srv := newServer()
	status, err := srv.Register("Status", new(mojo.Events).Handler())
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %q", srv.Identity(r).UserID)
	})
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		check(srv.LogIn(w, r, "ada"))
		check(srv.LoggedInSessions().Get("ada").Emit("note", "welcome"))
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		check(srv.LogOut(w, r))
		check(srv.LoggedInSessions().Get("ada").Emit("note", "reaches nobody"))
		check(status.Emit("note", "for everybody"))
	})

	site := mojotest.NewServer(t, srv, srv.EnsureSession(mux))
	defer site.Close()
	browser := site.NewBrowser(t)
	fmt.Println(browser.Get("/").Body)
	page := browser.Dial("/StatusSocket", nil)
	browser.Post("/login", nil)
	fmt.Println(browser.Get("/").Body, page.Next())
	browser.Post("/logout", nil)
	fmt.Println(browser.Get("/").Body, page.Next())
	// Output:
	// user ""
	// user "ada" note ["welcome"]
	// user "" note ["for everybody"]
}

// sessionStore has the sessions of a site that has its own cookie "sid": the
// users by session id.
type sessionStore struct{ users sync.Map }

func (s *sessionStore) identify(r *http.Request) (mojo.Identity, error) {
	sid, err := r.Cookie("sid")
	if err != nil {
		return mojo.Identity{}, nil // no session
	}
	user, _ := s.users.Load(sid.Value)
	userID, _ := user.(string)
	return mojo.Identity{SessionID: sid.Value, UserID: userID}, nil
}

// Options.Identify returns the Identity of each request.
func ExampleIdentity() {
	var store sessionStore
	store.users.Store("s1", "ada")
	srv, err := mojo.New(mojo.Options{Identify: store.identify})
	check(err)
	_, err = srv.Register("Status", (&mojo.Events{Connect: func(c *mojo.Conn) error {
		return c.Emit("you", c.Identity().UserID, c.Identity().SessionID)
	}}).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	ada, guest := site.NewBrowser(t), site.NewBrowser(t)
	ada.SetCookies(&http.Cookie{Name: "sid", Value: "s1"})
	fmt.Println(ada.Dial("/StatusSocket", nil).Next())
	fmt.Println(guest.Dial("/StatusSocket", nil).Next())
	// Output:
	// you ["ada","s1"]
	// you ["",""]
}

// A connection ends when its session expires.
func ExampleIdentity_expires() {
	expires := time.Now().Add(50 * time.Millisecond)
	srv, err := mojo.New(mojo.Options{Identify: func(*http.Request) (mojo.Identity, error) {
		return mojo.Identity{SessionID: "s1", Expires: expires}, nil
	}})
	check(err)
	_, err = srv.Register("Status", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	fmt.Println(site.Dial(t, "/StatusSocket", nil).Next())
	// Output: mojo:revoked [{"code":4002,"reason":"session expired","reconnect":true}]
}

// A site with sessions of its own tells mojo when the user of a session has
// changed. The live connections stay open and belong to the new user.
func ExampleServer_Rebind() {
	var store sessionStore
	srv, err := mojo.New(mojo.Options{Identify: store.identify})
	check(err)
	_, err = srv.Register("Status", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	browser := site.NewBrowser(t)
	browser.SetCookies(&http.Cookie{Name: "sid", Value: "s1"})
	page := browser.Dial("/StatusSocket", nil)
	store.users.Store("s1", "ada") // before Rebind
	check(srv.Rebind(context.Background(), "s1", mojo.Identity{SessionID: "s1", UserID: "ada"}))
	check(srv.LoggedInSessions().Get("ada").Emit("note", "hello"))
	fmt.Println(page.Next())
	// Output: note ["hello"]
}

// Events.Identity is called when the user of a connection has changed. Here it
// leaves the rooms of the old user and refuses one of the new ones.
func ExampleIdentityObserver() {
	srv := newServer()
	_, err := srv.Register("Desk", (&mojo.Events{
		Identity: func(c *mojo.Conn, old, now mojo.Identity) error {
			if now.UserID == "mallory" {
				return mojo.ClientError{Message: "staff only"}
			}
			c.Leave("desk of " + old.UserID)
			return c.Emit("you are", now.UserID)
		},
	}).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	browser := site.NewBrowser(t)
	browser.Get("/")
	page := browser.Dial("/DeskSocket", nil)
	browser.LogIn("ada")
	fmt.Println(page.Next())
	browser.LogIn("mallory")
	fmt.Println(page.Next()) // no user, until the connection has proven that it belongs to this browser
	fmt.Println(page.Next())
	fmt.Println(page.AwaitDisconnect())
	// Output:
	// you are ["ada"]
	// you are [""]
	// mojo:revoked [{"code":4004,"reason":"identity refused","reconnect":false,"message":"staff only"}]
	// io server disconnect
}

// Revoke sends the client a reason and closes its connection. After it has
// returned, no message reaches the user, and the cookies are refused.
func ExampleSession_Revoke() {
	gone := make(chan mojo.Reason, 1)
	srv := newServer()
	_, err := srv.Register("Status", (&mojo.Events{Disconnect: func(_ *mojo.Conn, reason mojo.Reason) { gone <- reason }}).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	ada := site.NewBrowser(t)
	ada.LogIn("ada")
	page := ada.Dial("/StatusSocket", nil)
	check(srv.LoggedInSessions().Get("ada").Revoke(context.Background(), mojo.Revocation{Code: 5001, Reason: "account locked"}))
	fmt.Println(srv.LoggedInSessions().Has("ada"), <-gone)
	fmt.Println(page.Next())
	fmt.Println(page.AwaitDisconnect())
	fmt.Println(page.Tab().TryReconnect())
	// Output:
	// false account locked
	// mojo:revoked [{"code":5001,"reason":"account locked","reconnect":false}]
	// io server disconnect
	// mojotest: the handshake was refused: 403 Forbidden
}

// A user who has lost a phone ends all sessions except the current one.
func ExampleSession_RevokeExcept() {
	srv := newServer()
	_, err := srv.Register("Status", new(mojo.Events).Handler())
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/everywhere", func(_ http.ResponseWriter, r *http.Request) {
		me := srv.Identity(r)
		check(srv.LoggedInSessions().Get(me.UserID).RevokeExcept(r.Context(), me.SessionID, mojo.Revocation{}))
	})

	site := mojotest.NewServer(t, srv, srv.EnsureSession(mux))
	defer site.Close()
	phone, desk := site.NewBrowser(t), site.NewBrowser(t)
	phone.LogIn("ada")
	desk.LogIn("ada")
	lost, current := phone.Dial("/StatusSocket", nil), desk.Dial("/StatusSocket", nil)
	desk.Post("/everywhere", nil)
	check(srv.LoggedInSessions().Get("ada").Emit("note", "you are still here"))
	fmt.Println(lost.Next().Event(), lost.AwaitDisconnect())
	fmt.Println(current.Next())
	// Output:
	// mojo:revoked io server disconnect
	// note ["you are still here"]
}

// A page can show why a connection was closed, and whether it will reconnect.
func ExampleRevocation() {
	srv := newServer()
	_, err := srv.Register("Status", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	ada := site.NewBrowser(t)
	ada.LogIn("ada")
	page := ada.Dial("/StatusSocket", nil)
	check(srv.LoggedInSessions().Get("ada").Revoke(context.Background(), mojo.Revocation{
		Reason:    "maintenance",
		Message:   "We are back in a minute.",
		Reconnect: true,
	}))
	fmt.Println(page.Next())
	fmt.Println(page.AwaitDisconnect())
	page.Tab().Reconnect() // socket.io-client does it by itself
	fmt.Println(srv.LoggedInSessions().Has("ada"))
	// Output:
	// mojo:revoked [{"code":4001,"reason":"maintenance","reconnect":true,"message":"We are back in a minute."}]
	// transport close
	// true
}

// EnsureSession renews cookies that an older key has signed.
func ExampleServer_EnsureSession() {
	newer, older := mojo.NewKey(), mojo.NewKey()
	before, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{older}})
	check(err)
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{newer, older}})
	check(err)
	later, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{newer}})
	check(err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	browser := site.NewBrowser(t)
	w := httptest.NewRecorder()
	check(before.SetSession(w, "s1"))
	browser.SetCookies(w.Result().Cookies()...)
	for range 2 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, cookie := range browser.Cookies() {
			r.AddCookie(cookie)
		}
		id, err := later.Identify(r)
		check(err)
		fmt.Printf("known by the new key alone: %q\n", id.SessionID)
		browser.Get("/")
	}
	// Output:
	// known by the new key alone: ""
	// known by the new key alone: "s1"
}
