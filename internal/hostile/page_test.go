package hostile

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// Each test that docs/security.md names exists.
func TestPageNamesTestsThatExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	require.NoError(t, err)
	tests := testsOf(t, root)
	require.True(t, tests["hostile.TestPageNamesTestsThatExist"])

	named := namedTests(string(page))

	require.Greater(t, len(named), 50)
	for _, name := range named {
		require.True(t, tests[name], "no such test: %s", name)
	}
}

// Each row of the tables of docs/security.md names a test, or has a sentence
// instead.
func TestEachRowOfThePageNamesATest(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	require.NoError(t, err)
	lines, _, found := strings.Cut(string(page), "\n## Fuzzing\n")
	require.True(t, found)
	rows := 0
	for line := range strings.Lines(lines) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if !strings.HasPrefix(line, "| ") || cells[0] == "line" {
			continue
		}
		rows++
		require.Len(t, cells, 2, line)
		proof := strings.TrimSpace(cells[1])
		require.True(t, len(namedTests(proof)) > 0 || strings.HasSuffix(proof, "."), "neither a test nor a sentence: %s", line)
	}
	require.Greater(t, rows, 50)
}

var testName = regexp.MustCompile("`([a-z]+)\\.((?:Test|Fuzz|Example)[A-Za-z0-9_]*)`")

// namedTests returns the tests that a text names between backquotes, as
// package.TestName.
func namedTests(text string) []string {
	var names []string
	for _, m := range testName.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1]+"."+m[2])
	}
	return names
}

// testsOf returns the tests of all packages below a directory, nested modules
// included.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	tests := make(map[string]bool)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil {
				tests[strings.TrimSuffix(file.Name.Name, "_test")+"."+fn.Name.Name] = true
			}
		}
		return nil
	}))
	return tests
}
