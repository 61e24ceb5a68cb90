package main

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	clientName = "socket.io.min.js"
	clientPath = "/client/" + clientName

	// The release that npm installs and the CDN has, and the hash of dist/socket.io.min.js
	// in that npm package. The CDN serves the same file; browsers refuse another one.
	clientVersion   = "4.8.1"
	clientIntegrity = "sha384-mkQ3/7FUtcGyoppY6bz/PORYoGqOl7/aSUMn2ymDOJcapfS6PHqxhRTMh1RR0Q6+"

	cdn        = "https://cdn.socket.io"
	npmTimeout = time.Minute
)

// client is where the page loads socket.io-client from.
type client struct {
	Src       string // for the script element
	Integrity string // for the script element; "" for a file of this site
	file      string // that file
	how       string // for people
}

// String says where the client comes from.
func (c client) String() string { return c.how }

func (c client) serve(w http.ResponseWriter, r *http.Request) {
	if c.file == "" {
		http.NotFound(w, r)
		return
	}
	http.ServeFile(w, r, c.file)
}

// scriptSource is what the content security policy has to allow besides the site.
func (c client) scriptSource() string {
	if c.file != "" {
		return ""
	}
	return " " + c.Src
}

func localClient(file, how string) client {
	return client{Src: clientPath, file: file, how: fmt.Sprintf("%s (%s)", file, how)}
}

func cdnClient(why string) client {
	src := cdn + "/" + clientVersion + "/" + clientName
	return client{Src: src, Integrity: clientIntegrity, how: fmt.Sprintf("%s (%s)", src, why)}
}

// machine is where findClient looks.
type machine struct {
	folder string // node_modules are looked for in here and in the folders above
	cache  string // the user's cache directory, "" if there is none
	npm    string // the program, "" if there is none
}

func thisMachine() machine {
	var m machine
	m.folder, _ = os.Getwd()
	m.cache, _ = os.UserCacheDir()
	m.npm, _ = exec.LookPath("npm")
	return m
}

// findClient looks for the client: in the folder that was asked for, in what is
// installed, in what an earlier run has put into the cache directory; else it has npm
// put it there, and where that cannot be done it takes the CDN.
func findClient(ctx context.Context, folder string, m machine) (client, error) {
	if folder != "" {
		file, err := filepath.Abs(filepath.Join(folder, clientName))
		if err != nil {
			return client{}, err
		}
		if _, err := os.Stat(file); err != nil {
			return client{}, fmt.Errorf("-client: want a folder with %s in it: %w", clientName, err)
		}
		return localClient(file, "as -client says"), nil
	}
	if file, ok := m.installed(); ok {
		return localClient(file, "an installed one"), nil
	}
	if m.cache == "" {
		return cdnClient("there is no cache directory to install it in"), nil
	}
	home := filepath.Join(m.cache, "mojo-examples", "socket.io-client-"+clientVersion)
	file := filepath.Join(home, "node_modules", "socket.io-client", "dist", clientName)
	if verify(file) == nil {
		return localClient(file, "installed by an earlier run"), nil
	}
	if m.npm == "" {
		return cdnClient("none is installed, and there is no npm to install it"), nil
	}
	fmt.Println("installing socket.io-client", clientVersion, "into", home)
	if err := npmInstall(ctx, m.npm, home); err != nil {
		return cdnClient(fmt.Sprintf("npm could not install it: %v", err)), nil
	}
	if err := verify(file); err != nil {
		return cdnClient(fmt.Sprintf("what npm installed is not it: %v", err)), nil
	}
	return localClient(file, "installed by npm"), nil
}

// installed looks in node_modules, as Node itself does, and in those of mojo's own
// tests.
func (m machine) installed() (string, bool) {
	for folder := m.folder; ; folder = filepath.Dir(folder) {
		for _, pkg := range []string{
			filepath.Join(folder, "node_modules", "socket.io-client"),
			filepath.Join(folder, "internal", "interop", "node_modules", "socket.io-client-4"),
		} {
			file := filepath.Join(pkg, "dist", clientName)
			if _, err := os.Stat(file); err == nil && isRelease4(pkg) {
				return file, true
			}
		}
		if folder == filepath.Dir(folder) {
			return "", false
		}
	}
}

func isRelease4(pkg string) bool {
	raw, err := os.ReadFile(filepath.Join(pkg, "package.json"))
	if err != nil {
		return false
	}
	var manifest struct{ Version string }
	return json.Unmarshal(raw, &manifest) == nil && strings.HasPrefix(manifest.Version, "4.")
}

// npmInstall installs the client into a folder of its own, without running scripts of
// packages.
func npmInstall(ctx context.Context, npm, home string) error {
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, npmTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", home, "--no-save", "--ignore-scripts",
		"--no-audit", "--no-fund", "--loglevel=error", "socket.io-client@"+clientVersion)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		if line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n"); line != "" {
			return fmt.Errorf("%w: %s", err, line)
		}
	}
	return err
}

// verify tells whether a file is the client that the constants name.
func verify(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	sum := sha512.Sum384(content)
	if "sha384-"+base64.StdEncoding.EncodeToString(sum[:]) != clientIntegrity {
		return errors.New("its hash is another one")
	}
	return nil
}
