package servers

import (
	"strconv"

	"github.com/zishang520/socket.io/servers/socket/v3"
)

func newZishang520(config Config) (*Server, error) {
	opts := socket.DefaultServerOptions()
	opts.SetServeClient(false)
	opts.SetPingInterval(config.Interval)
	opts.SetPingTimeout(config.Timeout)
	io := socket.NewServer(nil, nil)
	handler := io.ServeHandler(opts)
	err := io.On("connection", func(args ...any) {
		client := args[0].(*socket.Socket)
		if user, ok := client.Handshake().Query[UserQuery].([]string); ok {
			client.Join(socket.Room(room(user[0])))
		}
		must(client.On("echo", func(data ...any) { must(client.Emit("echo", data...)) }))
		must(client.On("ack", func(data ...any) {
			if answer, ok := data[len(data)-1].(socket.Ack); ok {
				answer(data[:len(data)-1], nil)
			}
		}))
	})
	if err != nil {
		return nil, err
	}
	return &Server{
		Handler:   handler,
		Broadcast: func() { must(io.Sockets().Emit("note", body)) },
		EmitTo: func(user int) {
			must(io.To(socket.Room(room(strconv.Itoa(user)))).Emit("note", body))
		},
		Conns: func() int { return int(io.Engine().ClientsCount()) },
	}, nil
}
