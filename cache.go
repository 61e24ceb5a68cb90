package mojo

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
)

// uncachedCookie is the directive of Cache-Control that keeps caches from storing
// the Set-Cookie lines of an answer.
const uncachedCookie = `no-cache="Set-Cookie"`

// keepFromCaches says to caches that an answer is for one browser: they must not
// give its Set-Cookie lines to anybody else.
func keepFromCaches(header http.Header) {
	if !hasToken(header["Vary"], "Cookie") && !hasToken(header["Vary"], "*") {
		header.Add("Vary", "Cookie")
	}
	// "no-cache" alone says more, and a cache might take the last of two for it.
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

// cookieWriter is the http.ResponseWriter below EnsureSession. When the header is
// written and has a cookie of mojo's in it, it calls keepFromCaches, whatever the
// handler has set by then.
type cookieWriter struct {
	http.ResponseWriter
	cookies *Cookies
	late    func() // is called first when the header is about to be written; may be nil
	sent    func() // is called when the header of the final answer is written; may be nil
	written bool   // the header of the final answer
}

// prepare is called before the header is written.
func (w *cookieWriter) prepare() {
	if w.written {
		return
	}
	if w.late != nil {
		w.late()
	}
	if w.cookies.areSetBy(w.Header()) {
		keepFromCaches(w.Header())
	}
}

// begin is called before what writes the header of the final answer.
func (w *cookieWriter) begin() {
	w.prepare()
	if !w.written && w.sent != nil {
		w.sent()
	}
	w.written = true
}

func (w *cookieWriter) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.prepare()
	} else {
		w.begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *cookieWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// WriteString implements io.StringWriter, as the writer of net/http does.
func (w *cookieWriter) WriteString(s string) (int, error) {
	w.begin()
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom implements io.ReaderFrom, which lets net/http send files by itself.
func (w *cookieWriter) ReadFrom(src io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, src)
}

// Flush implements http.Flusher. It does nothing if the writer below cannot.
func (w *cookieWriter) Flush() { _ = w.FlushError() }

// FlushError is Flush for an http.ResponseController.
func (w *cookieWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker.
func (w *cookieWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap is for an http.ResponseController.
func (w *cookieWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// cookieWriterOf returns the cookieWriter of these cookies in a chain of writers that
// can be unwrapped, nil if there is none.
func (c *Cookies) cookieWriterOf(w http.ResponseWriter) *cookieWriter {
	for {
		if cw, ok := w.(*cookieWriter); ok && cw.cookies == c {
			return cw
		}
		below, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = below.Unwrap()
	}
}

// areSetBy reports whether a header sets or removes one of the two cookies.
func (c *Cookies) areSetBy(header http.Header) bool {
	for _, line := range header["Set-Cookie"] {
		name, _, _ := strings.Cut(line, "=")
		if name == c.sessionName || name == c.loginName {
			return true
		}
	}
	return false
}

// mayBegin reports whether a request may be the first of a person who has come to
// the site. What a page loads for itself is not: browsers say so, and the answer may
// be one that caches keep.
func mayBegin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "", "document", "iframe", "frame", "fencedframe", "embed", "object", "empty":
		return true
	}
	return false
}
