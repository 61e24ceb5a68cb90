package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	browserLimit = 3 * time.Minute // for the whole scenario
	startLimit   = 20 * time.Second
	stopLimit    = 10 * time.Second
)

// TestBrowser runs browser.mjs: several users, each with a browser, use the
// chat example as `go run ./examples/chat` runs it. It needs Node and Chromium.
// MOJO_SCREENSHOTS names a folder for screenshots.
func TestBrowser(t *testing.T) {
	modules := nodeModules(t)
	chromium := requireChromium(t)
	example := buildExample(t, "chat")
	client := filepath.Join(modules, "socket.io-client-4", "dist")
	site := startProcess(t, example, "127.0.0.1:0", client)

	script := startBrowser(t, chromium, "http://"+site.addr+"/", os.Getenv("MOJO_SCREENSHOTS"))
	for line := range script.lines {
		var message struct{ Step, Error, Ask string }
		require.NoError(t, json.Unmarshal(line, &message), "%s", line)
		switch message.Ask {
		case "":
			t.Run(message.Step, func(t *testing.T) { require.Empty(t, message.Error) })
		case "stop":
			site.stop(t)
			script.answer(t, message.Ask)
		case "start":
			site = startProcess(t, example, site.addr, client)
			script.answer(t, message.Ask)
		default:
			require.FailNow(t, "browser.mjs sends an unknown request", message.Ask)
		}
	}
	require.NoError(t, script.wait())
}

// requireChromium returns the path of Chromium or Chrome. Without them it skips
// the test, or fails it if MOJO_INTEROP=require.
func requireChromium(t *testing.T) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome"}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const message = "the browser test needs one of %s"
	if os.Getenv("MOJO_INTEROP") == "require" {
		require.FailNowf(t, "no browser", message, strings.Join(names, ", "))
	}
	t.Skipf(message, strings.Join(names, ", "))
	return ""
}

// buildExample builds a program of the folder examples.
func buildExample(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	out, err := exec.Command("go", "build", "-o", program, "../../examples/"+name).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// process is a running chat example.
type process struct {
	addr   string
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended; the fields below are set before
	err    error
	output bytes.Buffer
}

// startProcess starts the example and waits until it serves. The process ends
// with the test.
func startProcess(t *testing.T, program, addr, client string) *process {
	t.Helper()
	cmd := exec.Command(program, "-addr", addr, "-client", client)
	p := &process{cmd: cmd, ended: make(chan struct{})}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = &p.output
	require.NoError(t, cmd.Start())
	serving := make(chan string, 1)
	go func() {
		defer close(p.ended)
		scanner := bufio.NewScanner(stdout)
		for scanner.Scan() {
			if rest, ok := strings.CutPrefix(scanner.Text(), "serving "); ok {
				serving <- rest
			}
		}
		p.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		p.stop(t)
		if p.output.Len() > 0 {
			t.Errorf("the site has logged:\n%s", &p.output)
		}
	})
	select {
	case address := <-serving:
		u, err := url.Parse(address)
		require.NoError(t, err)
		p.addr = u.Host
	case <-p.ended:
		require.FailNow(t, "the site has ended", "%v\n%s", p.err, &p.output)
	case <-time.After(startLimit):
		require.FailNow(t, "the site does not serve in time")
	}
	return p
}

// stop ends the process as Ctrl-C does, and waits for its end. If it has ended,
// stop does nothing.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil { // the process has ended, or the system is Windows
		_ = p.cmd.Process.Kill()
		<-p.ended
		return
	}
	select {
	case <-p.ended:
		require.NoError(t, p.err, "%s", &p.output)
	case <-time.After(stopLimit):
		require.NoError(t, p.cmd.Process.Kill())
		<-p.ended
		require.FailNow(t, "the site did not stop")
	}
}

// script is a Node process that runs browser.mjs.
type script struct {
	lines chan []byte // closed at the end of the output
	stdin io.Writer
	wait  func() error
}

// startBrowser starts browser.mjs. The process and its browser end with the
// test.
func startBrowser(t *testing.T, args ...string) *script {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), browserLimit)
	cmd := exec.CommandContext(ctx, requireNode(t), append([]string{"browser.mjs"}, args...)...)
	// After the signal playwright also ends the browser. Kill would not do
	// that.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopLimit
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	s := &script{lines: make(chan []byte), stdin: stdin}
	stopped := make(chan struct{})
	go func() {
		defer close(s.lines)
		scanner := bufio.NewScanner(stdout)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			select {
			case s.lines <- bytes.Clone(scanner.Bytes()):
			case <-stopped:
			}
		}
	}()
	waited := false
	s.wait = func() error {
		waited = true
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("browser.mjs: %w\n%s", err, &stderr)
		}
		return nil
	}
	t.Cleanup(func() {
		cancel()
		close(stopped)
		for range s.lines { // until the end of the output
		}
		if !waited {
			_ = s.wait()
		}
	})
	return s
}

// answer tells the script that the test has handled its request.
func (s *script) answer(t *testing.T, what string) {
	t.Helper()
	_, err := fmt.Fprintln(s.stdin, what)
	require.NoError(t, err)
}
