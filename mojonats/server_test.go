package mojonats_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// natsServer is a NATS server in this process.
type natsServer struct {
	tb      testing.TB
	options server.Options
	running *server.Server
}

// newServer starts a server on a free port of loopback.
func newServer(tb testing.TB, change ...func(*server.Options)) *natsServer {
	tb.Helper()
	s := &natsServer{tb: tb, options: server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true}}
	for _, f := range change {
		f(&s.options)
	}
	s.start()
	s.options.Port = s.running.Addr().(*net.TCPAddr).Port
	if cluster := s.running.ClusterAddr(); cluster != nil {
		s.options.Cluster.Port = cluster.Port
	}
	tb.Cleanup(s.stop)
	return s
}

func (s *natsServer) start() {
	s.tb.Helper()
	options := s.options
	running, err := server.NewServer(&options)
	require.NoError(s.tb, err)
	running.Start()
	require.True(s.tb, running.ReadyForConnections(10*time.Second))
	s.running = running
}

func (s *natsServer) stop() {
	s.running.Shutdown()
	s.running.WaitForShutdown()
}

func (s *natsServer) addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.options.Port))
}

// connect returns a connection of a site.
func connect(tb testing.TB, addr string, options ...nats.Option) *nats.Conn {
	tb.Helper()
	conn, err := nats.Connect("nats://"+addr, append([]nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond)}, options...)...)
	require.NoError(tb, err)
	tb.Cleanup(conn.Close)
	return conn
}

// received is how many messages the server has got from its clients.
func (s *natsServer) received() int64 {
	s.tb.Helper()
	v, err := s.running.Varz(nil)
	require.NoError(s.tb, err)
	return v.InMsgs
}
