package setcookie

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Writer wraps an http.ResponseWriter. Before a header is written that sets one
// of the cookies, it calls KeepFromCaches. It must not be used concurrently.
type Writer struct {
	http.ResponseWriter
	Owner         any      // identifies the Writer if a response has several, see Find
	Names         []string // of the cookies
	BeforeHeader  func()   // called before the header is written; may be nil
	HeaderWritten func()   // called when the header of the final response is written; may be nil

	written bool // the header of the final response is written
}

// Find returns the Writer of an owner in a chain of ResponseWriters, nil if
// there is none. It follows the Unwrap methods.
func Find(w http.ResponseWriter, owner any) *Writer {
	for {
		if found, ok := w.(*Writer); ok && found.Owner == owner {
			return found
		}
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = inner.Unwrap()
	}
}

// Written reports whether the header of the final response was written.
func (w *Writer) Written() bool { return w.written }

// prepare is called before the header is written.
func (w *Writer) prepare() {
	if w.written {
		return
	}
	if w.BeforeHeader != nil {
		w.BeforeHeader()
	}
	if w.setsCookies() {
		KeepFromCaches(w.Header())
	}
}

// setsCookies reports whether the header sets or removes one of the cookies.
func (w *Writer) setsCookies() bool {
	return slices.ContainsFunc(w.Header()["Set-Cookie"], func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(w.Names, name)
	})
}

// Finish prepares the header of the final response. The methods of Writer call
// it before they write. The caller must also call it after the handler, because
// a handler may write nothing or panic.
func (w *Writer) Finish() {
	w.prepare()
	if !w.written && w.HeaderWritten != nil {
		w.HeaderWritten()
	}
	w.written = true
}

// WriteHeader implements http.ResponseWriter.
func (w *Writer) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.prepare()
	} else {
		w.Finish()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *Writer) Write(p []byte) (int, error) {
	w.Finish()
	return w.ResponseWriter.Write(p)
}

// WriteString implements io.StringWriter, as the writer of net/http does.
func (w *Writer) WriteString(s string) (int, error) {
	w.Finish()
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom implements io.ReaderFrom, so that net/http can send files with
// sendfile.
func (w *Writer) ReadFrom(src io.Reader) (int64, error) {
	w.Finish()
	return io.Copy(w.ResponseWriter, src)
}

// Flush implements http.Flusher. It does nothing if the wrapped writer cannot
// flush.
func (w *Writer) Flush() { _ = w.FlushError() }

// FlushError is Flush for an http.ResponseController.
func (w *Writer) FlushError() error {
	w.Finish()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// uncachedCookie is the directive of Cache-Control that tells caches not to
// store the Set-Cookie lines of a response.
const uncachedCookie = `no-cache="Set-Cookie"`

// KeepFromCaches tells caches that a response is for one browser. They must not
// send its Set-Cookie lines to other browsers.
func KeepFromCaches(header http.Header) {
	if !hasToken(header["Vary"], "Cookie") && !hasToken(header["Vary"], "*") {
		header.Add("Vary", "Cookie")
	}
	// A plain "no-cache" is stricter, and some caches obey only the last
	// directive.
	if !hasToken(header["Cache-Control"], uncachedCookie) && !hasToken(header["Cache-Control"], "no-cache") {
		header.Add("Cache-Control", uncachedCookie)
	}
}

// hasToken reports whether a comma-separated header has the token, in any case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}
