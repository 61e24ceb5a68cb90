package mojo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mojosocket/mojo"
)

// An app that echoes to everybody on its channel, mounted in a site.
func Example() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	var chat mojo.Events
	mojo.On(&chat, "say", func(c *mojo.Conn, text string) error {
		return c.Channel().Emit("said", text)
	})
	_, err = srv.Register("Chat", &chat)
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)

	p, done := open(mux, srv)
	defer done()
	p.connect("/ChatSocket")
	p.send(`42/ChatSocket,["say","hello"]`)
	fmt.Println(p.receive())
	// Output: 2/ChatSocket,["said","hello"]
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
	_ = c.Send("hello " + name) // the error: the client has gone
}

func (Greeter) OnDisconnect(*mojo.Conn, mojo.Reason) {}

func ExampleSocketHandler() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Greet", Greeter{})
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/GreetSocket")
	fmt.Println(p.receive())
	p.send(`42/GreetSocket,["message","Ada"]`)
	fmt.Println(p.receive())
	// Output:
	// 2/GreetSocket,["welcome","Greet"]
	// 2/GreetSocket,["message","hello Ada"]
}

func ExampleBroadcast() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	var game mojo.Events
	mojo.On(&game, "join", func(c *mojo.Conn, room string) error { return c.Join(room) })
	mojo.On(&game, "move", func(c *mojo.Conn, move string) error {
		return c.Channel().To("table 1").Without(c).Emit("moved", move)
	})
	channel, err := srv.Register("Game", &game)
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/GameSocket")
	p.send(`42/GameSocket,1["join","table 1"]`)
	p.receive()                                     // the answer to the join
	p.send(`42/GameSocket,2["move","not for me"]`)  // Without(c)
	p.receive()                                     // its answer
	check(channel.To("table 2").Emit("moved", "x")) // another room
	check(channel.To("table 1", "table 2").Except("spectators").Emit("moved", "e2e4"))
	fmt.Println(p.receive())
	// Output: 2/GameSocket,["moved","e2e4"]
}

func ExampleChannel() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	channel, err := srv.Handle("/news", &mojo.Events{})
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/news")
	for c := range channel.Conns() {
		check(c.Emit("headline", "it works"))
	}
	fmt.Println(p.receive())
	fmt.Println(channel.Namespace(), channel.Len())
	// Output:
	// 2/news,["headline","it works"]
	// /news 1
}

func ExampleEvents() {
	type Sum struct{ A, B int }
	var calc mojo.Events
	mojo.OnCall(&calc, "add", func(_ *mojo.Conn, in Sum) (int, error) { return in.A + in.B, nil })
	mojo.OnCall(&calc, "divide", func(_ *mojo.Conn, in Sum) (int, error) {
		if in.B == 0 {
			return 0, mojo.ClientError{Message: "division by zero"}
		}
		return in.A / in.B, nil
	})
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Calc", &calc)
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/CalcSocket")
	for _, call := range []string{`7["add",{"A":1,"B":2}]`, `8["divide",{"A":1}]`, `9["add","two"]`} {
		p.send("42/CalcSocket," + call)
		fmt.Println(p.receive())
	}
	// Output:
	// 3/CalcSocket,7[3]
	// 3/CalcSocket,8[{"error":{"message":"division by zero"}}]
	// 3/CalcSocket,9[{"error":{"message":"invalid arguments"}}]
}

func ExampleCall() {
	ask := mojo.Events{}
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
	_, err = srv.Register("Ask", &ask)
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/AskSocket")
	p.send(`42/AskSocket,["ready"]`)
	fmt.Println(p.receive())
	p.send(`43/AskSocket,0["blue"]`)
	fmt.Println(<-answers)
	// Output:
	// 2/AskSocket,0["favourite color?"]
	// blue
}

