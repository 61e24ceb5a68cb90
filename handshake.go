package mojo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unique"
)

// Handshake is what a client sent when it connected. It is a value. Apart from
// Auth it is kept with each connection as text of at most Limits.MaxHandshake
// bytes, plus the names in Cut, and is parsed by each call. It may be used by
// several goroutines as long as none writes to it. The zero value is an empty
// handshake.
type Handshake struct {
	// RemoteAddr is the address of the peer, as in http.Request. Behind a proxy
	// it is the proxy's.
	RemoteAddr string
	// Time is when the handshake arrived.
	Time time.Time
	// Auth is the JSON object that the client passed as auth when it connected
	// to the app, nil if there was none. One of more than Limits.MaxHandshake
	// bytes is available in OnConnect alone.
	Auth json.RawMessage

	// Cut has the names of the headers of which a part was left out because of
	// Limits.MaxHandshake, and "query" if the query was cut. It is nil if
	// nothing was left out.
	Cut []string

	query, header, browser string
}

// Header returns the headers of the handshake, including the Host, without
// those of the WebSocket and without mojo's own cookies. Headers that do not
// fit are left out, and so are cookies, one by one; see Cut. Each call returns
// a new one.
func (h Handshake) Header() http.Header {
	header := make(http.Header)
	for _, lines := range []string{h.browser, h.header} {
		for line := range strings.Lines(lines) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
			header.Add(name, value)
		}
	}
	return header
}

// Query returns the query parameters of the handshake, including those of
// socket.io-client.
func (h Handshake) Query() url.Values {
	query, _ := url.ParseQuery(h.query) // malformed parameters are left out
	return query
}

// Cookies returns the cookies of the handshake, without mojo's own.
func (h Handshake) Cookies() []*http.Cookie {
	r := http.Request{Header: h.Header()}
	return r.Cookies()
}

// handshake is a Handshake as it is kept with a connection: in two strings, so
// that nothing else of the request stays in memory. The string browser is
// shared by all connections with the same text. It has the headers that depend
// only on the browser, which are the larger part of a handshake. It is
// immutable.
type handshake struct {
	text      string // remote address, query, other headers as lines, names for Handshake.Cut
	browser   unique.Handle[string]
	addrEnd   int32
	queryEnd  int32
	headerEnd int32
	time      time.Time
}

// browserHeaders are the prefixes of the names of headers that go into
// handshake.browser.
var browserHeaders = []string{"Accept", "Cache-Control", "Dnt", "Host", "Origin", "Pragma", "Priority", "Sec-", "User-Agent"}

