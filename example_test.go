package mojo_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojotest"
)

// t is the *testing.T of a test. An Example has none: a failure panics, and the
// Example has to close its mojotest.Server.
var t testing.TB

// check panics if there is an error, which fails the example.
func check(err error) {
	if err != nil {
		fmt.Println("error:", err)
		panic(err)
	}
}

// quiet drops the log lines of an example.
var quiet = slog.New(slog.DiscardHandler)

// An app that echoes to everybody on its channel, mounted in a site.
func Example() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	var chat mojo.Events
	mojo.On(&chat, "say", func(c *mojo.Conn, text string) error {
		return c.Channel().Emit("said", text)
	})
	_, err = srv.Register("Chat", chat.Handler())
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)

	site := mojotest.NewServer(t, srv, mux)
	defer site.Close()
	ada, bob := site.Dial(t, "/ChatSocket", nil), site.Dial(t, "/ChatSocket", nil)
	ada.Emit("say", "hello")
	fmt.Println(bob.Next())
	// Output: said ["hello"]
}

// A Server has any number of apps, which share the connection of a page.
func ExampleServer() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	for _, app := range []string{"Chat", "Status"} {
		_, err = srv.Register(app, (&mojo.Events{Connect: func(c *mojo.Conn) error {
			return c.Emit("welcome", c.Channel().App())
		}}).Handler())
		check(err)
	}

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	chat := site.Dial(t, "/ChatSocket", nil)
	status := chat.Tab().Connect("/StatusSocket", nil)
	fmt.Println(chat.Next(), status.Next())
	fmt.Println(srv.Stats().Connections, "connection")
	// Output:
	// welcome ["Chat"] welcome ["Status"]
	// 1 connection
}

// Greeter is a SocketHandler.
type Greeter struct{}

func (Greeter) OnConnect(c *mojo.Conn) error {
	return c.Emit("welcome", c.Channel().App())
}

func (Greeter) OnMessage(c *mojo.Conn, m *mojo.Message) {
	var name string
	if err := m.Decode(&name); err != nil {
		return
	}
	_ = c.Send("hello " + name) // it fails if the client has gone
}

func (Greeter) OnDisconnect(*mojo.Conn, mojo.Reason) {}

func ExampleSocketHandler() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Greet", Greeter{})
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	greet := site.Dial(t, "/GreetSocket", nil)
	greet.Emit("message", "Ada") // as socket.send("Ada")
	fmt.Println(greet.Next())
	fmt.Println(greet.Next())
	// Output:
	// welcome ["Greet"]
	// message ["hello Ada"]
}

// A move goes to all others at the table.
func ExampleBroadcast() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	var game mojo.Events
	mojo.On(&game, "join", func(c *mojo.Conn, room string) error { return c.Join(room) })
	mojo.On(&game, "move", func(c *mojo.Conn, move string) error {
		return c.Channel().To("table 1").Without(c).Emit("moved", move)
	})
	channel, err := srv.Register("Game", game.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	white, black, guest := site.Dial(t, "/GameSocket", nil), site.Dial(t, "/GameSocket", nil), site.Dial(t, "/GameSocket", nil)
	white.Call("join", "table 1")
	black.Call("join", "table 1")
	guest.Call("join", "spectators")
	white.Call("move", "e2e4")
	fmt.Println(black.Next())
	white.ExpectNothing()
	guest.ExpectNothing()

	check(channel.To("table 1", "spectators").Emit("news", "white is ahead"))
	check(channel.Except("spectators").Emit("hint", "take the pawn"))
	fmt.Println(guest.Next())
	fmt.Println(black.Next(), black.Next())
	guest.ExpectNothing()
	// Output:
	// moved ["e2e4"]
	// news ["white is ahead"]
	// news ["white is ahead"] hint ["take the pawn"]
}

func ExampleChannel() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	channel, err := srv.Handle("/news", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	page := site.Dial(t, "/news", nil)
	for c := range channel.Conns() {
		check(c.Emit("headline", "it works"))
	}
	fmt.Println(page.Next())
	fmt.Println(channel.Namespace(), channel.Len())
	// Output:
	// headline ["it works"]
	// /news 1
}

