package mojo_test

import (
	"fmt"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojotest"
)

// A user is online from the first connection until PresenceGrace after the end
// of the last one.
func ExamplePresence() {
	seen := make(chan mojo.Presence)
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	check(err)
	srv, err := mojo.New(mojo.Options{
		Cookies:  cookies,
		Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}, // long enough for an example
		OnPresence: func(p mojo.Presence) {
			if p.Kind == mojo.UserPresence {
				seen <- p
			}
		},
	})
	check(err)
	_, err = srv.Register("Status", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	ada := site.NewBrowser(t)
	ada.LogIn("ada")
	first := ada.Dial("/StatusSocket", nil)
	p := <-seen
	fmt.Println(p.ID, "is online:", p.Online)
	second := ada.Dial("/StatusSocket", nil)
	first.Disconnect()
	second.Disconnect()
	p = <-seen
	fmt.Println(p.ID, "is online:", p.Online)
	// Output:
	// ada is online: true
	// ada is online: false
}

func ExampleSessions_Online() {
	srv := newServer()
	status, err := srv.Register("Status", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	ada := site.NewBrowser(t)
	ada.LogIn("ada")
	ada.Dial("/StatusSocket", nil)
	friends := []string{"bob", "ada", "cleo"}
	fmt.Println(srv.LoggedInSessions().Online(friends...))
	fmt.Println(status.LoggedInSessions().Online(friends...))
	// Output:
	// [ada]
	// [ada]
}

// An app can observe the presence of its own users and sessions.
func ExamplePresenceObserver() {
	seen := make(chan string, 2)
	status := &mojo.Events{Presence: func(ch *mojo.Channel, p mojo.Presence) {
		if p.Kind == mojo.UserPresence {
			seen <- fmt.Sprintf("%s came to %s", p.ID, ch.App())
		}
	}}
	srv := newServer()
	_, err := srv.Register("Status", status.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	ada := site.NewBrowser(t)
	ada.LogIn("ada")
	ada.Dial("/StatusSocket", nil)
	fmt.Println(<-seen)
	// Output: ada came to Status
}
