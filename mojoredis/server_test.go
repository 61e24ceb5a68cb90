package mojoredis_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// server is a redis-server of its own.
type server struct {
	dir, addr string
	options   []string
	process   *exec.Cmd
	exited    chan struct{}
}

// startServer starts a server on a free port, with options of its command line.
func startServer(options ...string) (*server, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mojoredis")
	if err != nil {
		return nil, err
	}
	for range 10 { // somebody else may take the port
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s := &server{dir: dir, addr: net.JoinHostPort("127.0.0.1", port)}
		s.options = []string{path}
		if len(options) > 0 && options[0][0] != '-' { // a file
			s.options, options = append(s.options, options[0]), options[1:]
		}
		s.options = append(s.options, "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "no",
			"--logfile", filepath.Join(dir, "log"))
		s.options = append(s.options, options...)
		if err = s.start(); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("redis-server does not start, see %s", dir)
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

// start starts the process and waits until it accepts connections.
func (s *server) start() error {
	s.process = exec.Command(s.options[0], s.options[1:]...)
	if err := s.process.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func(process *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		_ = process.Wait()
	}(s.process, s.exited)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 {
		if conn, err := net.Dial("tcp", s.addr); err == nil {
			return conn.Close()
		}
		select {
		case <-s.exited:
			return fmt.Errorf("redis-server has ended")
		case <-ticker.C:
		}
	}
	s.stop()
	return fmt.Errorf("redis-server does not listen on %s", s.addr)
}

// stop kills the process.
func (s *server) stop() {
	_ = s.process.Process.Kill()
	<-s.exited
}

// close stops the server for ever.
func (s *server) close() {
	if s != nil {
		s.stop()
		_ = os.RemoveAll(s.dir)
	}
}

// newServer starts a server for one test. Without redis-server the test is
// skipped.
func newServer(tb testing.TB, options ...string) *server {
	tb.Helper()
	requireRedis(tb)
	s, err := startServer(options...)
	require.NoError(tb, err)
	tb.Cleanup(s.close)
	return s
}

func requireRedis(tb testing.TB) {
	tb.Helper()
	if shared == nil {
		tb.Skip("there is no redis-server")
	}
}

// newClient returns a client of an address.
func newClient(tb testing.TB, addr string) *redis.Client {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr})
	tb.Cleanup(func() { client.Close() })
	return client
}