func ExampleEvents() {
	type Pair struct{ A, B int }
	var calc mojo.Events
	mojo.OnCall(&calc, "add", func(_ *mojo.Conn, in Pair) (int, error) { return in.A + in.B, nil })
	mojo.OnCall(&calc, "divide", func(_ *mojo.Conn, in Pair) (int, error) {
		if in.B == 0 {
			return 0, mojo.ClientError{Message: "division by zero"}
		}
		return in.A / in.B, nil
	})
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Calc", calc.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	page := site.Dial(t, "/CalcSocket", nil)
	fmt.Println(page.Call("add", Pair{1, 2}))
	fmt.Println(page.Call("divide", Pair{1, 0}))
	fmt.Println(page.Call("add", "two"))
	// Output:
	// [3]
	// [{"error":{"message":"division by zero"}}]
	// [{"error":{"message":"invalid arguments"}}]
}

// The server asks the page and waits for its answer.
func ExampleCall() {
	var ask mojo.Events
	answers := make(chan string, 1)
	mojo.On(&ask, "ready", func(c *mojo.Conn, _ any) error {
		ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
		defer cancel()
		color, err := mojo.Call[string](ctx, c, "favourite color?")
		answers <- color
		return err
	})
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Ask", ask.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	page := site.Dial(t, "/AskSocket", nil)
	page.Emit("ready")
	page.Expect("favourite color?").Ack("blue")
	fmt.Println(<-answers)
	// Output: blue
}

// A ClientError that OnConnect returns is the client's connect_error. The text
// of other errors does not reach the client.
func ExampleClientError() {
	vip := mojo.Events{Connect: func(c *mojo.Conn) error {
		if c.UserID() == "" {
			return &mojo.ClientError{Message: "members only", Data: map[string]string{"login": "/login"}}
		}
		return nil
	}}
	broken := mojo.Events{Connect: func(*mojo.Conn) error { return errors.New("password of the database is wrong") }}
	srv, err := mojo.New(mojo.Options{Logger: quiet})
	check(err)
	_, err = srv.Register("Vip", vip.Handler())
	check(err)
	_, err = srv.Register("Broken", broken.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	for _, namespace := range []string{"/VipSocket", "/BrokenSocket"} {
		_, err := site.NewBrowser(t).TryDial(namespace, nil)
		if refused, ok := errors.AsType[*mojotest.ConnectError](err); ok {
			fmt.Printf("%s %s\n", refused.Message, refused.Data)
		}
	}
	// Output:
	// members only {"login":"/login"}
	// internal error
}

// A Fallback gets the messages of all events.
func ExampleMessage() {
	app := mojo.Events{Fallback: func(_ *mojo.Conn, m *mojo.Message) {
		if m.WantsAck() {
			check(m.Ack(m.Event(), m.Len()))
		}
	}}
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Draw", app.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	fmt.Println(site.Dial(t, "/DrawSocket", nil).Call("line", "red", 3))
	// Output: ["line",2]
}

func ExampleMessage_Decode() {
	var app mojo.Events
	app.Fallback = func(_ *mojo.Conn, m *mojo.Message) {
		var (
			title string
			size  struct{ W, H int }
		)
		if err := m.Decode(&title, &size); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println(m.Event(), title, size.W, size.H)
		}
		check(m.Ack("seen"))
	}
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Draw", app.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	page := site.Dial(t, "/DrawSocket", nil)
	page.Call("canvas", "sketch", map[string]int{"W": 640, "H": 480})
	page.Call("canvas")
	// Output:
	// canvas sketch 640 480
	// mojo: event "canvas" has 0 arguments; want at least 2
}

