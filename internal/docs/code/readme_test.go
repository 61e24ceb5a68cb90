package code

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The site in README passes the test in README.
func TestTestInREADMEPasses(t *testing.T) {
	var site strings.Builder
	for _, block := range blocks(t, root+"/README.md") {
		if strings.Contains(block.text, "\nfunc ") || strings.HasPrefix(block.text, "func ") {
			if !strings.HasPrefix(block.text, "package ") {
				site.WriteString(block.text)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "site_test.go")
	require.NoError(t, os.WriteFile(file, []byte("package readme\n"+usedImports(site.String())+site.String()), 0o600))
	// The overlay makes the go command see the file in a folder of this module.
	folder, err := filepath.Abs("../readme")
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(folder, "site_test.go"): file}})
	require.NoError(t, err)
	overlayFile := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(overlayFile, overlay, 0o600))

	program := filepath.Join(t.TempDir(), "site.test")
	out, err := exec.Command("go", "test", "-vet=off", "-c", "-o", program, "-overlay", overlayFile, "github.com/mojosocket/mojo/internal/docs/readme").CombinedOutput()
	require.NoError(t, err, "%s", out)

	out, err = exec.Command(program, "-test.v").CombinedOutput()

	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestChat")
}

// usedImports returns import declarations for the packages that the code uses.
func usedImports(code string) string {
	var used strings.Builder
	for name, path := range imports {
		if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(code) {
			fmt.Fprintf(&used, "import %s %q\n", name, path)
		}
	}
	return used.String()
}
