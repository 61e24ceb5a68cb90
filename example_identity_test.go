package mojo_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/mojosocket/mojo"
)

// HTTP handlers reach people by session, by user, or all of them.
func ExampleServer_CurrentSessions() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	check(err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	check(err)
	_, err = srv.Register("Status", &mojo.Events{})
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		for session := range srv.CurrentSessions().All() {
			err := session.Emit("joinedStatus", map[string]string{"data": "Ada has joined the chat"})
			check(err)
		}
		fmt.Fprint(w, "hello")
	})

	p, done := open(srv.EnsureSession(mux), srv)
	defer done()
	p.visit("/") // sets the session
	p.connect("/StatusSocket")
	fmt.Println(p.visit("/hello"))
	fmt.Println(p.receive())
	// Output:
	// hello
	// 2/StatusSocket,["joinedStatus",{"data":"Ada has joined the chat"}]
}

func ExampleSessions() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	check(err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	check(err)
	_, err = srv.Register("Status", &mojo.Events{})
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		check(srv.LogIn(w, r, "ada"))
	})

	p, done := open(srv.EnsureSession(mux), srv)
	defer done()
	p.visit("/login")
	p.connect("/StatusSocket")
	check(srv.LoggedInSessions().Get("ada").Emit("note", "for all your tabs"))
	check(srv.LoggedInSessions().Get("bob").Emit("note", "reaches nobody"))
	fmt.Println(p.receive())
	fmt.Println(srv.LoggedInSessions().Has("ada"), srv.LoggedInSessions().Has("bob"), srv.LoggedInSessions().Len())
	// Output:
	// 2/StatusSocket,["note","for all your tabs"]
	// true false 1
}

// A page that is open while its user logs in, and out again, stays connected. It
// gets what is sent to her after LogIn has returned, as soon as a request with the
// new cookies has proven that it is of her browser, and nothing of that after
// LogOut.
func ExampleServer_LogIn() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	check(err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	check(err)
	status, err := srv.Register("Status", &mojo.Events{})
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

	p, done := open(srv.EnsureSession(mux), srv)
	defer done()
	fmt.Println(p.visit("/"))
	p.connect("/StatusSocket")
	p.visit("/login")
	fmt.Println(p.visit("/"))
	fmt.Println(p.receive())
	p.visit("/logout")
	fmt.Println(p.visit("/"))
	fmt.Println(p.receive())
	// Output:
	// user ""
	// user "ada"
	// 2/StatusSocket,["note","welcome"]
	// user ""
	// 2/StatusSocket,["note","for everybody"]
}

// A site with sessions of its own says when one has become somebody else's: the
// live connections go on as that, and others see them as that at once.
func ExampleServer_Rebind() {
	var users sync.Map // by session; the site's database
	users.Store("session 1", "")
	srv, err := mojo.New(mojo.Options{
		Identify: func(*http.Request) (mojo.Identity, error) {
			user, _ := users.Load("session 1") // the site's own cookie says which
			return mojo.Identity{SessionID: "session 1", UserID: user.(string)}, nil
		},
	})
	check(err)
	_, err = srv.Register("Status", &mojo.Events{})
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/StatusSocket")
	users.Store("session 1", "ada") // first
	check(srv.Rebind(context.Background(), "session 1", mojo.Identity{SessionID: "session 1", UserID: "ada"}))
	check(srv.LoggedInSessions().Get("ada").Emit("note", "hello"))
	fmt.Println(p.receive())
	// Output: 2/StatusSocket,["note","hello"]
}

