package clientfiles

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const script = "/*!\n * Socket.IO v4.8.1\n * (c) 2014-2024 Guillermo Rauch\n */\nvar io;"

func load(t *testing.T) *Files {
	t.Helper()
	files, err := Load(fstest.MapFS{
		"socket.io.min.js":     {Data: []byte(script)},
		"socket.io.min.js.map": {Data: []byte(`{"version":3}`)},
		"README.md":            {Data: []byte("no script")},
	})
	require.NoError(t, err)
	return files
}

func get(t *testing.T, files *Files, target string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/socket.io/"+target, nil)
	r.Header = header
	w := httptest.NewRecorder()
	require.True(t, files.Serve(w, r))
	return w.Result()
}

func TestServe(t *testing.T) {
	files := load(t)
	answer := get(t, files, "socket.io.min.js", http.Header{})
	require.Equal(t, 200, answer.StatusCode)
	require.Equal(t, "text/javascript; charset=utf-8", answer.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "public, no-cache", answer.Header.Get("Cache-Control"))
	body, _ := io.ReadAll(answer.Body)
	require.Equal(t, script, string(body))

	answer = get(t, files, "socket.io.min.js.map", http.Header{})
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
}

func TestServeCompressed(t *testing.T) {
	answer := get(t, load(t), "socket.io.min.js", http.Header{"Accept-Encoding": {"gzip, br"}})
	require.Equal(t, "gzip", answer.Header.Get("Content-Encoding"))
	require.Equal(t, "Accept-Encoding", answer.Header.Get("Vary"))
	z, err := gzip.NewReader(answer.Body)
	require.NoError(t, err)
	body, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, script, string(body))
}

// A range is one of the file, not of its compressed form.
func TestServeRange(t *testing.T) {
	answer := get(t, load(t), "socket.io.min.js", http.Header{"Accept-Encoding": {"gzip"}, "Range": {"bytes=0-2"}})
	require.Equal(t, 206, answer.StatusCode)
	body, _ := io.ReadAll(answer.Body)
	require.Equal(t, "/*!", string(body))
}

func TestServeUnchanged(t *testing.T) {
	files := load(t)
	for _, header := range []http.Header{{}, {"Accept-Encoding": {"gzip"}}} {
		tag := get(t, files, "socket.io.min.js", header).Header.Get("ETag")
		require.NotEmpty(t, tag)
		header.Set("If-None-Match", tag)
		answer := get(t, files, "socket.io.min.js", header)
		require.Equal(t, 304, answer.StatusCode)
		body, _ := io.ReadAll(answer.Body)
		require.Empty(t, body)
	}
}

func TestServeForAYear(t *testing.T) {
	files := load(t)
	for query, forAYear := range map[string]bool{"?v=4.8.1": true, "?v=4.8.0": false, "?v=": false, "": false} {
		control := get(t, files, "socket.io.min.js"+query, http.Header{}).Header.Get("Cache-Control")
		require.Equal(t, forAYear, strings.Contains(control, "immutable"), query)
	}
}

func TestServeOthers(t *testing.T) {
	files := load(t)
	for _, target := range []string{"socket.io.js", "README.md", "socket.io.min.js.map.map", "..", "x/"} {
		w := httptest.NewRecorder()
		require.False(t, files.Serve(w, httptest.NewRequest(http.MethodGet, "/socket.io/"+target, nil)), target)
		require.Zero(t, w.Body.Len())
	}
}

func TestLoadRefuses(t *testing.T) {
	for message, folder := range map[string]fstest.MapFS{
		"want the folder dist":                          {"index.js": {Data: []byte("x")}},
		"has no socket.io.js":                           {"socket.io.js.map": {Data: []byte("{}")}},
		"socket.io.js is empty":                         {"socket.io.js": {}},
		"socket.io.min.js is larger than 8388608 bytes": {"socket.io.min.js": {Data: bytes.Repeat([]byte("x"), maxFile+1)}},
		"socket.io.js: ":                                {"socket.io.js/x": {Data: []byte("x")}},
	} {
		_, err := Load(folder)
		require.ErrorContains(t, err, message)
	}
}
