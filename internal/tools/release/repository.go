package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// repository is a clone of this repository. root is the path of its work tree.
type repository struct{ root string }

// repositoryRoot returns the root of the work tree that contains the current
// directory.
func repositoryRoot() (string, error) {
	root, err := repository{"."}.git("rev-parse", "--show-toplevel")
	return strings.TrimSpace(root), err
}

// git runs git in the work tree and returns its standard output.
func (r repository) git(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.root
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, exit.Stderr)
	}
	return string(out), err
}

// goModule is a module of the repository.
type goModule struct {
	dir  string // relative to the root, with slashes; "" for the root
	file *modfile.File
}

func (m goModule) path() string { return m.file.Module.Mod.Path }

// goMod returns the path of the go.mod file, relative to the root.
func (m goModule) goMod() string { return path.Join(m.dir, "go.mod") }

// tag returns the name of the git tag of a version, as the go command expects
// it.
func (m goModule) tag(version string) string { return path.Join(m.dir, version) }

// modules returns the modules whose go.mod is tracked, the root first.
func (r repository) modules() ([]goModule, error) {
	list, err := r.git("ls-files", "go.mod", "*/go.mod")
	if err != nil {
		return nil, err
	}
	var modules []goModule
	for name := range strings.FieldsSeq(list) {
		content, err := os.ReadFile(filepath.Join(r.root, name))
		if err != nil {
			return nil, err
		}
		file, err := modfile.Parse(name, content, nil)
		if err != nil {
			return nil, err
		}
		m := goModule{dir: strings.TrimSuffix(strings.TrimSuffix(name, "go.mod"), "/"), file: file}
		if m.dir == "" {
			modules = append([]goModule{m}, modules...)
		} else {
			modules = append(modules, m)
		}
	}
	return modules, nil
}

// release sets the version in all modules and in the changelog, commits, and
// returns the tags that it has made.
func (r repository) release(version string, now time.Time) ([]string, error) {
	if semver.Canonical(version) != version {
		return nil, fmt.Errorf("version %q is not of the form v1.2.3", version)
	}
	if status, err := r.git("status", "--porcelain"); err != nil {
		return nil, err
	} else if status != "" {
		return nil, fmt.Errorf("the work tree has changes that are not committed:\n%s", status)
	}
	modules, err := r.modules()
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, m := range modules {
		if err := module.Check(m.path(), version); err != nil {
			return nil, err
		}
		tags = append(tags, m.tag(version))
	}
	if err := r.setVersion(modules, version); err != nil {
		return nil, err
	}
	if err := r.closeChangelog(version, now); err != nil {
		return nil, err
	}
	if _, err := r.git("commit", "-q", "-a", "-m", "Release "+version); err != nil {
		return nil, err
	}
	for _, tag := range tags {
		if _, err := r.git("tag", tag); err != nil {
			return nil, err
		}
	}
	return tags, nil
}

// setVersion makes the modules require each other in a version. It keeps the
// replace lines: in this repository they make the modules use each other's
// folders, and elsewhere the go command ignores them.
func (r repository) setVersion(modules []goModule, version string) error {
	ours := make(map[string]bool, len(modules))
	for _, m := range modules {
		ours[m.path()] = true
	}
	for _, m := range modules {
		for _, required := range m.file.Require {
			if !ours[required.Mod.Path] {
				continue
			}
			if err := m.file.AddRequire(required.Mod.Path, version); err != nil {
				return err
			}
		}
		content, err := m.file.Format()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.root, m.goMod()), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

const unreleased = "\n## Unreleased\n"

// closeChangelog gives the section Unreleased the title of the version, and
// adds an empty section Unreleased.
func (r repository) closeChangelog(version string, now time.Time) error {
	name := filepath.Join(r.root, "CHANGELOG.md")
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, after, found := strings.Cut(string(content), unreleased)
	section, _, _ := strings.Cut(after, "\n## ")
	if !found || strings.TrimSpace(section) == "" {
		return errors.New("the section Unreleased of CHANGELOG.md is missing or empty")
	}
	title := fmt.Sprintf("\n## %s, %s\n", version, now.UTC().Format(time.DateOnly))
	return os.WriteFile(name, []byte(before+unreleased+title+after), 0o644)
}
