package mojo_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"

	"github.com/mojosocket/mojo"
)

// page stands for a browser's page in the examples: the least of a Socket.IO
// client, over long-polling.
type page struct {
	client *http.Client
	url    string
	inbox  []string
}

// open serves h for an example and returns a page of it, and a function that ends
// both. Where h holds a mojo.Server, srv closes it.
func open(h http.Handler, srv *mojo.Server) (*page, func()) {
	site := httptest.NewServer(h)
	jar, err := cookiejar.New(nil)
	check(err)
	p := &page{client: &http.Client{Jar: jar}, url: site.URL}
	return p, func() {
		check(srv.Close())
		p.client.CloseIdleConnections()
		site.Close()
	}
}

// visit requests an ordinary page of the site, with the page's cookies.
func (p *page) visit(path string) string {
	res, err := p.client.Get(p.site() + path)
	check(err)
	return body(res)
}

func (p *page) site() string {
	site, _, _ := strings.Cut(p.url, "/socket.io/")
	return site
}

// connect is what io(namespace) does in a browser. It returns the server's answer.
func (p *page) connect(namespace string) string {
	if !strings.Contains(p.url, "/socket.io/") {
		p.url += "/socket.io/?EIO=4&transport=polling"
		res, err := p.client.Get(p.url)
		check(err)
		_, rest, _ := strings.Cut(body(res), `"sid":"`)
		sid, _, _ := strings.Cut(rest, `"`)
		p.url += "&sid=" + sid
	}
	p.send("40" + namespace + ",")
	return p.receive()
}

// send sends a packet, for instance 42/ChatSocket,["say","hello"].
func (p *page) send(packet string) {
	res, err := p.client.Post(p.url, "text/plain", strings.NewReader(packet))
	check(err)
	body(res)
}

// receive waits for the next packet with something for the page, without the type of
// its transport. Its polls prove by their cookies whose the connection is, so it need
// not answer a mojo.IdentityEvent.
func (p *page) receive() string {
	const noop = "6"
	for {
		for len(p.inbox) == 0 {
			res, err := p.client.Get(p.url)
			check(err)
			p.inbox = strings.Split(body(res), "\x1e")
		}
		packet := p.inbox[0]
		p.inbox = p.inbox[1:]
		if packet != noop && !strings.Contains(packet, mojo.IdentityEvent) {
			return strings.TrimPrefix(packet, "4")
		}
	}
}

func body(res *http.Response) string {
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	check(err)
	return string(b)
}

// check ends the example with an output that nobody expects.
func check(err error) {
	if err != nil {
		fmt.Println("error:", err)
		panic(err)
	}
}

// quiet keeps what an example provokes out of the log.
var quiet = slog.New(slog.DiscardHandler)
