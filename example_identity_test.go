package mojo_test

import (
	"fmt"
	"net/http"

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

// The page of a user who logs out and in again is one session after the other.
func ExampleServer_LogIn() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	check(err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	check(err)
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		check(srv.LogIn(w, r, "ada"))
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		check(srv.LogOut(w, r))
	})
	mux.HandleFunc("/me", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %q", srv.Identity(r).UserID)
	})

	p, done := open(srv.EnsureSession(mux), srv)
	defer done()
	fmt.Println(p.visit("/me"))
	p.visit("/login")
	fmt.Println(p.visit("/me"))
	p.visit("/logout")
	fmt.Println(p.visit("/me"))
	// Output:
	// user ""
	// user "ada"
	// user ""
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
