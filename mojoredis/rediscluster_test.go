package mojoredis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/cluster/clustertest"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/ledger/ledgertest"
	"github.com/mojosocket/mojo/mojoredis"
)

// TestBusOnRedisCluster runs the conformance suites on a Redis Cluster of two
// masters. The nodes of mojo are spread over both.
func TestBusOnRedisCluster(t *testing.T) {
	servers := []*redistest.Server{redistest.New(t, "--cluster-enabled", "yes"), redistest.New(t, "--cluster-enabled", "yes")}
	ctx := t.Context()
	var clients []*redis.Client
	for i, s := range servers {
		clients = append(clients, newClient(t, s.Addr))
		require.NoError(t, clients[i].ClusterAddSlotsRange(ctx, i*8192, i*8192+8191).Err())
	}
	host, port, _ := strings.Cut(servers[1].Addr, ":")
	require.NoError(t, clients[0].ClusterMeet(ctx, host, port).Err())
	for _, c := range clients {
		require.Eventually(t, func() bool {
			info, err := c.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:2") &&
				strings.Contains(info, "cluster_slots_assigned:16384")
		}, limit, 10*time.Millisecond)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{servers[0].Addr}})
	defer client.Close()
	spread := make(map[string]bool)
	for _, name := range []string{"a", "b", "c", "d"} {
		master, err := client.MasterForKey(ctx, t.Name()+"/Order-mojo#"+name+"#")
		require.NoError(t, err)
		spread[master.Options().Addr] = true
	}
	require.Len(t, spread, 2)
	t.Run("Ledger", func(t *testing.T) {
		ledgertest.Run(t, func(t *testing.T) ledgertest.Backend { return backend(t, client, nil) })
	})
	clustertest.Run(t, func(t *testing.T) clustertest.Broker {
		// What was published in the last case may still be on its way between the
		// masters, so each case has channels of its own.
		key := t.Name()
		return clustertest.Broker{
			Bus: func(string) cluster.Bus { return mojoredis.New(client, mojoredis.Options{Key: key, Logger: quiet}) },
		}
	})
}
