package cluster_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/nodetest"
)

// limit is how long a test waits for what must happen.
const limit = time.Minute

// nodeProcess is a process of node.mjs.
type nodeProcess struct {
	t     *testing.T
	url   string // of its server
	stdin io.Writer

	mu      sync.Mutex
	last    int
	waiting map[int]chan nodeLine
}

// nodeLine is a line of its output.
type nodeLine struct {
	ID     int    `json:"id"`
	Result any    `json:"result"`
	Error  string `json:"error"`
}

// startNode starts a process that ends with the test.
func startNode(t *testing.T, redis, key string) *nodeProcess {
	t.Helper()
	node := exec.Command(nodetest.Require(t), "node.mjs", "redis://"+redis, key)
	node.Stderr = t.Output()
	stdin, err := node.StdinPipe()
	require.NoError(t, err)
	stdout, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	p := &nodeProcess{t: t, stdin: stdin, waiting: make(map[int]chan nodeLine)}
	first := p.wait(0)
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			var line nodeLine
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Errorf("node.mjs has printed %q", lines.Text())
				continue
			}
			p.mu.Lock()
			p.waiting[line.ID] <- line
			delete(p.waiting, line.ID)
			p.mu.Unlock()
		}
		if err := lines.Err(); err != nil {
			t.Errorf("reading from node.mjs: %v", err)
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close() // which ends it
		<-read
		require.NoError(t, node.Wait())
	})
	p.url = p.await(first).(string)
	return p
}

func (p *nodeProcess) wait(id int) chan nodeLine {
	c := make(chan nodeLine, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[id] = c
	return c
}

func (p *nodeProcess) await(c <-chan nodeLine) any {
	p.t.Helper()
	select {
	case line := <-c:
		require.Empty(p.t, line.Error)
		return line.Result
	case <-time.After(limit):
		require.FailNow(p.t, "node.mjs does not answer")
		return nil
	}
}

// begin executes JavaScript and returns a function that waits for the result. The
// format is that of fmt, with %s for arguments as JavaScript writes them.
func (p *nodeProcess) begin(format string, args ...any) (result func() any) {
	p.t.Helper()
	for i := range args {
		args[i] = script(args[i])
	}
	p.mu.Lock()
	p.last++
	id := p.last
	p.mu.Unlock()
	c := p.wait(id)
	line, err := json.Marshal(map[string]any{"id": id, "script": fmt.Sprintf(format, args...)})
	require.NoError(p.t, err)
	_, err = p.stdin.Write(append(line, '\n'))
	require.NoError(p.t, err)
	return func() any { p.t.Helper(); return p.await(c) }
}

// run is begin, and waits.
func (p *nodeProcess) run(format string, args ...any) any {
	p.t.Helper()
	return p.begin(format, args...)()
}

// raw is JavaScript that is an argument of run.
type raw string

// script returns a value as JavaScript.
func script(v any) string {
	switch v := v.(type) {
	case raw:
		return string(v)
	case []byte:
		return fmt.Sprintf(`Buffer.from("%s", "base64")`, base64.StdEncoding.EncodeToString(v))
	case mojo.Binary:
		return script([]byte(v))
	case []any:
		return "[" + scripts(v) + "]"
	case map[string]any:
		var fields []string
		for key, value := range v {
			fields = append(fields, script(key)+":"+script(value))
		}
		return "{" + strings.Join(fields, ",") + "}"
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// scripts returns values as a list of arguments.
func scripts(list []any) string {
	var texts []string
	for _, v := range list {
		texts = append(texts, script(v))
	}
	return strings.Join(texts, ", ")
}
