// Package clientfiles serves the files of a socket.io-client release: the
// bundles for browsers and their source maps.
package clientfiles

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/gzipped"
)

// names lists the files that the official server serves. Each has a source map
// with .map after its name.
var names = []string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"}

// maxFile is the greatest size of a file in bytes. The largest source map of
// release 4 has about 400 KB.
const maxFile = 8 << 20

// Files has the files of one release in memory, each also compressed. It is
// immutable, and safe for concurrent use.
type Files struct {
	byName map[string]*file
}

type file struct {
	plain, zipped []byte
	tag           string // for ETag, without quotes
	version       string // the release, from the first lines of a script; "" if they do not say it
}

// Load reads the files of a release from a folder, such as the folder dist of
// the npm package. One that is missing is not served. It is an error if no
// script is there.
func Load(folder fs.FS) (*Files, error) {
	files := &Files{byName: make(map[string]*file)}
	scripts := 0
	for _, name := range names {
		for _, name := range []string{name, name + ".map"} {
			content, err := read(folder, name)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				return nil, err
			}
			files.byName[name] = newFile(content)
			if !strings.HasSuffix(name, ".map") {
				scripts++
			}
		}
	}
	if scripts == 0 {
		return nil, fmt.Errorf("has no %s; want the folder dist of the npm package socket.io-client", strings.Join(names, ", "))
	}
	return files, nil
}

func read(folder fs.FS, name string) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(content) > maxFile:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	case len(content) == 0:
		return nil, fmt.Errorf("%s is empty", name)
	}
	return content, nil
}

// banner is in the first lines of each script of the official client.
var banner = regexp.MustCompile(`Socket\.IO v(\d+\.\d+\.\d+\S*)`)

func newFile(content []byte) *file {
	var zipped bytes.Buffer
	z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // the level is valid
	_, _ = z.Write(content)                                    // a Buffer does not fail
	_ = z.Close()
	sum := sha256.Sum256(content)
	f := &file{plain: content, zipped: zipped.Bytes(), tag: base64.RawURLEncoding.EncodeToString(sum[:12])}
	if found := banner.FindSubmatch(content[:min(len(content), 256)]); found != nil {
		f.version = string(found[1])
	}
	return f
}

// Serve answers a GET or HEAD request for one of the files, and reports whether
// it has answered. Browsers keep a file, and ask each time whether it has
// changed; with the release in the query, as ?v=4.8.1, they do not ask for a
// year.
func (f *Files) Serve(w http.ResponseWriter, r *http.Request) bool {
	name := path.Base(r.URL.Path)
	found := f.byName[name]
	if found == nil {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	if strings.HasSuffix(name, ".map") {
		h.Set("Content-Type", "application/json")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, no-cache")
	if found.version != "" && r.URL.Query().Get("v") == found.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Add("Vary", "Accept-Encoding")
	content, tag := found.plain, `"`+found.tag+`"`
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		content, tag = found.zipped, `"`+found.tag+`-gzip"`
	}
	h.Set("ETag", tag)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // in memory there is none
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	return true
}

// writeTimeout is the time in which a client must read a file. The site's
// http.Server may have no limit of its own.
const writeTimeout = 2 * time.Minute

// acceptsGzip reports whether the client accepts gzip. A range of bytes is one
// of the plain file.
func acceptsGzip(r *http.Request) bool {
	return r.Header.Get("Range") == "" && gzipped.Accepted(r.Header)
}