// A Conn stores values for the app.
func ExampleConn() {
	type langKey struct{}
	app := mojo.Events{Connect: func(c *mojo.Conn) error {
		c.Set(langKey{}, c.Handshake().Query().Get("lang"))
		return c.Join("everybody")
	}}
	mojo.OnCall(&app, "about", func(c *mojo.Conn, _ any) (string, error) {
		return fmt.Sprintf("speaks %v, is in %v, by %s", c.Get(langKey{}), c.Rooms(), c.Transport()), nil
	})
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("About", app.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	page := site.Dial(t, "/AboutSocket", &mojotest.DialOptions{Query: map[string][]string{"lang": {"fr"}}})
	fmt.Println(mojotest.Call[string](page, "about"))
	// Output: speaks fr, is in [everybody], by websocket
}

// A Handshake has the auth payload of io(namespace, {auth: {...}}) and the
// headers of the browser.
func ExampleHandshake() {
	app := mojo.Events{Connect: func(c *mojo.Conn) error {
		h := c.Handshake()
		fmt.Println(string(h.Auth), h.Query().Get("transport"), h.Header().Get("User-Agent"))
		return nil
	}}
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("App", app.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	site.Dial(t, "/AppSocket", &mojotest.DialOptions{
		Auth:   map[string]string{"token": "abc"},
		Header: http.Header{"User-Agent": {"a browser"}},
	})
	// Output: {"token":"abc"} polling a browser
}

// A Binary in a struct is sent as binary, not as base64.
func ExampleBinary() {
	type File struct {
		Name string      `json:"name"`
		Data mojo.Binary `json:"data"`
	}
	srv, err := mojo.New(mojo.Options{})
	check(err)
	channel, err := srv.Register("Files", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	page := site.Dial(t, "/FilesSocket", nil)
	check(channel.Emit("file", File{"greeting", mojo.Binary("hi")}))
	m := page.Next()
	fmt.Println(m)
	var f File
	m.Decode(&f)
	fmt.Printf("%s: %s\n", f.Name, f.Data)
	// Output:
	// file [{"name":"greeting","data":{"_placeholder":true,"num":0}}]
	// greeting: hi
}

// Auditor observes the messages to its app's connections.
type Auditor struct{ mojo.SocketHandler }

func (Auditor) OnEmit(_ *mojo.Conn, event string, args []any) { fmt.Println("sent", event, args) }

func ExampleEmitObserver() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	channel, err := srv.Register("Audit", Auditor{new(mojo.Events).Handler()})
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	site.Dial(t, "/AuditSocket", nil)
	check(channel.Emit("price", 12))
	// Output: sent price [12]
}

func ExampleServer_Shutdown() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	channel, err := srv.Register("Chat", new(mojo.Events).Handler())
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	check(srv.Shutdown(ctx))
	err = channel.Emit("too", "late")
	fmt.Println(errors.Is(err, mojo.ErrServerClosed), strings.HasPrefix(err.Error(), "mojo: "))
	// Output: true true
}

// The error of Shutdown names the handlers that have not returned.
func ExampleShutdownError() {
	running, release := make(chan bool), make(chan bool)
	var chat mojo.Events
	mojo.On(&chat, "wait", func(*mojo.Conn, any) error { running <- true; <-release; return nil })
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Chat", chat.Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	defer close(release)
	site.Dial(t, "/ChatSocket", nil).Emit("wait")
	<-running
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err = srv.Shutdown(ctx)
	if late, ok := errors.AsType[*mojo.ShutdownError](err); ok {
		handler, _, _ := strings.Cut(late.Handlers[0], ", connection")
		fmt.Println(len(late.Handlers), handler, errors.Is(err, context.DeadlineExceeded))
	}
	// Output: 1 OnMessage "wait" on /ChatSocket true
}

// OnDisconnect gets the reason.
func ExampleReason() {
	ended := make(chan mojo.Reason, 1)
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Chat", (&mojo.Events{
		Disconnect: func(_ *mojo.Conn, reason mojo.Reason) { ended <- reason },
	}).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	site.Dial(t, "/ChatSocket", nil).Disconnect() // socket.disconnect()
	reason := <-ended
	fmt.Println(reason, reason == mojo.ReasonClientDisconnect)
	// Output: client namespace disconnect true
}

// This Server serves WebSockets only. Pages connect with the option transports:
// ["websocket"].
func ExampleTransport() {
	srv, err := mojo.New(mojo.Options{Transports: []mojo.Transport{mojo.WebSocket}})
	check(err)
	_, err = srv.Register("Chat", (&mojo.Events{Connect: func(c *mojo.Conn) error {
		fmt.Println(c.Transport())
		return nil
	}}).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	site.Dial(t, "/ChatSocket", &mojotest.DialOptions{Transport: mojotest.WebSocket})
	_, err = site.NewBrowser(t).TryDial("/ChatSocket", nil) // polls first
	fmt.Println(err)
	// Output:
	// websocket
	// mojotest: the handshake was refused: 400 Transport unknown
}

// Stats has figures of the Server and of each app.
func ExampleStats() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Chat", new(mojo.Events).Handler())
	check(err)

	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	site.Dial(t, "/ChatSocket", nil)
	stats := srv.Stats()
	fmt.Println(stats.Connections, stats.WebSockets, stats.Apps[0].App, stats.Apps[0].Conns)
	// Output: 1 1 Chat 1
}
