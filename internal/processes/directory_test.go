package processes

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/mojoredis"
)

// A session is known on the other nodes soon after its first connection.
func TestDirectory(t *testing.T) {
	_, n := startCluster(t)
	var took []time.Duration
	for i := range long(300, 40) {
		session := name("session", i)
		known := make(chan error, 2)
		seen := make([]time.Time, 2)
		for k := range seen {
			go func() { known <- n[1+k].tryCall("AwaitSession", session, &seen[k]) }()
		}
		p := n[0].visit(transportOf(i), session, "")
		require.NoError(t, <-known)
		require.NoError(t, <-known)
		p.Close()
		var accepted time.Time
		n[0].call("AcceptedAt", session, &accepted)
		for k := range seen {
			took = append(took, seen[k].Sub(accepted))
		}
	}
	slices.Sort(took)
	t.Logf("median %v", took[len(took)/2])
	measured(t, "p99", took[len(took)*99/100], 250*time.Millisecond)
}

// What is sent to a user does not go to a node on which the user is not.
func TestMessagesToAUser(t *testing.T) {
	broker, n := startCluster(t)
	client := redis.NewClient(&redis.Options{Addr: broker.Addr})
	t.Cleanup(func() { client.Close() })
	ann := n[1].visit("websocket", "s", "ann")
	n[2].visit("websocket", "t", "bob")
	waitUntil(t, "all nodes know all", func() bool { return len(n[0].look().Users) == 2 })
	subscription := client.PSubscribe(t.Context(), "*")
	t.Cleanup(func() { subscription.Close() })
	_, err := subscription.Receive(t.Context())
	require.NoError(t, err)
	messages := subscription.Channel(redis.WithChannelSize(100_000))

	const batch = 500
	for first := 0; first < long(100_000, 5_000); first += batch {
		require.Zero(t, n[0].emit(Emission{Event: "to ann", Users: []string{"ann"}, First: first, Count: batch}).Failed)
		expectNumbers(ann, "to ann", first, batch)
	}

	require.NoError(t, client.Publish(t.Context(), "end", "").Err())
	counts := make(map[string]int)
	for m := range messages {
		if counts[m.Channel]++; m.Channel == "end" {
			break
		}
	}
	t.Logf("%v", counts)
	own := func(n *node) string { return "socket.io-mojo#" + n.Name + "#" }
	require.GreaterOrEqual(t, counts[own(n[1])], long(100_000, 5_000))
	require.Less(t, counts[own(n[2])], 500, "its own probes, and what the nodes tell each other")
	require.Less(t, counts["socket.io-mojo#"]+counts["socket.io#/ChatSocket#"], 500)
	require.Equal(t, mojoredis.Stats{}, n[2].look().Bus)
}
