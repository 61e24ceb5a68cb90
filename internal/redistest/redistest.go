// Package redistest runs a redis-server for tests, on a free port of the
// loopback interface and with its files in a folder of its own. It stores
// nothing on disk.
package redistest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Server is a redis-server. Its methods must not be called at the same time.
type Server struct {
	Addr string // host:port

	dir     string
	command []string
	process *exec.Cmd
	exited  chan struct{}
}

// limit is how long the process may take until it accepts connections.
const limit = 10 * time.Second

// Start starts a server, with options of its command line. The first may be a
// configuration file. The caller must call Close.
func Start(options ...string) (*Server, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		return nil, err
	}
	for range 10 { // another program may take the port
		var port string
		if port, err = FreePort(); err != nil {
			break
		}
		s := &Server{dir: dir, Addr: net.JoinHostPort("127.0.0.1", port)}
		s.command = []string{path}
		own := options
		if len(own) > 0 && own[0][0] != '-' { // a file
			s.command, own = append(s.command, own[0]), own[1:]
		}
		s.command = append(s.command, "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "no",
			"--logfile", filepath.Join(dir, "log"))
		s.command = append(s.command, own...)
		if err = s.Restart(); err == nil {
			return s, nil
		}
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log")) // there may be none
	_ = os.RemoveAll(dir)
	return nil, fmt.Errorf("redistest: redis-server does not start: %w\n%s", err, log)
}

// available says once whether redis-server can be started.
var available = sync.OnceValue(func() error {
	_, err := exec.LookPath("redis-server")
	return err
})

// Require skips the test if there is no redis-server. With
// MOJO_INTEROP=require in the environment the test fails.
func Require(tb testing.TB) {
	tb.Helper()
	err := available()
	switch {
	case err == nil:
	case os.Getenv("MOJO_INTEROP") == "require":
		tb.Fatalf("redistest: %v", err)
	default:
		tb.Skipf("redistest: %v", err)
	}
}

// New is Start for one test, which closes the server at its end, and Require.
func New(tb testing.TB, options ...string) *Server {
	tb.Helper()
	Require(tb)
	s, err := Start(options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// FreePort returns a TCP port of the loopback interface that is free.
func FreePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

// Restart starts the process again after Kill, on the same port. It returns when
// the server accepts connections.
func (s *Server) Restart() error {
	s.process = exec.Command(s.command[0], s.command[1:]...)
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
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if conn, err := net.Dial("tcp", s.Addr); err == nil {
			return conn.Close()
		}
		select {
		case <-s.exited:
			return errors.New("the process has ended")
		case <-ticker.C:
		}
	}
	s.Kill()
	return fmt.Errorf("it does not listen on %s", s.Addr)
}

// Kill kills the process and waits for its end.
func (s *Server) Kill() {
	_ = s.process.Process.Kill() // it may have ended
	<-s.exited
}

// Close kills the process and removes its folder. It may be called on nil.
func (s *Server) Close() {
	if s != nil {
		s.Kill()
		_ = os.RemoveAll(s.dir)
	}
}
