package mojo_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo"
)

// A site that knows its users by sessions of its own: here everybody is Ada.
func ada(*http.Request) (mojo.Identity, error) {
	return mojo.Identity{SessionID: "s1", UserID: "ada"}, nil
}

// Somebody is online from the first connection to the last, and a little longer.
func ExampleOptions_onPresence() {
	seen := make(chan mojo.Presence)
	srv, err := mojo.New(mojo.Options{
		Identify: ada,
		Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}, // long enough for an example
		OnPresence: func(p mojo.Presence) {
			if p.Kind == mojo.UserPresence {
				seen <- p
			}
		},
	})
	check(err)
	_, err = srv.Register("Status", &mojo.Events{})
	check(err)

	p, done := open(srv, srv)
	defer done()
	tab := *p // another one
	p.connect("/StatusSocket")
	p1 := <-seen
	fmt.Println(p1.ID, "is online:", p1.Online)
	tab.connect("/StatusSocket")
	p.send("41/StatusSocket,") // leaves
	tab.send("41/StatusSocket,")
	p2 := <-seen
	fmt.Println(p2.ID, "is online:", p2.Online)
	// Output:
	// ada is online: true
	// ada is online: false
}

func ExampleSessions_Online() {
	srv, err := mojo.New(mojo.Options{Identify: ada})
	check(err)
	status, err := srv.Register("Status", &mojo.Events{})
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/StatusSocket")
	friends := []string{"bob", "ada", "cleo"}
	fmt.Println(srv.LoggedInSessions().Online(friends...))
	fmt.Println(status.LoggedInSessions().Online(friends...))
	// Output:
	// [ada]
	// [ada]
}

// An app may ask for the presence of those who are on it.
func ExamplePresenceObserver() {
	seen := make(chan string, 2)
	status := &mojo.Events{Presence: func(ch *mojo.Channel, p mojo.Presence) {
		seen <- fmt.Sprintf("%s came to %s", p.ID, ch.App())
	}}
	srv, err := mojo.New(mojo.Options{Identify: ada})
	check(err)
	_, err = srv.Register("Status", status)
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/StatusSocket")
	fmt.Println(<-seen) // the session
	fmt.Println(<-seen) // the user
	// Output:
	// s1 came to Status
	// ada came to Status
}

// A connection does not outlive the session that it came with.
func ExampleIdentity_expires() {
	session := mojo.Identity{SessionID: "s1", Expires: time.Now().Add(time.Hour)}
	var store atomic.Pointer[mojo.Identity]
	save := func(s mojo.Identity) { store.Store(&s) }
	save(session)
	srv, err := mojo.New(mojo.Options{Identify: func(*http.Request) (mojo.Identity, error) {
		return *store.Load(), nil
	}})
	check(err)
	_, err = srv.Register("Status", &mojo.Events{})
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/StatusSocket")
	session.Expires = time.Now() // the site has thought better of it
	save(session)
	check(srv.Rebind(context.Background(), "s1", session))
	fmt.Println(p.receive())
	// Output: 2/StatusSocket,["mojo:revoked",{"code":4002,"reason":"session expired","reconnect":true}]
}

// EnsureSession renews the cookies of whoever loads a page, here with a new key.
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
	site := srv.EnsureSession(http.NotFoundHandler())

	visit := func(with *http.Response) *http.Response {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, cookie := range with.Cookies() {
			r.AddCookie(cookie)
		}
		id, err := later.Identify(r)
		check(err)
		fmt.Printf("known by the new key alone: %q\n", id.SessionID)
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		return w.Result()
	}
	w := httptest.NewRecorder()
	check(before.SetSession(w, "s1"))
	visit(visit(w.Result()))
	// Output:
	// known by the new key alone: ""
	// known by the new key alone: "s1"
}

// Whoever opens too many tabs is told so in the last one.
func ExampleOptions_maxConnsPerSession() {
	srv, err := mojo.New(mojo.Options{Identify: ada, Limits: mojo.Limits{MaxConnsPerSession: 1}})
	check(err)
	_, err = srv.Register("Status", &mojo.Events{})
	check(err)

	p, done := open(srv, srv)
	defer done()
	tab := *p // another one
	p.connect("/StatusSocket")
	fmt.Println(tab.connect("/StatusSocket"))
	// Output: 4/StatusSocket,{"message":"too many connections of this session","data":{"limit":1}}
}

// A user who was locked in the site's database is logged out everywhere.
func ExampleOptions_revalidate() {
	var locked atomic.Bool // the site's database
	srv, err := mojo.New(mojo.Options{
		Identify: ada,
		Revalidation: mojo.Revalidation{
			Check: func(ctx context.Context, id mojo.Identity) (bool, error) {
				return id.UserID != "ada" || !locked.Load(), nil
			},
			Every: 100 * time.Millisecond,
		},
	})
	check(err)
	_, err = srv.Register("Status", &mojo.Events{})
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/StatusSocket")
	locked.Store(true)
	fmt.Println(p.receive())
	// Output: 2/StatusSocket,["mojo:revoked",{"code":4003,"reason":"session no longer valid","reconnect":false}]
}
