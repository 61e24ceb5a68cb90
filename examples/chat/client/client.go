// Package client finds the socket.io-client that the page of the site loads.
package client

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mojosocket/mojo/clientjs"
)

const (
	// FileName is the name of the client's file.
	FileName = "socket.io.min.js"
	// Path is the path under which mojo serves the file.
	Path = "/socket.io/" + FileName

	// npm installs this release, and the CDN has it. The hash is that of
	// dist/socket.io.min.js in the npm package. The CDN serves the same file,
	// and browsers refuse a file with another hash.
	version   = "4.8.1"
	integrity = "sha384-mkQ3/7FUtcGyoppY6bz/PORYoGqOl7/aSUMn2ymDOJcapfS6PHqxhRTMh1RR0Q6+"

	cdn        = "https://cdn.socket.io"
	npmTimeout = time.Minute
)

// Source is the place from which the page loads socket.io-client.
type Source struct {
	Src         string // for the script element
	Integrity   string // for the script element; "" for a file of this site
	Files       fs.FS  // for mojo.Options.Client; nil for the CDN
	description string // for the log
}

// String returns a description of the source.
func (s Source) String() string { return s.description }

// ScriptSource returns the source that the content security policy must allow
// for scripts besides the site itself, "" if there is none.
func (s Source) ScriptSource() string {
	if s.Files != nil {
		return ""
	}
	return s.Src
}

func localFolder(folder, reason string) Source {
	return Source{Src: Path, Files: os.DirFS(folder), description: fmt.Sprintf("%s (%s)", folder, reason)}
}

// CDN returns the CDN as the source. The reason is for the description.
func CDN(reason string) Source {
	src := cdn + "/" + version + "/" + FileName
	return Source{Src: src, Integrity: integrity, description: fmt.Sprintf("%s (%s)", src, reason)}
}

// machine has the places where the client may be installed.
type machine struct {
	folder string // the search for node_modules begins here and goes up
	cache  string // the user's cache directory, "" if there is none
	npm    string // the path of npm, "" if it is not installed
}

func thisMachine() machine {
	var m machine
	m.folder, _ = os.Getwd()
	m.cache, _ = os.UserCacheDir()
	m.npm, _ = exec.LookPath("npm")
	return m
}

// Find finds the client. It takes the file in the folder, if one is given.
// Otherwise it looks for an installed client, and for one that an earlier run
// has put into the cache directory. If there is none, npm installs it into the
// cache directory. If that fails, the source is the CDN.
func Find(ctx context.Context, folder string) (Source, error) {
	return find(ctx, folder, thisMachine())
}

func find(ctx context.Context, folder string, m machine) (Source, error) {
	if folder != "" {
		if _, err := os.Stat(filepath.Join(folder, FileName)); err != nil {
			return Source{}, fmt.Errorf("-client: want a folder with %s in it: %w", FileName, err)
		}
		return localFolder(folder, "given by -client"), nil
	}
	if release, err := clientjs.Find(m.folder); err == nil {
		return localFolder(release.Folder, "already installed"), nil
	}
	if m.cache == "" {
		return CDN("there is no cache directory to install the client in"), nil
	}
	home := filepath.Join(m.cache, "mojo-examples", "socket.io-client-"+version)
	dist := filepath.Join(home, "node_modules", "socket.io-client", "dist")
	if verify(filepath.Join(dist, FileName)) == nil {
		return localFolder(dist, "installed by an earlier run"), nil
	}
	if m.npm == "" {
		return CDN("the client is not installed, and npm is missing"), nil
	}
	fmt.Println("installing socket.io-client", version, "into", home)
	if err := npmInstall(ctx, m.npm, home); err != nil {
		return CDN(fmt.Sprintf("npm could not install the client: %v", err)), nil
	}
	if err := verify(filepath.Join(dist, FileName)); err != nil {
		return CDN(fmt.Sprintf("npm installed a wrong file: %v", err)), nil
	}
	return localFolder(dist, "installed by npm"), nil
}

// npmInstall installs the client into a folder of its own. It does not run the
// scripts of packages.
func npmInstall(ctx context.Context, npm, home string) error {
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, npmTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", home, "--no-save", "--ignore-scripts",
		"--no-audit", "--no-fund", "--loglevel=error", "socket.io-client@"+version)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		if line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n"); line != "" {
			return fmt.Errorf("%w: %s", err, line)
		}
	}
	return err
}

// verify checks that a file is the release that the constants name.
func verify(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	sum := sha512.Sum384(content)
	if "sha384-"+base64.StdEncoding.EncodeToString(sum[:]) != integrity {
		return errors.New("the file has another hash")
	}
	return nil
}
