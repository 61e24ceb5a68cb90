// Package relay passes requests on to the node of a cluster that has the
// connection which they belong to. The ids of a node's connections begin with
// its tag.
package relay

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/cluster"
	"github.com/mojosocket/mojo/internal/warn"
)

// Relay passes requests on. It is safe for concurrent use.
type Relay struct {
	node   *cluster.Node
	own    string                // the tag of this node
	header string                // that may have an id, beside the query
	proxy  httputil.ReverseProxy // without a Rewrite
	warn   *warn.Log

	transport *http.Transport
	closed    context.Context // done after Close
	close     context.CancelFunc
}

// relayedHeader marks a request that was passed on, so that it is not passed on
// again.
const relayedHeader = "X-Mojo-Relayed"

// tagLength is the length of a node's tag: the beginning of its name.
const tagLength = 10

// dialTime limits how long it takes to connect to another node.
const dialTime = 5 * time.Second

// Tag returns the tag of a node.
func Tag(node string) string { return node[:tagLength] }

// IsAddress reports whether requests can be passed on to an address.
func IsAddress(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.Trim(u.Path, "/") == "" && u.RawQuery == ""
}

// New returns the Relay of a node. The header is a header of requests that has
// the value of a claim.
func New(node *cluster.Node, header string, w *warn.Log, log *slog.Logger) *Relay {
	transport := &http.Transport{ // http.DefaultTransport may be the site's own, and may use a proxy
		DialContext:         (&net.Dialer{Timeout: dialTime}).DialContext,
		TLSHandshakeTimeout: dialTime,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     time.Minute,
	}
	rl := &Relay{node: node, own: Tag(node.Name()), header: header, warn: w, transport: transport}
	rl.closed, rl.close = context.WithCancel(context.Background())
	rl.proxy = httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ErrorHandler:  rl.failed,
	}
	return rl
}

// Close passes no requests on any more. It ends the WebSockets and the idle
// connections to other nodes. Requests that are being passed on are finished.
func (rl *Relay) Close() {
	rl.close()
	rl.transport.CloseIdleConnections()
}

// rewrite directs a request to another node, and leaves it as the client or its
// proxies have made it otherwise.
func rewrite(r *httputil.ProxyRequest, target *url.URL) {
	r.SetURL(target)
	r.Out.Host = r.In.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if lines, sent := r.In.Header[name]; sent {
			r.Out.Header[name] = lines
		}
	}
	r.Out.Header.Set(relayedHeader, "1")
}

func (rl *Relay) failed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		rl.warn.Warn("relay", "mojo: a request cannot be passed on to the process that it belongs to", "error", err,
			"help", "Options.Advertise of that process must be an address at which this one reaches its handler")
	}
	http.Error(w, "Bad gateway", http.StatusBadGateway)
}

// Serve passes a request on, if it belongs to a connection of another node that
// has an address, and reports whether it has.
func (rl *Relay) Serve(w http.ResponseWriter, r *http.Request) bool {
	if r.Header[relayedHeader] != nil || rl.closed.Err() != nil {
		return false
	}
	id := r.Header.Get(rl.header)
	if id == "" {
		if !strings.Contains(r.URL.RawQuery, "sid=") {
			return false
		}
		id = r.URL.Query().Get("sid")
	}
	if len(id) <= tagLength || id[:tagLength] == rl.own {
		return false
	}
	target := rl.node.AdvertisedBy(id[:tagLength])
	if target == nil {
		return false
	}
	if r.Header["Upgrade"] != nil {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(rl.closed, cancel)()
		r = r.WithContext(ctx)
	}
	proxy := rl.proxy
	proxy.Rewrite = func(r *httputil.ProxyRequest) { rewrite(r, target) }
	proxy.ServeHTTP(w, r)
	return true
}
