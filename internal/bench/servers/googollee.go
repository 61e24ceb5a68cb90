package servers

import (
	"strconv"

	googollee "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/engineio"
)

// newGoogollee is a server of the protocol before: Engine.IO 3.
func newGoogollee(beat Heartbeat) (*Server, error) {
	io := googollee.NewServer(&engineio.Options{PingInterval: beat.Interval, PingTimeout: beat.Interval + beat.Timeout})
	io.OnConnect("/", func(c googollee.Conn) error {
		u := c.URL()
		if user := u.Query().Get(UserQuery); user != "" {
			c.Join(room(user))
		}
		return nil
	})
	io.OnEvent("/", "echo", func(c googollee.Conn, in Body) { c.Emit("echo", in) })
	io.OnEvent("/", "ack", func(_ googollee.Conn, in Body) Body { return in })
	io.OnError("/", func(googollee.Conn, error) {})
	io.OnDisconnect("/", func(googollee.Conn, string) {})
	go func() { must(io.Serve()) }()
	return &Server{
		Handler:   io,
		Broadcast: func() { io.BroadcastToNamespace("/", "note", body) },
		EmitTo:    func(user int) { io.BroadcastToRoom("/", room(strconv.Itoa(user)), "note", body) },
		Conns:     io.Count,
	}, nil
}
