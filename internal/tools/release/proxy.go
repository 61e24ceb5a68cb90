package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// writeProxy writes the modules, as tagged with a version, into a directory
// with the layout of the module proxy protocol.
func (r repository) writeProxy(version, dir string) error {
	modules, err := r.modules()
	if err != nil {
		return err
	}
	for _, m := range modules {
		if err := r.writeModule(m, version, dir); err != nil {
			return err
		}
	}
	return nil
}

func (r repository) writeModule(m goModule, version, dir string) error {
	escaped, err := module.EscapePath(m.path())
	if err != nil {
		return err
	}
	dir = filepath.Join(dir, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tag := m.tag(version)
	committed, err := r.git("log", "-1", "--format=%cI", tag)
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(committed))
	if err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{version, at.UTC()})
	if err != nil {
		return err
	}
	mod, err := r.git("show", tag+":"+m.goMod())
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"list":            version + "\n",
		version + ".info": string(info),
		version + ".mod":  mod,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return r.writeZip(m, version, filepath.Join(dir, version+".zip"))
}

func (r repository) writeZip(m goModule, version, name string) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	return zip.CreateFromVCS(file, module.Version{Path: m.path(), Version: version}, r.root, m.tag(version), m.dir)
}
