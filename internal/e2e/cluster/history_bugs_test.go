package cluster

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e"
)

// TestHistoriesFindBugs: TestHistories fails if the code has a bug that breaks
// what the nodes promise.
func TestHistoriesFindBugs(t *testing.T) {
	if !e2e.Long() {
		t.Skip("builds the tests several times; set MOJO_LONG=1")
	}
	for name, bug := range map[string]struct{ file, code, change string }{
		"confirmed before it is applied": {
			"internal/cluster/receive.go",
			"sessions = run()",
			"n.send(from, &wire.Confirm{ID: id}); time.Sleep(20 * time.Millisecond); sessions = run()",
		},
		"the identity is not compared again when a message is queued": {
			"internal/socketio/socket.go",
			"case to.Matches(binding.Identity):",
			"case to.Matches(binding.Identity) || binding != nil:",
		},
		"changes are ordered by their arrival": {
			"internal/hub/clock.go",
			"return at, at.Node == h.config.Node",
			"return h.clock.next(), at.Node == h.config.Node",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := filepath.Abs(filepath.Join("../../..", bug.file))
			require.NoError(t, err)
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(source), bug.code))
			changed := filepath.Join(t.TempDir(), "changed.go")
			require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(source), bug.code, bug.change, 1)), 0o600))
			overlay, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
			require.NoError(t, err)
			list := filepath.Join(t.TempDir(), "overlay.json")
			require.NoError(t, os.WriteFile(list, overlay, 0o600))

			output, err := exec.CommandContext(t.Context(), "go", "test", "-overlay", list, "-run", "^TestHistories$", ".").CombinedOutput()

			require.Error(t, err)
			require.Regexp(t, `seed \d+: `, string(output))
			t.Logf("%.600s", output)
		})
	}
}
