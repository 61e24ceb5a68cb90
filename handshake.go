package mojo

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unique"
)

// Handshake is what a client said of itself when it connected. It is a value; but
// for Auth it is kept with each connection as text of at most 4 KiB, and parsed on
// demand. It may be used from several goroutines as long as none writes
// to it.
type Handshake struct {
	// RemoteAddr is the address of the peer, as in http.Request. Behind a proxy it
	// is the proxy's.
	RemoteAddr string
	// Time is when the handshake came.
	Time time.Time
	// Auth is the JSON object that the client passed as auth when it connected to
	// the app, nil if none. Above 4 KiB it is there in OnConnect alone.
	Auth json.RawMessage

	query, header, browser string
}

// Header returns the headers of the handshake, with the Host, but without those of
// the WebSocket and without mojo's own cookies. Headers that would not fit are
// left out. Each call makes a new one.
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

// Query returns the query parameters of the handshake, those that socket.io-client
// adds included.
func (h Handshake) Query() url.Values {
	query, _ := url.ParseQuery(h.query) // what is malformed is left out
	return query
}

// Cookies returns the cookies of the handshake, without mojo's own.
func (h Handshake) Cookies() []*http.Cookie {
	r := http.Request{Header: h.Header()}
	return r.Cookies()
}

// maxHandshake is how much of a handshake is kept, in bytes.
const maxHandshake = 4 << 10

// handshake is what is kept for each connection: the parts of a Handshake in two
// strings, so that nothing else of the request stays in memory. One of them is there
// once for all connections that say the same: what a browser says of itself is most
// of a handshake, and there are more people than browsers.
type handshake struct {
	text     string // remote address, query, other headers as lines
	browser  unique.Handle[string]
	addrEnd  int
	queryEnd int
	time     time.Time
}

// browserHeaders are those that go into handshake.browser, by prefix.
var browserHeaders = []string{"Accept", "Cache-Control", "Dnt", "Host", "Origin", "Pragma", "Priority", "Sec-", "User-Agent"}

func isBrowserHeader(name string) bool {
	return slices.ContainsFunc(browserHeaders, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

func newHandshake(r *http.Request, cookies *Cookies, now time.Time) *handshake {
	var b, browser strings.Builder
	b.WriteString(truncate(r.RemoteAddr, maxHandshake/4))
	hs := &handshake{time: now, addrEnd: b.Len()}
	b.WriteString(wholePairs(r.URL.RawQuery, maxHandshake/2))
	hs.queryEnd = b.Len()
	line := func(name, value string) {
		if b.Len()+browser.Len()+len(name)+len(value)+len(":\n") > maxHandshake || strings.Contains(value, "\n") {
			return
		}
		to := &b
		if isBrowserHeader(name) {
			to = &browser
		}
		to.WriteString(name)
		to.WriteByte(':')
		to.WriteString(value)
		to.WriteByte('\n')
	}
	line("Host", r.Host)
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		if keepsHeader(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			if name == "Cookie" && cookies != nil {
				if value = cookies.strip(value); value == "" {
					continue
				}
			}
			line(name, value)
		}
	}
	hs.text = strings.Clone(b.String()) // without the builder's spare bytes
	hs.browser = unique.Make(browser.String())
	return hs
}

// keepsHeader reports whether a header says something about the client and not
// about the connection.
func keepsHeader(name string) bool {
	return name != "Connection" && name != "Upgrade" && !strings.HasPrefix(name, "Sec-Websocket-")
}

func truncate(s string, n int) string { return s[:min(len(s), n)] }

// wholePairs cuts a query string down to n bytes, between two parameters.
func wholePairs(query string, n int) string {
	if len(query) <= n {
		return query
	}
	return query[:max(strings.LastIndexByte(query[:n+1], '&'), 0)]
}

func (hs *handshake) public(auth []byte) Handshake {
	return Handshake{
		RemoteAddr: hs.text[:hs.addrEnd],
		Time:       hs.time,
		Auth:       slices.Clone(auth),
		query:      hs.text[hs.addrEnd:hs.queryEnd],
		header:     hs.text[hs.queryEnd:],
		browser:    hs.browser.Value(),
	}
}

// strip takes mojo's own cookies out of a Cookie header: what is signed in them
// is of no use to a handler, and a secret.
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
