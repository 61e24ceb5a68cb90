package mojoredis_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/cluster/clustertest"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/internal/tcpproxy"
	"github.com/mojosocket/mojo/mojoredis"
)

// TestBus runs the conformance suite. Each node has a proxy, so that its
// connections can be cut.
func TestBus(t *testing.T) {
	redistest.Require(t)
	clustertest.Run(t, func(t *testing.T) clustertest.Broker {
		var mu sync.Mutex
		proxies, clients := make(map[string]*tcpproxy.Proxy), make(map[string]*redis.Client)
		proxyOf := func(node string) *tcpproxy.Proxy {
			mu.Lock()
			defer mu.Unlock()
			if proxies[node] == nil {
				proxies[node] = tcpproxy.New(t, shared.Addr)
				clients[node] = newClient(t, proxies[node].Addr())
			}
			return proxies[node]
		}
		bus := func(node, key string) cluster.Bus {
			proxyOf(node)
			return mojoredis.New(clients[node], mojoredis.Options{Key: key, Logger: quiet})
		}
		return clustertest.Broker{
			Bus:       func(node string) cluster.Bus { return bus(node, "") },
			Other:     func(node string) cluster.Bus { return bus(node, "other") },
			Cut:       func(node string) { proxyOf(node).SetCut(true) },
			Reconnect: func(node string) { proxyOf(node).SetCut(false) },
			Restart: func() {
				shared.Kill()
				require.NoError(t, shared.Restart())
			},
		}
	})
}

// TestBusKilled cuts nodes off in another way: Redis ends their connections, and
// the nodes make others at once.
func TestBusKilled(t *testing.T) {
	redistest.Require(t)
	clustertest.Run(t, func(t *testing.T) clustertest.Broker {
		client := newClient(t, shared.Addr)
		return clustertest.Broker{
			Bus: func(string) cluster.Bus { return mojoredis.New(client, mojoredis.Options{Logger: quiet}) },
			Restart: func() {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				for _, kind := range []string{"pubsub", "normal"} {
					require.NoError(t, client.ClientKillByFilter(ctx, "TYPE", kind, "SKIPME", "yes").Err())
				}
			},
		}
	})
}
