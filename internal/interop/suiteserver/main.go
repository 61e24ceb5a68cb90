// Command suiteserver is a server for the official test suites of the Engine.IO
// and Socket.IO protocols and of their clients. It listens on 127.0.0.1.
//
//	go run ./internal/interop/suiteserver -suite socket.io -port 3000
//
// For the Socket.IO suites it uses the public API of mojo. The Engine.IO suites
// send messages that are no Socket.IO packets. For them it uses package
// engineio.
package main

import (
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/engineio"
)

// The options that the suites expect of the server.
const (
	pingInterval   = 300 * time.Millisecond
	pingTimeout    = 200 * time.Millisecond
	connectTimeout = time.Second
	maxPayload     = 1_000_000
)

func main() {
	suite := flag.String("suite", "socket.io", "the suite to serve: socket.io, engine.io, socket.io-client or engine.io-client")
	port := flag.Int("port", 3000, "the port on 127.0.0.1; 0 selects a free one")
	flag.Parse()
	if err := run(*suite, *port); err != nil {
		log.Fatal(err)
	}
}

func run(suite string, port int) error {
	var handler http.Handler
	path := "/" + strings.TrimSuffix(suite, "-client") + "/"
	switch suite {
	case "socket.io":
		h, err := socketIO()
		if err != nil {
			return err
		}
		handler = h
	case "engine.io":
		handler = engineIO()
	case "socket.io-client":
		h, err := socketIOClient()
		if err != nil {
			return err
		}
		handler = h
	case "engine.io-client":
		handler = engineIOClient()
	default:
		return fmt.Errorf("suite %q; want socket.io, engine.io, socket.io-client or engine.io-client", suite)
	}
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	fmt.Printf("serving the %s suite on http://%s%s\n", suite, listener.Addr(), path)
	return http.Serve(listener, mux)
}

// app sends the auth payload to each client and echoes messages, as the
// Socket.IO suite expects.
type app struct{}

func (app) OnConnect(c *mojo.Conn) error {
	var auth any = struct{}{}
	if sent := c.Handshake().Auth; sent != nil {
		auth = sent
	}
	return c.Emit("auth", auth)
}

func (app) OnMessage(c *mojo.Conn, m *mojo.Message) {
	args := make([]any, m.Len())
	dst := make([]any, m.Len())
	for i := range args {
		dst[i] = &args[i]
	}
	err := m.Decode(dst...)
	if err == nil && m.Event() == "message" {
		err = c.Emit("message-back", args...)
	}
	if err == nil && m.Event() == "message-with-ack" {
		err = m.Ack(args...)
	}
	if err != nil {
		slog.Error("echo", "event", m.Event(), "error", err)
	}
}

func (app) OnDisconnect(*mojo.Conn, mojo.Reason) {}

func socketIO() (http.Handler, error) {
	srv, err := mojo.New(mojo.Options{
		Timeouts: mojo.Timeouts{
			PingInterval:   pingInterval,
			PingTimeout:    pingTimeout,
			ConnectTimeout: connectTimeout,
		},
		Limits: mojo.Limits{MaxPayload: maxPayload},
	})
	if err != nil {
		return nil, err
	}
	for _, namespace := range []string{"/", "/custom"} {
		if _, err := srv.Handle(namespace, app{}); err != nil {
			return nil, err
		}
	}
	return srv, nil
}

// echo sends back each message.
type echo struct{ session *engineio.Session }

func (echo) Admits(*http.Request) engineio.Admission { return engineio.Admitted }

func (echo) Opened() {}

func (echo) Lapsed() {}

func (e echo) Message(data []byte, binary bool) error {
	m := engineio.NewBinary
	if !binary {
		m = engineio.NewText
	}
	return e.session.Send(m(data))
}

func (echo) Closed(engineio.Reason) {}

func engineIO() http.Handler {
	return engineio.New(engineio.Options{
		PingInterval:   pingInterval,
		PingTimeout:    pingTimeout,
		UpgradeTimeout: connectTimeout,
		MaxPayload:     maxPayload,
		MaxQueue:       1 << 20,
		MaxInbound:     1 << 20,
		Transports:     []engineio.Transport{engineio.Polling, engineio.WebSocket},
		Open: func(s *engineio.Session, _ *http.Request) (engineio.Handler, http.Header, error) {
			return echo{s}, nil, nil
		},
		Logger: slog.Default(),
	})
}
