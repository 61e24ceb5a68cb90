package code

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../../.."

func TestCodeInPagesCompiles(t *testing.T) {
	packages := newPackages(t)
	pages, err := filepath.Glob(root + "/docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	for _, page := range append(pages, root+"/README.md") {
		t.Run(filepath.Base(page), func(t *testing.T) {
			for _, block := range blocks(t, page) {
				for _, err := range packages.check(block.text) {
					t.Errorf("%s, line %d of the block: %s", block.position, err.line, err.message)
				}
			}
		})
	}
}

// The code in docs/embedding.md is the code that package embedding tests.
func TestCodeOfEmbeddingIsTested(t *testing.T) {
	files, err := filepath.Glob("../embedding/*.go")
	require.NoError(t, err)
	var tested strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		tested.Write(text)
	}
	shown := blocks(t, root+"/docs/embedding.md")
	require.NotEmpty(t, shown)
	for _, block := range shown {
		indented := strings.ReplaceAll("\t"+strings.TrimSpace(block.text), "\n", "\n\t")
		indented = strings.ReplaceAll(indented, "\n\t\n", "\n\n")
		require.Contains(t, tested.String(), indented, block.position)
	}
}

// check finds code that does not compile.
func TestCodeThatDoesNotCompileIsFound(t *testing.T) {
	packages := newPackages(t)
	for name, code := range map[string]string{
		"a method that does not exist":  "srv.NoSuchMethod()",
		"too many arguments":            `srv.CurrentSessions().Get("id", "another")`,
		"an undeclared variable":        "undeclared = 1",
		"an option that does not exist": "mojo.New(mojo.Options{NoSuchOption: 1})",
		"a wrong return type":           "func f(c *mojo.Conn) { return c.Emit() }",
		"a syntax error":                "srv.(",
	} {
		t.Run(name, func(t *testing.T) { require.NotEmpty(t, packages.check(code)) })
	}
	require.Empty(t, packages.check(`err := srv.CurrentSessions().Emit("news", 1)`))
}

type block struct{ position, text string }

// blocks returns the blocks of Go code in a page.
func blocks(t *testing.T, page string) (all []block) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	line := 1
	for i, part := range strings.Split(string(text), "```") {
		if code, isGo := strings.CutPrefix(part, "go\n"); isGo && i%2 == 1 {
			all = append(all, block{fmt.Sprintf("%s:%d", filepath.Base(page), line), code})
		}
		line += strings.Count(part, "\n")
	}
	return all
}

type compileError struct {
	line    int
	message string
}

// packages imports the types of the packages that the code uses.
type packages struct {
	files    *token.FileSet
	importer types.Importer
}

func newPackages(t *testing.T) packages {
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}"}
	for _, path := range imports {
		args = append(args, path)
	}
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		exports[path] = file
	}
	files := token.NewFileSet()
	return packages{files, importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
}

// check returns the compile errors of a block, except those about unused
// variables and imports.
func (p packages) check(code string) []compileError {
	code = strings.ReplaceAll(code, "{ ... }", "{ panic(0) }")
	code = strings.ReplaceAll(code, "\n...\n", "\n\n")
	code = strings.ReplaceAll(code, "\n\t...\n", "\n\n")
	file, offset, err := p.parse(code)
	if err != nil {
		return []compileError{{0, err.Error()}}
	}
	var found []compileError
	config := types.Config{Importer: p.importer, Error: func(err error) {
		if e := err.(types.Error); !e.Soft {
			found = append(found, compileError{p.files.Position(e.Pos).Line - offset, e.Msg})
		}
	}}
	_, _ = config.Check("page", p.files, []*ast.File{file}, nil)
	return found
}

// parse returns a Go file for a block, which may be a file, declarations or
// statements. offset is the number of lines before the block in that file.
func (p packages) parse(code string) (file *ast.File, offset int, err error) {
	if strings.HasPrefix(code, "package ") {
		file, err = parser.ParseFile(p.files, "", code, parser.SkipObjectResolution)
		return file, 0, err
	}
	parsed, err := parser.ParseFile(p.files, "", "package page\n"+code, parser.SkipObjectResolution)
	if err != nil {
		code = "func _() any {\n" + code + "\npanic(0)\n}"
		parsed = nil
	}
	var head strings.Builder
	head.WriteString("package page\n")
	for name, path := range imports {
		fmt.Fprintf(&head, "import %s %q\n", name, path)
	}
	for name, declaration := range declarations {
		if !declares(parsed, name) {
			head.WriteString(declaration + "\n")
		}
	}
	file, err = parser.ParseFile(p.files, "", head.String()+code, parser.SkipObjectResolution)
	offset = strings.Count(head.String(), "\n")
	if parsed == nil {
		offset++
	}
	return file, offset, err
}

// declares reports whether a file declares a name at its top level.
func declares(file *ast.File, name string) bool {
	if file == nil {
		return false
	}
	return slices.ContainsFunc(file.Decls, func(d ast.Decl) bool {
		switch d := d.(type) {
		case *ast.FuncDecl:
			return d.Recv == nil && d.Name.Name == name
		case *ast.GenDecl:
			return slices.ContainsFunc(d.Specs, func(s ast.Spec) bool {
				switch s := s.(type) {
				case *ast.TypeSpec:
					return s.Name.Name == name
				case *ast.ValueSpec:
					return slices.ContainsFunc(s.Names, func(id *ast.Ident) bool { return id.Name == name })
				}
				return false
			})
		}
		return false
	})
}
