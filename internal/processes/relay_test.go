package processes

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// balancer is a load balancer without sticky sessions: each request goes to the
// next node.
type balancer struct {
	*siotest.Site
	statuses sync.Map // *atomic.Int64 by the status of the answer

	mu    sync.Mutex
	nodes []*node
	next  int
}

// newBalancer serves nodes until the end of the test.
func newBalancer(t testing.TB, nodes ...*node) *balancer {
	t.Helper()
	b := &balancer{nodes: nodes}
	b.Site = siotest.Serve(t, siotest.TCP, &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: b.take().Address})
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(r *http.Response) error {
			b.count(r.StatusCode).Add(1)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	b.Limit = limit
	return b
}

// take returns the next node.
func (b *balancer) take() *node {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.nodes[b.next%len(b.nodes)]
}

// set replaces the nodes.
func (b *balancer) set(nodes ...*node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = nodes
}

// count returns the number of answers with a status.
func (b *balancer) count(status int) *atomic.Int64 {
	n, _ := b.statuses.LoadOrStore(status, new(atomic.Int64))
	return n.(*atomic.Int64)
}

// Behind a load balancer that sends each request to another node, nothing is
// lost in either direction.
func TestRelay(t *testing.T) {
	_, n := startCluster(t)
	b := newBalancer(t, n...)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			p := visit(t, b.Site, transport, transport, "")
			const window = 20
			messages := long(10_000, 300)
			for i := range messages + window {
				if i < messages {
					p.Emit("echo", i)
				}
				if i >= window {
					p.Expect("echo", i-window)
				}
			}
			p.ExpectNothing()
		})
	}
	require.Zero(t, b.count(http.StatusBadRequest).Load())
	require.Positive(t, b.count(http.StatusOK).Load())
	require.Positive(t, b.count(http.StatusSwitchingProtocols).Load())
}
