package mojoredis_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/mojoredis"
)

// Sentinel makes the replica the master. The nodes follow.
func TestSentinelFailover(t *testing.T) {
	master := redistest.New(t)
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	replica := redistest.New(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "sentinel monitor main %s %s 1\n", host, port), 0o600))
	sentinel := redistest.New(t, config, "--sentinel")
	ctx := t.Context()
	// It asks the master for replicas each 10 s otherwise.
	require.NoError(t, newClient(t, sentinel.Addr).Do(ctx, "SENTINEL", "DEBUG", "INFO-PERIOD", "100").Err())

	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "main", SentinelAddrs: []string{sentinel.Addr}})
	defer client.Close()
	options := mojoredis.Options{Ping: 100 * time.Millisecond, Logger: quiet}
	n := newNode(t)
	n.link = open(t, mojoredis.New(client, options), "a", n, n.states)
	n.mark("a")

	ask := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr})
	defer ask.Close()
	require.Eventually(t, func() bool { return ask.Failover(ctx, "main").Err() == nil }, limit, 50*time.Millisecond,
		"Sentinel knows the replica")
	require.Equal(t, cluster.LinkDown, awaitFor(t, time.Minute, n.states))
	// It may find the old master for a while.
	s := subscribe(t, newClient(t, replica.Addr), "socket.io-mojo#b#")
	require.Eventually(t, func() bool {
		_ = n.link.Publish(ctx, []cluster.Message{control("b", "x")})
		_, err := s.pubsub.ReceiveTimeout(ctx, 100*time.Millisecond)
		return err == nil
	}, time.Minute, time.Millisecond)
}
