package setcookie

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Writer is an http.ResponseWriter around another one. When the header is
// written and sets one of the cookies, it calls KeepFromCaches, whatever the
// handler has set by then. Like the ResponseWriter of net/http it is for one
// goroutine.
type Writer struct {
	http.ResponseWriter
	Owner  any      // tells the Writers around one answer apart, see Find
	Names  []string // of the cookies
	Before func()   // is called when the header is about to be written; may be nil
	Sent   func()   // is called when the header of the final answer is written; may be nil

	written bool // the header of the final answer
}

// Find returns the Writer of this owner in a chain of writers that can be
// unwrapped, nil if there is none.
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

// Written reports whether the header of the final answer was written.
func (w *Writer) Written() bool { return w.written }

// prepare is called before the header is written.
func (w *Writer) prepare() {
	if w.written {
		return
	}
	if w.Before != nil {
		w.Before()
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

// Finish is called before the header of the final answer is written. A handler
// that writes nothing, or panics, does not call it.
func (w *Writer) Finish() {
	w.prepare()
	if !w.written && w.Sent != nil {
		w.Sent()
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

// ReadFrom implements io.ReaderFrom, which lets net/http send files by itself.
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

// Unwrap is for an http.ResponseController.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// uncachedCookie is the directive of Cache-Control that keeps caches from
// storing the Set-Cookie lines of an answer.
const uncachedCookie = `no-cache="Set-Cookie"`

// KeepFromCaches tells caches that an answer is for one browser: they must not
// give its Set-Cookie lines to anybody else.
func KeepFromCaches(header http.Header) {
	if !hasToken(header["Vary"], "Cookie") && !hasToken(header["Vary"], "*") {
		header.Add("Vary", "Cookie")
	}
	// "no-cache" alone says more, and a cache might believe the last of the
	// two.
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
