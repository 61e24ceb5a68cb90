package servers

import (
	"strconv"
	"sync/atomic"

	googollee "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/engineio"
)

// newGoogollee makes a server of Engine.IO 3. All connections are in one room,
// because a broadcast to the namespace would reach a connection once for each
// of its rooms.
func newGoogollee(config Config) (*Server, error) {
	io := googollee.NewServer(&engineio.Options{PingInterval: config.Interval, PingTimeout: config.Interval + config.Timeout})
	const allConns = "all"
	var conns atomic.Int64
	io.OnConnect("/", func(c googollee.Conn) error {
		c.Join(allConns)
		u := c.URL()
		if user := u.Query().Get(UserQuery); user != "" {
			c.Join(room(user))
		}
		conns.Add(1)
		return nil
	})
	io.OnEvent("/", "echo", func(c googollee.Conn, in Body) { c.Emit("echo", in) })
	io.OnEvent("/", "ack", func(_ googollee.Conn, in Body) Body { return in })
	io.OnError("/", func(googollee.Conn, error) {})
	io.OnDisconnect("/", func(googollee.Conn, string) { conns.Add(-1) })
	go func() { must(io.Serve()) }()
	return &Server{
		Handler:   io,
		Broadcast: func() { io.BroadcastToRoom("/", allConns, "note", body) },
		EmitTo:    func(user int) { io.BroadcastToRoom("/", room(strconv.Itoa(user)), "note", body) },
		Conns:     func() int { return int(conns.Load()) },
	}, nil
}