// A handler is told whose a connection has become, leaves what was the old user's,
// and may refuse.
func ExampleIdentityObserver() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	check(err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	check(err)
	_, err = srv.Register("Desk", &mojo.Events{
		Identity: func(c *mojo.Conn, old, now mojo.Identity) error {
			if now.UserID == "mallory" {
				return mojo.ClientError{Message: "staff only"}
			}
			c.Leave("desk of " + old.UserID)
			return c.Emit("you are", now.UserID)
		},
	})
	check(err)

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) { check(srv.LogIn(w, r, r.FormValue("user"))) })

	p, done := open(srv.EnsureSession(mux), srv)
	defer done()
	p.visit("/")
	p.connect("/DeskSocket")
	p.visit("/login?user=ada")
	fmt.Println(p.receive())
	p.visit("/login?user=mallory")
	fmt.Println(p.receive()) // nobody, until the page has proven that it is of this browser
	fmt.Println(p.receive())
	fmt.Println(p.receive()) // the client's disconnect
	// Output:
	// 2/DeskSocket,["you are","ada"]
	// 2/DeskSocket,["you are",""]
	// 2/DeskSocket,["mojo:revoked",{"code":4004,"reason":"identity refused","reconnect":false,"message":"staff only"}]
	// 1/DeskSocket,
}

// A user who is to go is told why, then closed, and is out of every index when
// Revoke has returned; the cookies open nothing any more.
func ExampleSession_Revoke() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	check(err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	check(err)
	gone := make(chan mojo.Reason, 1)
	_, err = srv.Register("Status", &mojo.Events{Disconnect: func(_ *mojo.Conn, reason mojo.Reason) { gone <- reason }})
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) { check(srv.LogIn(w, r, "ada")) })

	p, done := open(mux, srv)
	defer done()
	p.visit("/login")
	p.connect("/StatusSocket")
	check(srv.LoggedInSessions().Get("ada").Revoke(context.Background(), mojo.Revocation{Code: 5001, Reason: "account locked"}))
	fmt.Println(srv.LoggedInSessions().Has("ada"), <-gone)
	fmt.Println(p.receive())
	fmt.Println(p.receive())
	fmt.Println(p.visit("/socket.io/?EIO=4&transport=polling"))
	// Output:
	// false account locked
	// 2/StatusSocket,["mojo:revoked",{"code":5001,"reason":"account locked","reconnect":false}]
	// 1/StatusSocket,
	// {"code":4,"message":"Forbidden"}
}

// Whoever has lost a phone logs out everywhere but here.
func ExampleSession_RevokeExcept() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	check(err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	check(err)
	_, err = srv.Register("Status", &mojo.Events{})
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) { check(srv.LogIn(w, r, "ada")) })
	mux.HandleFunc("/everywhere", func(_ http.ResponseWriter, r *http.Request) {
		me := srv.Identity(r)
		check(srv.LoggedInSessions().Get(me.UserID).RevokeExcept(r.Context(), me.SessionID, mojo.Revocation{}))
	})

	p, done := open(srv.EnsureSession(mux), srv)
	defer done()
	p.visit("/login")
	p.connect("/StatusSocket")
	p.visit("/everywhere")
	check(srv.LoggedInSessions().Get("ada").Emit("note", "you are still here"))
	fmt.Println(p.receive())
	// Output: 2/StatusSocket,["note","you are still here"]
}

// A site with sessions of its own tells mojo who is who.
func ExampleOptions_identify() {
	srv, err := mojo.New(mojo.Options{
		Identify: func(r *http.Request) (mojo.Identity, error) {
			user, _, _ := r.BasicAuth()
			return mojo.Identity{SessionID: "session of " + user, UserID: user}, nil
		},
	})
	check(err)
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	check(err)
	r.SetBasicAuth("ada", "secret")
	fmt.Println(srv.Identity(r).SessionID)
	// Output: session of ada
}

func ExampleSession() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	check(err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	check(err)
	gone := make(chan mojo.Reason, 1)
	_, err = srv.Register("Status", &mojo.Events{Disconnect: func(_ *mojo.Conn, reason mojo.Reason) { gone <- reason }})
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})

	p, done := open(srv.EnsureSession(mux), srv)
	defer done()
	p.visit("/")
	p.connect("/StatusSocket")
	for session := range srv.CurrentSessions().All() {
		fmt.Println(session.Len(), len(session.ID()) > 20)
		check(session.Disconnect())
	}
	fmt.Println(p.receive(), <-gone, srv.CurrentSessions().Len())
	// Output:
	// 1 true
	// 1/StatusSocket, server namespace disconnect 0
}
