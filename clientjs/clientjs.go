// Package clientjs finds socket.io-client, the official client for browsers,
// where npm has installed it, so that a Server can serve it:
//
//	release, err := clientjs.Find(".")
//	srv, err := mojo.New(mojo.Options{Client: release.Files})
//
// It is for development, and for sites that are deployed with their
// node_modules. A site that is one executable embeds the files instead:
//
//	//go:embed dist
//	var dist embed.FS
package clientjs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// oldest is the first release whose protocol every Server speaks.
const oldest = 3

// Release is an installed release of socket.io-client. The zero value has no
// files.
type Release struct {
	// Version is the version in its package.json, such as "4.8.1". In the
	// query of a script's address, as /socket.io/socket.io.min.js?v=4.8.1, it
	// lets browsers keep the script.
	Version string

	// Files is the folder dist, for mojo.Options.Client.
	Files fs.FS

	// Folder is the path of the folder dist.
	Folder string
}

// Find looks for node_modules/socket.io-client in a folder and those above it,
// as Node does, and returns the first that is release 3 or later. It is safe for
// concurrent use. The error says where it has looked.
func Find(folder string) (Release, error) {
	start, err := filepath.Abs(folder)
	if err != nil {
		return Release{}, fmt.Errorf("clientjs: %w", err)
	}
	var found []error
	for dir := start; ; dir = filepath.Dir(dir) {
		release, err := open(filepath.Join(dir, "node_modules", "socket.io-client"))
		if err == nil {
			return release, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			found = append(found, fmt.Errorf("clientjs: %w", err))
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	missing := fmt.Errorf("clientjs: socket.io-client is not installed in %s or a folder above it; want npm install socket.io-client: %w",
		start, fs.ErrNotExist)
	return Release{}, errors.Join(append(found, missing)...)
}

// open returns the release in the folder of its npm package. The error is
// fs.ErrNotExist if there is no such package.
func open(pkg string) (Release, error) {
	raw, err := os.ReadFile(filepath.Join(pkg, "package.json"))
	if err != nil {
		return Release{}, err
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return Release{}, fmt.Errorf("%s: package.json: %w", pkg, err)
	}
	major, _, _ := strings.Cut(manifest.Version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldest {
		return Release{}, fmt.Errorf("%s has version %q; want %d.0.0 or later", pkg, manifest.Version, oldest)
	}
	dist := filepath.Join(pkg, "dist")
	if info, err := os.Stat(dist); err != nil || !info.IsDir() {
		return Release{}, fmt.Errorf("%s has no folder dist", pkg)
	}
	return Release{Version: manifest.Version, Files: os.DirFS(dist), Folder: dist}, nil
}