func isBrowserHeader(name string) bool {
	return slices.ContainsFunc(browserHeaders, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// newHandshake returns the handshake of r, of at most limit bytes and without
// mojo's own cookies.
func newHandshake(r *http.Request, cookies *Cookies, limit int, now time.Time) *handshake {
	t := handshakeTexts.Get().(*handshakeText)
	hs := t.read(r, cookies, limit)
	hs.time = now
	t.reset()
	handshakeTexts.Put(t)
	return hs
}

// handshakeText is a buffer for the texts of a handshake. It is reused, so that
// only the two strings of a handshake are allocated. Between two handshakes it
// is empty.
type handshakeText struct {
	text, browser []byte // of handshake; at most Options.Limits.MaxHandshake bytes together
	cut           []string
	names         []string
}

var handshakeTexts = sync.Pool{New: func() any { return new(handshakeText) }}

func (t *handshakeText) reset() {
	const limit = 64 // header names to keep memory for; a browser sends about twenty
	clear(t.names)
	clear(t.cut)
	if cap(t.names) > limit || cap(t.cut) > limit {
		t.names, t.cut = nil, nil
	}
	t.text, t.browser, t.names, t.cut = t.text[:0], t.browser[:0], t.names[:0], t.cut[:0]
}

func (t *handshakeText) read(r *http.Request, cookies *Cookies, limit int) *handshake {
	addr := truncate(r.RemoteAddr, limit/4)
	query := wholeParts(r.URL.RawQuery, "&", limit/2)
	if query != r.URL.RawQuery {
		t.cut = append(t.cut, "query")
	}
	hs := &handshake{addrEnd: int32(len(addr)), queryEnd: int32(len(addr) + len(query))}
	t.text = append(append(t.text, addr...), query...)
	t.addLine("Host", r.Host, limit)
	for name := range r.Header {
		if keepsHeader(name) {
			t.names = append(t.names, name)
		}
	}
	slices.Sort(t.names)
	for _, name := range t.names {
		for _, value := range r.Header[name] {
			if name == "Cookie" && cookies != nil {
				value = cookies.strip(value)
			}
			t.addLine(name, value, limit)
		}
	}
	hs.headerEnd = int32(len(t.text))
	if len(t.cut) > 0 {
		t.text = append(t.text, cutNames(t.cut)...)
	}
	hs.text = string(t.text)
	hs.browser = unique.Make(string(t.browser))
	return hs
}

// addLine adds a header. A header that does not fit into limit bytes is cut.
func (t *handshakeText) addLine(name, value string, limit int) {
	free := limit - len(t.text) - len(t.browser) - len(name) - len(":\n")
	if name == "Cookie" && len(value) > free {
		t.cut = append(t.cut, name)
		value = wholeParts(value, ";", max(free, 0))
	}
	switch {
	case strings.Contains(value, "\n") || value == "" && name == "Cookie":
		return
	case len(value) > free:
		t.cut = append(t.cut, name)
		return
	}
	to := &t.text
	if isBrowserHeader(name) {
		to = &t.browser
	}
	*to = append(append(append(append(*to, name...), ':'), value...), '\n')
}

// cutNames joins at most ten names of headers that were cut, each once. It is
// not inlined, see warnCut.
//
//go:noinline
func cutNames(names []string) string {
	const limit = 10
	slices.Sort(names)
	names = slices.Compact(names)
	names = slices.DeleteFunc(names, func(name string) bool { return len(name) > 64 })
	return strings.Join(names[:min(len(names), limit)], "\n")
}

// keepsHeader reports whether a header describes the client and not the
// connection.
func keepsHeader(name string) bool {
	return name != "Connection" && name != "Upgrade" && !strings.HasPrefix(name, "Sec-Websocket-")
}

func truncate(s string, n int) string { return s[:min(len(s), n)] }

// wholeParts returns the parts at the beginning of a text that fit into n
// bytes.
func wholeParts(text, separator string, n int) string {
	if len(text) <= n {
		return text
	}
	return text[:max(strings.LastIndex(text[:n+1], separator), 0)]
}

func (hs *handshake) toHandshake(auth []byte) Handshake {
	var cut []string
	if names := hs.text[hs.headerEnd:]; names != "" {
		cut = strings.Split(names, "\n")
	}
	return Handshake{
		RemoteAddr: hs.text[:hs.addrEnd],
		Time:       hs.time,
		Auth:       slices.Clone(auth),
		Cut:        cut,
		query:      hs.text[hs.addrEnd:hs.queryEnd],
		header:     hs.text[hs.queryEnd:hs.headerEnd],
		browser:    hs.browser.Value(),
	}
}

// strip removes mojo's own cookies from a Cookie header. Their texts are
// secret, and a handler does not need them.
func (c *Cookies) strip(header string) string {
	var kept []string
	for part := range strings.SplitSeq(header, ";") {
		part = strings.TrimSpace(part)
		name, _, _ := strings.Cut(part, "=")
		name = strings.TrimSpace(name) // as net/http reads it
		if part != "" && name != c.sessionName && name != c.loginName {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "; ")
}

// Transport is the name of a way to carry messages between client and server.
type Transport string

// The transports.
const (
	Polling   Transport = "polling"   // HTTP long-polling
	WebSocket Transport = "websocket" // a WebSocket
)

// nodeHandshake is the property handshake of a socket on a Node server.
type nodeHandshake struct {
	Headers     map[string]string `json:"headers"` // the names in lower case
	Time        string            `json:"time"`
	Issued      int64             `json:"issued"` // milliseconds since 1970
	Address     string            `json:"address"`
	CrossDomain bool              `json:"xdomain"`
	URL         string            `json:"url"`
	Query       map[string]any    `json:"query"` // strings, or arrays of strings
	Auth        struct{}          `json:"auth"`
}

func (h Handshake) describe() []byte {
	d := nodeHandshake{
		Headers: make(map[string]string), Query: make(map[string]any),
		Time:   h.Time.UTC().Format("Mon Jan 02 2006 15:04:05") + " GMT+0000 (Coordinated Universal Time)",
		Issued: h.Time.UnixMilli(), Address: h.RemoteAddr, URL: "/socket.io/?" + h.query,
	}
	if host, _, err := net.SplitHostPort(h.RemoteAddr); err == nil {
		d.Address = host
	}
	header := h.Header()
	d.CrossDomain = header.Get("Origin") != ""
	for name, values := range header {
		d.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	for name, values := range h.Query() {
		if d.Query[name] = values; len(values) == 1 {
			d.Query[name] = values[0]
		}
	}
	text, _ := json.Marshal(d) // cannot fail
	return text
}

func checkOrigin(origin string, identity bool) error {
	if origin == "*" {
		if identity {
			return errors.New(`mojo: Options.Origins has "*"; with Cookies or Identify every site could act as its visitors here, so list the sites`)
		}
		return nil
	}
	if !isOrigin(origin) {
		return fmt.Errorf("mojo: Options.Origins has %q; want scheme://host, scheme://host:port, "+
			"one of these with *. in front of a host of two labels or more, file:// or null", origin)
	}
	return nil
}

func isOrigin(origin string) bool {
	if origin == "null" || origin == "file://" {
		return true
	}
	scheme, host, _ := strings.Cut(origin, "://")
	if parent, pattern := strings.CutPrefix(host, "*."); pattern {
		u, err := url.Parse(scheme + "://" + parent)
		if err != nil || !isParent(u.Hostname()) {
			return false
		}
		host = parent
	}
	u, err := url.Parse(scheme + "://" + host)
	return err == nil && u.Host != "" && u.Host == host && strings.EqualFold(u.Scheme, scheme) &&
		!strings.Contains(host, "*") && !strings.HasSuffix(host, ":")
}

// isParent reports whether a pattern may stand for the names under a host. It
// may not if the host is a top-level domain or an address.
func isParent(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" {
			return false
		}
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != host && strings.Trim(last, "0123456789") != ""
}
