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

const limitedServer = "MOJO_LIMITED_SERVER"

// TestLimitedServer runs the server of TestDescriptorsExhausted, in its own
// process with a low limit of open files.
func TestLimitedServer(t *testing.T) {
	if os.Getenv(limitedServer) == "" {
		t.Skip("this test runs the server of another test, which starts its process")
	}
	srv, _ := newServer(t, mojo.Options{}, newApp())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	limit := syscall.Rlimit{Cur: 60, Max: 60}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	server := &http.Server{Handler: srv, ErrorLog: log.New(os.Stdout, "", 0)}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	fmt.Println(listener.Addr())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the test closes it
	e2e.Shutdown(t, srv)
	require.NoError(t, server.Close())
	<-served
}

// While a process can open no more files, the server accepts no connection and
// serves those that exist. It accepts new ones as soon as it can open files.
func TestDescriptorsExhausted(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestLimitedServer$")
	cmd.Env = append(os.Environ(), limitedServer+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	output := make(chan string, 1000)
	go func() {
		defer close(output)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			output <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		for range output {
		}
		require.NoError(t, cmd.Wait())
	})
	address := e2e.Await(t, output)
	var old []*crowd.Client
	for i := range 5 {
		c, err := crowd.Connect(t.Context(), address, crowd.Options{Number: i})
		require.NoError(t, err)
		defer c.Reset()
		old = append(old, c)
	}

	var connections []net.Conn
	for exhausted := false; !exhausted; {
		for range 10 { // the server does not answer these, and may not accept them
			c, err := net.Dial("tcp", address)
			require.NoError(t, err)
			connections = append(connections, c)
		}
		select {
		case line := <-output:
			exhausted = strings.Contains(line, "too many open files")
		case <-time.After(siotest.Limit / 100):
		}
		require.Less(t, len(connections), 1000)
	}
	for round := range 20 {
		for i, c := range old {
			require.NoError(t, c.Send(fmt.Sprintf(`42%s,%d["echo",%d]`, e2e.ChatNamespace, round, i)))
			require.NoError(t, c.Await(t.Context(), fmt.Sprintf(`43%s,%d[%d]`, e2e.ChatNamespace, round, i)))
		}
	}
	for _, c := range connections {
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
