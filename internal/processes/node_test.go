package processes

import (
	"encoding/json"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// limit is how long a test waits for what must happen.
const limit = 30 * time.Second

// node is a node in its own process, as the test sees it.
type node struct {
	About
	site *siotest.Site

	t       testing.TB
	process *exec.Cmd
	calls   *rpc.Client
	log     e2e.Log
	exited  chan struct{} // closed when the process has ended
	result  error         // of the process, set before exited is closed
}

// start starts a node. The end of the test kills it.
func start(t testing.TB, c Config, attributes ...func(*exec.Cmd)) *node {
	t.Helper()
	n := spawn(t, c, attributes...)
	n.meet()
	return n
}

// meet waits until the node serves.
func (n *node) meet() {
	n.t.Helper()
	n.call("About", Nothing{}, &n.About)
	n.site = siotest.At(n.t, n.Address)
	n.site.Limit = limit
}

// spawn is start, but does not wait until the node serves.
func spawn(t testing.TB, c Config, attributes ...func(*exec.Cmd)) *node {
	t.Helper()
	config, err := json.Marshal(c)
	require.NoError(t, err)
	n := &node{t: t, process: exec.Command(os.Args[0]), exited: make(chan struct{})}
	n.process.Env = append(os.Environ(), nodeVariable+"="+string(config))
	n.process.Stderr = &n.log
	for _, set := range attributes {
		set(n.process)
	}
	in, err := n.process.StdinPipe()
	require.NoError(t, err)
	out, err := n.process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, n.process.Start())
	n.calls = rpc.NewClient(struct {
		readCloser
		writer
	}{out, in})
	go func() {
		defer close(n.exited)
		n.result = n.process.Wait()
	}()
	t.Cleanup(n.clean)
	return n
}

// readCloser and writer are the two ends of the pipes.
type (
	readCloser interface {
		Read(b []byte) (int, error)
		Close() error
	}
	writer interface {
		Write(b []byte) (int, error)
	}
)

// clean kills the node and reports what it has logged if that is a failure.
func (n *node) clean() {
	n.signal(syscall.SIGKILL)
	<-n.exited
	_ = n.calls.Close() // its end of the pipe is closed
	text := n.log.String()
	for _, sign := range []string{"DATA RACE", "panic:", "FAIL:"} {
		if strings.Contains(text, sign) {
			n.t.Errorf("node %s: %s", n.Name, text)
			return
		}
	}
	if n.t.Failed() {
		lines := strings.Split(text, "\n")
		n.t.Logf("node %s:\n%s", n.Name, strings.Join(lines[max(len(lines)-40, 0):], "\n"))
	}
}

// signal sends a signal to the process, if it has not ended.
func (n *node) signal(s syscall.Signal) { _ = n.process.Process.Signal(s) }

// kill kills the process without a warning, and waits for its end.
func (n *node) kill() {
	n.signal(syscall.SIGKILL)
	<-n.exited
}

// shutDown lets the process shut down, and waits for its end.
func (n *node) shutDown() {
	n.t.Helper()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.exited:
		require.NoError(n.t, n.result)
	case <-time.After(limit):
		require.FailNow(n.t, "a node does not shut down")
	}
}

// tryCall calls a method of Node. It fails if the node has not answered in time.
func (n *node) tryCall(method string, argument, result any) error {
	call := n.calls.Go("Node."+method, argument, result, make(chan *rpc.Call, 1))
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-call.Done:
		return call.Error
	case <-timer.C:
		return fmt.Errorf("%s was not answered in %v", method, limit)
	}
}

// call is tryCall, which must succeed.
func (n *node) call(method string, argument, result any) {
	n.t.Helper()
	require.NoError(n.t, n.tryCall(method, argument, result), "%s: %s", method, &n.log)
}

// look returns what the node knows.
func (n *node) look() (view View) {
	n.t.Helper()
	n.call("Look", Nothing{}, &view)
	return view
}

// emit emits events.
func (n *node) emit(e Emission) (result Emitted) {
	n.t.Helper()
	n.call("Emit", e, &result)
	return result
}

// revoke revokes a session or a user.
func (n *node) revoke(target Target) error {
	n.t.Helper()
	var result Outcome
	n.call("Revoke", target, &result)
	return result.err()
}

// change logs a browser in or out.
func (n *node) change(c Change) (result Changed) {
	n.t.Helper()
	n.call("Change", c, &result)
	return result
}

// edges returns the calls of OnPresence on some nodes that were not returned
// before, in their order.
func edges(nodes ...*node) (all []Edge) {
	for _, n := range nodes {
		var some []Edge
		n.call("Edges", Nothing{}, &some)
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b Edge) int { return a.At.Compare(b.At) })
	return all
}

// waitUntil waits until reached returns true, and returns how long it took. It
// asks nodes, so not as often as e2e.WaitUntil.
func waitUntil(t testing.TB, what string, reached func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !reached() {
		if time.Since(began) > limit {
			require.FailNow(t, "not reached in time: "+what)
		}
		<-ticker.C
	}
	return time.Since(began)
}
