package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scenarioLimit returns the time limit of a scenario. With MOJO_LONG=1 some
// scenarios run 1,000 rounds.
func scenarioLimit() time.Duration {
	if os.Getenv("MOJO_LONG") != "" {
		return 20 * time.Minute
	}
	return 2 * limit
}

// runner is a Node process with run.mjs. For each line on its standard input it
// runs a scenario and writes a line to its standard output.
type runner struct {
	stdin io.WriteCloser
	lines chan []byte // closed when the process has ended
}

// result is a line of the runner. The first line has the names of its
// scenarios, each later one the result of a scenario.
type result struct {
	Scenarios []string `json:"scenarios"`
	Name      string   `json:"name"`
	OK        bool     `json:"ok"`
	Error     string   `json:"error"`
}

// startRunner starts run.mjs with arguments. The process ends with the test.
func startRunner(t *testing.T, args ...string) *runner {
	t.Helper()
	nodeModules(t)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, requireNode(t), append([]string{"run.mjs"}, args...)...)
	cmd.Stderr = t.Output()
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := &runner{stdin: stdin, lines: make(chan []byte)}
	go func() {
		defer close(r.lines)
		scanner := bufio.NewScanner(stdout)
		scanner.Buffer(nil, 16<<20)
		for scanner.Scan() {
			select {
			case r.lines <- append([]byte(nil), scanner.Bytes()...):
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() {
		defer cancel()
		stdin.Close() // the runner ends at the end of its input
		stop := time.AfterFunc(limit, cancel)
		defer stop.Stop()
		for line := range r.lines {
			t.Errorf("run.mjs has printed an unexpected line: %s", line)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("run.mjs: %v", err)
		}
	})
	return r
}

// next waits for the next line of the runner.
func (r *runner) next(t *testing.T) result {
	t.Helper()
	select {
	case line, ok := <-r.lines:
		require.True(t, ok, "run.mjs has ended")
		var res result
		require.NoError(t, json.Unmarshal(line, &res), "%s", line)
		return res
	case <-time.After(scenarioLimit()):
		require.FailNow(t, "run.mjs has printed no line in time")
		return result{}
	}
}

// run runs a scenario against a site.
func (r *runner) run(t *testing.T, scenario, url, control string) {
	t.Helper()
	require.NoError(t, json.NewEncoder(r.stdin).Encode(map[string]string{"scenario": scenario, "url": url, "control": control}))
	res := r.next(t)
	require.Equal(t, scenario, res.Name)
	require.True(t, res.OK, "%s", res.Error)
}
