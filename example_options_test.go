package mojo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/ledger"
	"github.com/mojosocket/mojo/mojotest"
)

// A site with sessions of its own returns the identity of each request.
func ExampleOptions() {
	srv, err := mojo.New(mojo.Options{
		Identify: func(r *http.Request) (mojo.Identity, error) {
			user, _, _ := r.BasicAuth()
			return mojo.Identity{SessionID: "session of " + user, UserID: user}, nil
		},
		Limits:   mojo.Limits{MaxPayload: 64 << 10},
		Timeouts: mojo.Timeouts{PingInterval: 10 * time.Second},
	})
	check(err)
	_, err = srv.Register("Status", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	r, err := http.NewRequest(http.MethodGet, site.URL, nil)
	check(err)
	r.SetBasicAuth("ada", "secret")
	site.Dial(t, "/StatusSocket", &mojotest.DialOptions{Header: r.Header})
	fmt.Println(srv.LoggedInSessions().Has("ada"), srv.Identity(r).SessionID)

	_, err = mojo.New(mojo.Options{Limits: mojo.Limits{MaxPayload: 1}})
	fmt.Println(err)
	// Output:
	// true session of ada
	// mojo: Options.Limits.MaxPayload is 1 bytes; want 0, or from 1024 to 1073741824
}

// A client that sends too many messages is closed.
func ExampleLimits() {
	ended := make(chan mojo.Reason, 1)
	srv, err := mojo.New(mojo.Options{Limits: mojo.Limits{MaxRate: 10}, Logger: quiet})
	check(err)
	_, err = srv.Register("Chat", (&mojo.Events{
		Disconnect: func(_ *mojo.Conn, reason mojo.Reason) { ended <- reason },
	}).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	page := site.Dial(t, "/ChatSocket", nil)
	for range 100 {
		page.Emit("say", "spam")
	}
	fmt.Println(page.AwaitDisconnect())
	fmt.Println(<-ended)
	// Output:
	// transport close
	// rate limit
}

// Above MaxConnsPerSession the new connection is refused, or the oldest closed.
func ExampleConnPolicy() {
	for _, policy := range []mojo.ConnPolicy{mojo.RefuseNew, mojo.CloseOldest} {
		cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
		check(err)
		srv, err := mojo.New(mojo.Options{
			Cookies: cookies,
			Limits:  mojo.Limits{MaxConnsPerSession: 1, ConnPolicy: policy},
		})
		check(err)
		_, err = srv.Register("Status", new(mojo.Events).Handler())
		check(err)

		site := mojotest.NewServer(t, srv, nil)
		browser := site.NewBrowser(t)
		browser.Get("/")
		first := browser.Dial("/StatusSocket", nil)
		_, err = browser.TryDial("/StatusSocket", nil)
		if refused, ok := errors.AsType[*mojotest.ConnectError](err); ok {
			fmt.Printf("%s %s\n", refused.Message, refused.Data)
		} else {
			fmt.Println(first.Next())
		}
		site.Close()
	}
	// Output:
	// too many connections of this session {"limit":1}
	// mojo:revoked [{"code":4005,"reason":"replaced by a newer connection","reconnect":false}]
}

// A client that answers no pings is closed.
func ExampleTimeouts() {
	ended := make(chan mojo.Reason, 1)
	srv, err := mojo.New(mojo.Options{Timeouts: mojo.Timeouts{
		PingInterval: 100 * time.Millisecond, // short enough for an example
		PingTimeout:  500 * time.Millisecond,
	}})
	check(err)
	_, err = srv.Register("Chat", (&mojo.Events{
		Disconnect: func(_ *mojo.Conn, reason mojo.Reason) { ended <- reason },
	}).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	site.Dial(t, "/ChatSocket", nil).Tab().Pause()
	fmt.Println(<-ended)
	// Output: ping timeout
}

// A user who was locked in the site's database is logged out everywhere.
func ExampleRevalidation() {
	var locked atomic.Bool // the site's database
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	check(err)
	srv, err := mojo.New(mojo.Options{
		Cookies: cookies,
		Revalidation: mojo.Revalidation{
			Check: func(ctx context.Context, id mojo.Identity) (bool, error) {
				return id.UserID != "ada" || !locked.Load(), nil
			},
			Every: 100 * time.Millisecond,
		},
	})
	check(err)
	_, err = srv.Register("Status", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	ada := site.NewBrowser(t)
	ada.LogIn("ada")
	page := ada.Dial("/StatusSocket", nil)
	locked.Store(true)
	fmt.Println(page.Next())
	// Output: mojo:revoked [{"code":4003,"reason":"session no longer valid","reconnect":false}]
}

// A cookie that was revoked is refused after a restart, too. A site uses a store
// that outlives the process: that of module mojobolt or mojoredis.
func ExampleOptions_ledger() {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	check(err)
	opts := mojo.Options{Cookies: cookies, Ledger: ledger.NewMemory(), Logger: quiet}
	srv, err := mojo.New(opts)
	check(err)
	site := mojotest.NewServer(t, srv, nil)
	browser := site.NewBrowser(t)
	browser.LogIn("ada")
	fmt.Println(browser.Identity().UserID)
	check(srv.LoggedInSessions().Get("ada").Revoke(context.Background(), mojo.Revocation{}))
	site.Close()

	srv, err = mojo.New(opts) // the next process
	check(err)
	site = mojotest.NewServer(t, srv, nil)
	defer site.Close()
	again := site.NewBrowser(t)
	again.SetCookies(browser.Cookies()...)
	fmt.Printf("%q\n", again.Identity().UserID)
	// Output:
	// ada
	// ""
}

// Guests may only listen, and failures are counted.
func ExampleEvents_Use() {
	var failed atomic.Int64
	var chat mojo.Events
	chat.Use(func(next mojo.EventFunc) mojo.EventFunc {
		return func(c *mojo.Conn, m *mojo.Message) error {
			if c.UserID() == "" {
				return mojo.ClientError{Message: "log in first"}
			}
			err := next(c, m)
			if err != nil {
				failed.Add(1)
			}
			return err
		}
	})
	mojo.OnCall(&chat, "say", func(_ *mojo.Conn, text string) (string, error) { return "said " + text, nil })
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Chat", chat.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	fmt.Println(site.Dial(t, "/ChatSocket", nil).Call("say", "hello").Err())
	fmt.Println("failed:", failed.Load())
	// Output:
	// log in first
	// failed: 0
}

// A client that is too old is refused on every app.
func ExampleServer_Use() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	srv.Use(func(c *mojo.Conn) error {
		if c.Handshake().Query().Get("version") != "2" {
			return mojo.ClientError{Message: "reload the page"}
		}
		return nil
	})
	_, err = srv.Register("Chat", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	_, err = site.NewBrowser(t).TryDial("/ChatSocket", nil)
	fmt.Println(err)
	// Output: mojotest: /ChatSocket was refused: reload the page
}
