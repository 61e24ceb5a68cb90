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
	"github.com/mojosocket/mojo/mojoredis"
)

// TestBus runs the conformance suite. Each node has a proxy, so that its
// connections can be cut.
func TestBus(t *testing.T) {
	requireRedis(t)
	clustertest.Run(t, func(t *testing.T) clustertest.Broker {
		var mu sync.Mutex
		proxies, clients := make(map[string]*proxy), make(map[string]*redis.Client)
		proxyOf := func(node string) *proxy {
			mu.Lock()
			defer mu.Unlock()
			if proxies[node] == nil {
				proxies[node] = newProxy(t, shared.addr)
				clients[node] = newClient(t, proxies[node].addr())
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
			Cut:       func(node string) { proxyOf(node).setCut(true) },
			Reconnect: func(node string) { proxyOf(node).setCut(false) },
			Restart: func() {
				shared.stop()
				require.NoError(t, shared.start())
			},
		}
	})
}

// TestBusKilled cuts nodes off in another way: Redis ends their connections, and
// the nodes make others at once.
func TestBusKilled(t *testing.T) {
	requireRedis(t)
	clustertest.Run(t, func(t *testing.T) clustertest.Broker {
		client := newClient(t, shared.addr)
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
