// Package mojotest tests the handlers of a site that uses mojo: a site under test, in
// memory or on the loopback interface; browsers that log in to it; and their sockets,
// which speak as socket.io-client does.
//
//	func TestChat(t *testing.T) {
//		srv, handler := newSite(t) // the site's own: a *mojo.Server and an http.Handler
//		site := mojotest.NewServer(t, srv, handler)
//		ann, bob := site.NewBrowser(t), site.NewBrowser(t)
//		ann.LogIn("ann")
//		hers, his := ann.Dial("/ChatSocket", nil), bob.Dial("/ChatSocket", nil)
//
//		hers.Emit("say", "hello")
//		his.Expect("said", "hello")
//
//		ann.Get("/hello") // an HTTP handler that reaches people
//		his.Expect("joinedStatus", map[string]string{"data": "ann has joined the chat"})
//	}
//
// # Failures
//
// A method without an error result fails the test when what it waits for does not
// come within Server.Timeout. Such methods belong in the test's goroutine, as
// testing.TB.FailNow does. Methods whose names begin with Try return the error, to
// test what the site refuses.
//
// Nothing polls or sleeps: what waits returns as soon as the server has answered.
//
// # Who is who
//
// A Browser has one visitor's cookies, which its tabs share. Get and Post visit the
// site's pages and send its forms; LogIn logs a test user in without them. The tabs
// follow a login as a page does that has the lines
//
//	<script src="/socket.io/mojo.js"></script>
//	<script>mojo.follow(io("/ChatSocket"))</script>
//
// unless DialOptions.NoFollow takes these out.
//
// # Virtual time
//
// A Server that NewServer has made works in a testing/synctest bubble. There time
// passes when nothing else can happen, so a test sees the end of a session after a
// month, and synctest.Wait waits for all handlers:
//
//	synctest.Test(t, func(t *testing.T) {
//		site := mojotest.NewServer(t, srv, nil) // srv was made in the bubble, too
//		chat := site.Dial(t, "/ChatSocket", nil)
//		time.Sleep(time.Hour)
//		chat.Expect("reminder", "stretch your legs")
//	})
//
// The package depends on nothing but what mojo itself does.
package mojotest