// What OnConnect returns as a ClientError is what the client's connect_error
// shows; other errors show nothing of themselves.
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
	_, err = srv.Register("Vip", &vip)
	check(err)
	_, err = srv.Register("Broken", &broken)
	check(err)

	p, done := open(srv, srv)
	defer done()
	fmt.Println(p.connect("/VipSocket"))
	fmt.Println(p.connect("/BrokenSocket"))
	// Output:
	// 4/VipSocket,{"message":"members only","data":{"login":"/login"}}
	// 4/BrokenSocket,{"message":"internal error"}
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
	_, err = srv.Register("Draw", &app)
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/DrawSocket")
	p.send(`42/DrawSocket,1["canvas","sketch",{"W":640,"H":480}]`)
	fmt.Println(p.receive())
	p.send(`42/DrawSocket,2["canvas"]`)
	fmt.Println(p.receive())
	// Output:
	// canvas sketch 640 480
	// 3/DrawSocket,1["seen"]
	// mojo: event "canvas" has 0 arguments; want at least 2
	// 3/DrawSocket,2["seen"]
}

// Values that belong to a connection, and what it said of itself.
func ExampleConn() {
	type joinedKey struct{}
	app := mojo.Events{Connect: func(c *mojo.Conn) error {
		c.Set(joinedKey{}, c.Handshake().Query().Get("EIO"))
		return c.Join("everybody")
	}}
	mojo.OnCall(&app, "about", func(c *mojo.Conn, _ any) (string, error) {
		return fmt.Sprintf("revision %v, %v, %s", c.Get(joinedKey{}), c.Rooms(), c.Transport()), nil
	})
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("About", &app)
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/AboutSocket")
	p.send(`42/AboutSocket,1["about"]`)
	fmt.Println(p.receive())
	// Output: 3/AboutSocket,1["revision 4, [everybody], polling"]
}

func ExampleHandshake() {
	app := mojo.Events{Connect: func(c *mojo.Conn) error {
		h := c.Handshake()
		fmt.Println(h.Header().Get("User-Agent") != "", h.Query().Get("transport"), h.Auth == nil)
		return nil
	}}
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("App", &app)
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/AppSocket")
	// Output: true polling true
}

// A Binary is binary also where a []byte would become base64.
func ExampleBinary() {
	type File struct {
		Name string      `json:"name"`
		Data mojo.Binary `json:"data"`
	}
	srv, err := mojo.New(mojo.Options{})
	check(err)
	channel, err := srv.Register("Files", &mojo.Events{})
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/FilesSocket")
	check(channel.Emit("file", File{"greeting", mojo.Binary("hi")}))
	fmt.Println(p.receive())
	fmt.Println(p.receive()) // over long-polling: base64
	// Output:
	// 51-/FilesSocket,["file",{"name":"greeting","data":{"_placeholder":true,"num":0}}]
	// baGk=
}

// Auditor sees what is sent to its app's connections.
type Auditor struct{ mojo.Events }

func (*Auditor) OnEmit(_ *mojo.Conn, event string, args []any) { fmt.Println("sent", event, args) }

func ExampleEmitObserver() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	channel, err := srv.Register("Audit", &Auditor{})
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/AuditSocket")
	check(channel.Emit("price", 12))
	// Output: sent price [12]
}

func ExampleServer_Shutdown() {
	srv, err := mojo.New(mojo.Options{})
	check(err)
	channel, err := srv.Register("Chat", &mojo.Events{})
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	check(srv.Shutdown(ctx))
	err = channel.Emit("too", "late")
	fmt.Println(errors.Is(err, mojo.ErrServerClosed), strings.HasPrefix(err.Error(), "mojo: "))
	// Output: true true
}

// Why a connection ended, in the words of Socket.IO.
func ExampleReason() {
	ended := make(chan mojo.Reason, 1)
	srv, err := mojo.New(mojo.Options{})
	check(err)
	_, err = srv.Register("Chat", &mojo.Events{
		Disconnect: func(_ *mojo.Conn, reason mojo.Reason) { ended <- reason },
	})
	check(err)

	p, done := open(srv, srv)
	defer done()
	p.connect("/ChatSocket")
	p.send("41/ChatSocket,") // what socket.disconnect() sends
	reason := <-ended
	fmt.Println(reason, reason == mojo.ReasonClientDisconnect)
	// Output: client namespace disconnect true
}

// A server for WebSockets alone: pages connect with transports: ["websocket"].
func ExampleTransport() {
	srv, err := mojo.New(mojo.Options{Transports: []mojo.Transport{mojo.WebSocket}})
	check(err)

	p, done := open(srv, srv)
	defer done()
	fmt.Println(p.visit("/socket.io/?EIO=4&transport=polling"))
	// Output: {"code":0,"message":"Transport unknown"}
}
