package mojotest_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"testing"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojotest"
)

// t is the *testing.T of a test. An Example has no testing.T: there a failure
// panics, and the Example must close its Server.
var t testing.TB

// newSite returns the site of these examples: an app Chat for users who are
// logged in, an app Vip, and an HTTP handler that emits to all sessions.
func newSite() (*mojo.Server, http.Handler) {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, HostPrefix: true})
	if err != nil {
		log.Fatal(err)
	}
	srv, err := mojo.New(mojo.Options{Cookies: cookies})
	if err != nil {
		log.Fatal(err)
	}
	var chat mojo.Events
	mojo.OnCall(&chat, "say", func(c *mojo.Conn, text string) (int, error) {
		if c.UserID() == "" {
			return 0, mojo.ClientError{Message: "log in to speak"}
		}
		return len(text), c.Channel().Emit("said", Said{From: c.UserID(), Text: text})
	})
	mojo.On(&chat, "dinner?", func(c *mojo.Conn, _ any) error {
		dish, err := mojo.Call[string](c.Context(), c, "what would you like?")
		if err != nil {
			return err
		}
		return c.Emit("dinner", dish)
	})
	vip := mojo.Events{Connect: func(c *mojo.Conn) error {
		if c.UserID() == "" {
			return mojo.ClientError{Message: "members only", Data: "/login"}
		}
		return nil
	}}
	for app, handler := range map[string]mojo.SocketHandler{"Chat": chat.Handler(), "Vip": vip.Handler()} {
		if _, err := srv.Register(app, handler); err != nil {
			log.Fatal(err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("GET /ring", func(w http.ResponseWriter, r *http.Request) {
		for session := range srv.CurrentSessions().All() {
			_ = session.Emit("ring", srv.Identity(r).UserID) // an error means that the session has ended
		}
		fmt.Fprint(w, "It rings.")
	})
	return srv, srv.EnsureSession(mux)
}

// Said is the argument of the event "said".
type Said struct{ From, Text string }

// A user speaks in the chat, and a guest receives it.
func Example() {
	srv, handler := newSite()
	site := mojotest.NewServer(t, srv, handler)
	defer site.Close() // not needed in a test

	ann := site.NewBrowser(t)
	ann.LogIn("ann")
	annChat, guestChat := ann.Dial("/ChatSocket", nil), site.Dial(t, "/ChatSocket", nil)

	fmt.Println(mojotest.Call[int](annChat, "say", "hello"))
	annChat.Expect("said", Said{"ann", "hello"})
	fmt.Println(mojotest.Expect[Said](guestChat, "said").Text)
	fmt.Println(guestChat.Call("say", "hello").Err())
	annChat.ExpectNothing()
	// Output:
	// 5
	// hello
	// log in to speak
}

// A site with one app needs no http.Handler.
func ExampleServer() {
	var echo mojo.Events
	mojo.On(&echo, "say", func(c *mojo.Conn, text string) error { return c.Emit("said", text) })
	srv, err := mojo.New(mojo.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := srv.Register("Echo", echo.Handler()); err != nil {
		log.Fatal(err)
	}

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	socket := site.Dial(t, "/EchoSocket", nil)
	socket.Emit("say", "hello")
	fmt.Println(socket.Next())
	// Output: said ["hello"]
}

// The tabs of a browser stay connected when their user logs in and out.
func ExampleBrowser() {
	srv, handler := newSite()
	site := mojotest.NewServer(t, srv, handler)
	defer site.Close()

	ann := site.NewBrowser(t)
	ann.Get("/ring") // gives the browser a session
	first, second := ann.Dial("/ChatSocket", nil), ann.Dial("/ChatSocket", nil)
	ann.LogIn("ann")
	ann.Get("/ring")
	fmt.Println(first.Next(), second.Next())
	fmt.Println(srv.LoggedInSessions().Get("ann").Len(), ann.Identity().UserID)
	ann.LogOut()
	fmt.Println(srv.LoggedInSessions().Get("ann").Len(), srv.CurrentSessions().Get(ann.Identity().SessionID).Len())
	// Output:
	// ring ["ann"] ring ["ann"]
	// 2 ann
	// 0 2
}

func ExampleResponse() {
	srv, handler := newSite()
	site := mojotest.NewServer(t, srv, handler)
	defer site.Close()

	page := site.NewBrowser(t).Get("/ring")
	fmt.Println(page.Status, page.Header.Get("Content-Type"), page.Body)
	// Output: 200 text/plain; charset=utf-8 It rings.
}

// The apps of a tab share its connection, and reconnect with it.
func ExampleTab() {
	srv, handler := newSite()
	site := mojotest.NewServer(t, srv, handler)
	defer site.Close()

	ann := site.NewBrowser(t)
	ann.LogIn("ann")
	chat := ann.Dial("/ChatSocket", nil)
	vip := chat.Tab().Connect("/VipSocket", nil)
	fmt.Println(chat.Tab().Transport(), srv.Stats().WebSockets)

	chat.Tab().Drop()
	fmt.Println(chat.Connected(), vip.Connected())
	chat.Tab().Reconnect()
	fmt.Println(chat.Connected(), vip.Connected())
	// Output:
	// websocket 1
	// false false
	// true true
}

func ExampleSocket() {
	srv, handler := newSite()
	site := mojotest.NewServer(t, srv, handler)
	defer site.Close()

	ann := site.NewBrowser(t)
	ann.LogIn("ann")
	chat := ann.Dial("/ChatSocket", nil)
	chat.Emit("say", "one")                     // does not wait
	answer := chat.Call("say", "two")           // waits for the ack
	chat.Expect("said", Said{"ann", "one"})     // compares
	said := mojotest.Expect[Said](chat, "said") // decodes
	fmt.Println(answer, said.Text, chat.ID() != "")
	chat.Disconnect()
	fmt.Println(chat.AwaitDisconnect())
	// Output:
	// [3] two true
	// io client disconnect
}

// The server asks the client, which answers with an ack.
func ExampleMessage() {
	srv, handler := newSite()
	site := mojotest.NewServer(t, srv, handler)
	defer site.Close()

	chat := site.Dial(t, "/ChatSocket", nil)
	chat.Emit("dinner?")
	question := chat.Next()
	fmt.Println(question.Event(), question.WantsAck())
	question.Ack("soup")
	var dish string
	chat.Next().Decode(&dish)
	fmt.Println(dish)
	// Output:
	// what would you like? true
	// soup
}

// A refused client gets the error that socket.io-client passes to
// connect_error.
func ExampleConnectError() {
	srv, handler := newSite()
	site := mojotest.NewServer(t, srv, handler)
	defer site.Close()

	_, err := site.NewBrowser(t).TryDial("/VipSocket", nil)
	if refused, ok := errors.AsType[*mojotest.ConnectError](err); ok {
		fmt.Printf("%s %s\n", refused.Message, refused.Data)
	}
	// Output: members only "/login"
}

func ExampleHandshakeError() {
	srv, handler := newSite()
	site := mojotest.NewServer(t, srv, handler)
	defer site.Close()

	_, err := site.NewBrowser(t).TryDial("/ChatSocket", &mojotest.DialOptions{
		Header: http.Header{"Origin": {"https://another.example"}},
	})
	if refused, ok := errors.AsType[*mojotest.HandshakeError](err); ok {
		fmt.Println(refused.Status, refused.Message)
	}
	// Output: 403 Forbidden
}

func ExampleReason() {
	srv, handler := newSite()
	site := mojotest.NewServer(t, srv, handler)
	defer site.Close()

	chat := site.Dial(t, "/ChatSocket", nil)
	srv.Close()
	reason := chat.AwaitDisconnect()
	fmt.Println(reason, reason == mojotest.ReasonTransportClose)
	// Output: transport close true
}

// A test can run with each transport.
func ExampleTransport() {
	srv, handler := newSite()
	site := mojotest.NewServer(t, srv, handler)
	defer site.Close()

	for _, transport := range []mojotest.Transport{mojotest.Upgrade, mojotest.WebSocket, mojotest.Polling} {
		chat := site.Dial(t, "/ChatSocket", &mojotest.DialOptions{Transport: transport})
		fmt.Println(transport, "ends with", chat.Tab().Transport())
	}
	// Output:
	// upgrade ends with websocket
	// websocket ends with websocket
	// polling ends with polling
}

// A page passes these options as io(namespace, {auth: {...}, query: {...}}).
func ExampleDialOptions() {
	app := mojo.Events{Connect: func(c *mojo.Conn) error {
		fmt.Println(string(c.Handshake().Auth), c.Handshake().Query().Get("lang"))
		return nil
	}}
	srv, err := mojo.New(mojo.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := srv.Handle("/", app.Handler()); err != nil {
		log.Fatal(err)
	}
	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()

	site.Dial(t, "/", &mojotest.DialOptions{
		Auth:  map[string]string{"token": "abc"},
		Query: map[string][]string{"lang": {"en"}},
	})
	// Output: {"token":"abc"} en
}
