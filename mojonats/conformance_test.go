package mojonats_test

import (
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/cluster/clustertest"
	"github.com/mojosocket/mojo/mojonats"
)

// TestBus runs the conformance suite over a server. Each node has a proxy, so
// that its connections can be cut.
func TestBus(t *testing.T) {
	clustertest.Run(t, func(t *testing.T) clustertest.Broker {
		server := newServer(t)
		var mu sync.Mutex
		proxies, conns := make(map[string]*proxy), make(map[string]*nats.Conn)
		proxyOf := func(node string) *proxy {
			mu.Lock()
			defer mu.Unlock()
			if proxies[node] == nil {
				proxies[node] = newProxy(t, server.addr())
				conns[node] = connect(t, proxies[node].addr())
			}
			return proxies[node]
		}
		bus := func(node, prefix string) cluster.Bus {
			proxyOf(node)
			return mojonats.New(conns[node], mojonats.Options{Prefix: prefix, Logger: quiet})
		}
		return clustertest.Broker{
			Bus:       func(node string) cluster.Bus { return bus(node, "") },
			Other:     func(node string) cluster.Bus { return bus(node, "other") },
			Cut:       func(node string) { proxyOf(node).setCut(true) },
			Reconnect: func(node string) { proxyOf(node).setCut(false) },
			Restart: func() {
				server.stop()
				server.start()
			},
		}
	})
}
