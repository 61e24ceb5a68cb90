// Package mojotest is for tests of sites that use mojo. A [Server] runs the
// site in memory or on the loopback interface, a [Browser] visits it and logs
// in, and a [Socket] speaks the protocol as socket.io-client does.
//
//	func TestChat(t *testing.T) {
//		srv, handler := newSite(t) // the site's own: a *mojo.Server and an http.Handler
//		site := mojotest.NewServer(t, srv, handler)
//		ann, bob := site.NewBrowser(t), site.NewBrowser(t)
//		ann.LogIn("ann")
//		annChat, bobChat := ann.Dial("/ChatSocket", nil), bob.Dial("/ChatSocket", nil)
//
//		annChat.Emit("say", "hello")
//		bobChat.Expect("said", "hello")
//
//		ann.Get("/hello") // an HTTP handler that emits to all tabs
//		bobChat.Expect("joinedStatus", map[string]string{"data": "ann has joined the chat"})
//	}
//
// # Failures
//
// A method that waits fails the test if the event or answer does not arrive
// within Server.Timeout. It must be called in the test's goroutine, as
// testing.TB.FailNow. Methods whose names begin with Try return an error
// instead; use them to test refusals.
//
// No method sleeps: each returns as soon as the server has answered.
//
// # Logins
//
// A Browser has the cookies of one visitor, and its tabs share them. Get and
// Post visit the pages of the site and send its forms. LogIn logs in a test
// user without a form. After a login the tabs stay connected, as a page with
// these lines does:
//
//	<script src="/socket.io/mojo.js"></script>
//	<script>mojo.follow(io("/ChatSocket"))</script>
//
// With DialOptions.NoFollow a tab behaves like a page without them.
//
// # Virtual time
//
// A Server of NewServer works in a testing/synctest bubble. There the time
// advances when all goroutines wait, so a test can see the end of a session
// after a month. synctest.Wait waits until each handler has returned or is
// blocked:
//
//	synctest.Test(t, func(t *testing.T) {
//		site := mojotest.NewServer(t, srv, nil) // srv was made in the bubble, too
//		chat := site.Dial(t, "/ChatSocket", nil)
//		time.Sleep(time.Hour)
//		chat.Expect("reminder", "stretch your legs")
//	})
//
// The package has the same dependencies as mojo itself.
package mojotest
