//go:build unix

package faults

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

const poorServer = "MOJO_POOR_SERVER"

// TestPoorServer is the server of TestDescriptorsExhausted, in a process of its
// own with a low limit of open files.
func TestPoorServer(t *testing.T) {
	if os.Getenv(poorServer) == "" {
		t.Skip("this is the server of another test, in a process of its own")
	}
	srv, _ := newServer(t, mojo.Options{}, newApp())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	few := syscall.Rlimit{Cur: 60, Max: 60}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
	server := &http.Server{Handler: srv, ErrorLog: log.New(os.Stdout, "", 0)}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	fmt.Println(listener.Addr())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the test closes it
	e2e.Shutdown(t, srv)
	require.NoError(t, server.Close())
	<-served
}

// While a process can open no more files, no connection is accepted, and those
// that exist are served. New ones are accepted as soon as files can be opened.
func TestDescriptorsExhausted(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestPoorServer$")
	cmd.Env = append(os.Environ(), poorServer+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := make(chan string, 1000)
	go func() {
		defer close(said)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		for range said {
		}
		require.NoError(t, cmd.Wait())
	})
	address := e2e.Await(t, said)
	var old []*crowd.Client
	for i := range 5 {
		c, err := crowd.Connect(t.Context(), address, crowd.Options{Number: i})
		require.NoError(t, err)
		defer c.Reset()
		old = append(old, c)
	}

	var crush []net.Conn
	for exhausted := false; !exhausted; {
		for range 10 { // they are not answered, and perhaps not accepted
			c, err := net.Dial("tcp", address)
			require.NoError(t, err)
			crush = append(crush, c)
		}
		select {
		case line := <-said:
			exhausted = strings.Contains(line, "too many open files")
		case <-time.After(siotest.Limit / 100):
		}
		require.Less(t, len(crush), 1000)
	}
	for round := range 20 {
		for i, c := range old {
			require.NoError(t, c.Send(fmt.Sprintf(`42%s,%d["echo",%d]`, e2e.ChatNamespace, round, i)))
			require.NoError(t, c.Await(t.Context(), fmt.Sprintf(`43%s,%d[%d]`, e2e.ChatNamespace, round, i)))
		}
	}
	for _, c := range crush {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}

	for i := range 20 {
		c, err := crowd.Connect(t.Context(), address, crowd.Options{Number: i})
		require.NoError(t, err)
		defer c.Reset()
	}
	for _, c := range old {
		require.NoError(t, c.Close())
	}
}
