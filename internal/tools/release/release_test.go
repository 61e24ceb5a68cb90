package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const version = "v0.0.1"

// programs has a program for each module that a site imports, by module path.
var programs = map[string]string{
	"github.com/mojosocket/mojo": `package main

import (
	"net/http"

	"github.com/mojosocket/mojo"
	_ "github.com/mojosocket/mojo/mojotest"
)

func main() {
	srv, err := mojo.New(mojo.Options{})
	if err != nil {
		panic(err)
	}
	http.Handle("/socket.io/", srv)
}
`,
	"github.com/mojosocket/mojo/mojoprom": `package main

import (
	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojoprom"
	"github.com/prometheus/client_golang/prometheus"
)

func main() {
	srv, err := mojo.New(mojo.Options{})
	if err != nil {
		panic(err)
	}
	prometheus.MustRegister(mojoprom.NewCollector(srv))
}
`,
}

// A module outside of this repository, without replace lines, can require each
// module and build its packages.
func TestReleasedModulesInFreshModules(t *testing.T) {
	repo := cloneRepository(t)
	_, err := repo.release(version, time.Now())
	require.NoError(t, err)
	proxy := t.TempDir()
	require.NoError(t, repo.writeProxy(version, proxy))
	modules, err := repo.modules()
	require.NoError(t, err)
	require.Contains(t, paths(modules), "github.com/mojosocket/mojo/mojoprom")
	env := goEnv(t, proxy)

	for _, m := range modules {
		t.Run(m.path(), func(t *testing.T) {
			fresh := t.TempDir()
			goCommand(t, fresh, env, "mod", "init", "fresh.example")

			goCommand(t, fresh, env, "get", m.path())

			require.Contains(t, goCommand(t, fresh, env, "list", "-m", m.path()), m.path()+" "+version)
			switch program := programs[m.path()]; {
			case program != "":
				require.NoError(t, os.WriteFile(filepath.Join(fresh, "main.go"), []byte(program), 0o600))
				goCommand(t, fresh, env, "build", "-o", os.DevNull, ".")
			case strings.Contains(m.path(), "/internal/"): // no other module can import it
				goCommand(t, fresh, env, "list", "-deps", m.path()+"/...")
			default:
				goCommand(t, fresh, env, "build", m.path()+"/...")
			}
		})
	}
}

func TestReleaseCommitsAndTags(t *testing.T) {
	repo := cloneRepository(t)

	tags, err := repo.release(version, time.Date(2026, time.March, 4, 5, 0, 0, 0, time.UTC))

	require.NoError(t, err)
	require.Contains(t, tags, version)
	require.Contains(t, tags, "mojoprom/"+version)
	for _, tag := range tags {
		commit, err := repo.git("rev-list", "-1", tag)
		require.NoError(t, err)
		head, err := repo.git("rev-parse", "HEAD")
		require.NoError(t, err)
		require.Equal(t, head, commit)
	}
	status, err := repo.git("status", "--porcelain")
	require.NoError(t, err)
	require.Empty(t, status)
	mod, err := repo.git("show", "HEAD:mojoprom/go.mod")
	require.NoError(t, err)
	require.Contains(t, mod, "github.com/mojosocket/mojo "+version+"\n")
	changes, err := repo.git("show", "HEAD:CHANGELOG.md")
	require.NoError(t, err)
	require.Contains(t, changes, "\n## Unreleased\n\n## "+version+", 2026-03-04\n")
}

func TestReleaseRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		version string
		prepare func(t *testing.T, repo repository)
		want    string
	}{
		"a version without a v":          {version: "0.1.0", want: `version "0.1.0" is not of the form v1.2.3`},
		"a short version":                {version: "v1", want: `version "v1" is not of the form v1.2.3`},
		"a major version without a path": {version: "v2.0.0", want: "should be v0 or v1, not v2"},
		"a change that is not committed": {version: version, prepare: changeReadme, want: "changes that are not committed"},
		"a version that exists":          {version: version, prepare: releaseOnce, want: "Unreleased of CHANGELOG.md is missing or empty"},
	} {
		t.Run(name, func(t *testing.T) {
			repo := cloneRepository(t)
			if test.prepare != nil {
				test.prepare(t, repo)
			}

			_, err := repo.release(test.version, time.Now())

			require.ErrorContains(t, err, test.want)
		})
	}
}

func changeReadme(t *testing.T, repo repository) {
	require.NoError(t, os.WriteFile(filepath.Join(repo.root, "README.md"), nil, 0o600))
}

func releaseOnce(t *testing.T, repo repository) {
	_, err := repo.release(version, time.Now())
	require.NoError(t, err)
}

// cloneRepository returns a clone of this repository in a temporary directory,
// with a change to release.
func cloneRepository(t *testing.T) repository {
	root, err := repositoryRoot()
	require.NoError(t, err)
	clone := repository{t.TempDir()}
	_, err = clone.git("clone", "-q", "--no-tags", root, ".")
	require.NoError(t, err)
	for _, key := range []string{"user.name", "user.email"} {
		_, err = clone.git("config", key, "release test")
		require.NoError(t, err)
	}
	changes := filepath.Join(clone.root, "CHANGELOG.md")
	text, err := os.ReadFile(changes)
	require.NoError(t, err)
	text = []byte(strings.Replace(string(text), unreleased, unreleased+"\n- A change.\n", 1))
	require.NoError(t, os.WriteFile(changes, text, 0o600))
	_, err = clone.git("commit", "-q", "-a", "-m", "A change")
	require.NoError(t, err)
	return clone
}

func paths(modules []goModule) (paths []string) {
	for _, m := range modules {
		paths = append(paths, m.path())
	}
	return paths
}

// goEnv returns an environment in which the go command finds our modules in
// proxy, and other modules in the module cache or in the usual GOPROXY. It has
// a new module cache, which contains no earlier release of this test. It does
// not use the checksum database, which does not know our modules.
func goEnv(t *testing.T, proxy string) []string {
	cache := strings.TrimSpace(goCommand(t, ".", os.Environ(), "env", "GOMODCACHE"))
	usualProxy := strings.TrimSpace(goCommand(t, ".", os.Environ(), "env", "GOPROXY"))
	return append(
		os.Environ(),
		"GOPROXY=file://"+filepath.ToSlash(proxy)+",file://"+filepath.ToSlash(cache)+"/cache/download,"+usualProxy,
		"GOMODCACHE="+t.TempDir(),
		"GOFLAGS=-mod=mod -modcacherw -trimpath",
		"GOSUMDB=off",
		"GOWORK=off",
	)
}

func goCommand(t *testing.T, dir string, env []string, args ...string) string {
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
	return string(out)
}
