package processes

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/mojoredis"
)

// intruder is a program that can publish to the broker.
type intruder struct {
	*redis.Client
	t     testing.TB
	nodes []*node
}

// publish publishes bodies on all channels of the nodes.
func (i *intruder) publish(bodies ...string) {
	i.t.Helper()
	channels := []string{
		"socket.io-mojo#", "socket.io#/ChatSocket#", "socket.io#/ChatSocket#room#", "socket.io#/#", "socket.io##", "socket.io#",
		"socket.io-request#/ChatSocket#", "socket.io-response#/ChatSocket#", "socket.io-request#/#", "socket.io#/ChatSocket#" + strings.Repeat("#", 1000),
	}
	for _, n := range i.nodes {
		channels = append(channels, "socket.io-mojo#"+n.Name+"#", "socket.io-mojo#"+n.Name+"#probe#", "socket.io-response#/ChatSocket#~"+n.Name+"#")
	}
	for _, body := range bodies {
		pipe := i.Pipeline()
		for _, channel := range channels {
			pipe.Publish(context.Background(), channel, body)
		}
		_, err := pipe.Exec(context.Background())
		require.NoError(i.t, err)
	}
}

// Somebody publishes what no node has sent, or what a node has sent before. The
// nodes drop it, count it, and serve their clients as before.
func TestIntruder(t *testing.T) {
	broker := redistest.New(t, "--client-output-buffer-limit", "pubsub 0 0 0") // or Redis disconnects nodes that are behind
	n := startNodes(t, broker.Addr, 3)
	client := redis.NewClient(&redis.Options{Addr: broker.Addr})
	t.Cleanup(func() { client.Close() })
	i := &intruder{client, t, n}

	// What the nodes publish while people come, log in and out and are revoked.
	subscription := client.PSubscribe(t.Context(), "*")
	_, err := subscription.Receive(t.Context())
	require.NoError(t, err)
	ann := n[0].visit("polling", "s", "ann")
	for k := range 10 {
		p := n[k%3].visit("websocket", name("passing", k), name("passing", k))
		require.NoError(t, n[(k+1)%3].change(Change{Cookie: p.cookie}).err())
		require.NoError(t, n[(k+2)%3].revoke(Target{Session: name("passing", k)}))
		require.Zero(t, n[k%3].emit(Emission{Event: "early", Users: []string{"ann"}}).Failed)
		p.Engine.Drop()
	}
	for range 10 {
		ann.Expect("early", 0)
	}
	n[1].visit("websocket", "also here", "bob")
	require.NoError(t, client.Publish(t.Context(), "end", "").Err())
	var recorded []*redis.Message
	for m := range subscription.Channel(redis.WithChannelSize(10_000)) {
		if m.Channel == "end" {
			break
		}
		recorded = append(recorded, m)
	}
	require.NoError(t, subscription.Close())
	require.Greater(t, len(recorded), 50)

	for what, attack := range map[string]func(){
		"garbage": func() {
			random := rand.NewChaCha8([32]byte{})
			bodies := []string{"", "#", "x", "x#", "{}", "[]", "\x93", "\x93\xa1a\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", strings.Repeat("\x91", 100_000)}
			for range long(2_000, 50) {
				body := make([]byte, random.Uint64()%2000)
				_, _ = random.Read(body)
				bodies = append(bodies, string(body))
			}
			i.publish(bodies...)
		},
		"truncated": func() {
			for _, m := range recorded[:min(len(recorded), long(1000, 100))] {
				for _, at := range []int{1, len(m.Payload) / 2, len(m.Payload) - 1} {
					require.NoError(t, client.Publish(t.Context(), m.Channel, m.Payload[:max(min(at, len(m.Payload)), 0)]).Err())
				}
			}
		},
		"changed": func() {
			random := rand.New(rand.NewPCG(1, 1))
			for _, m := range recorded {
				if body := []byte(m.Payload); len(body) > 0 && strings.Contains(m.Channel, "-mojo#") {
					body[random.IntN(len(body))] ^= 1 << random.IntN(8)
					require.NoError(t, client.Publish(t.Context(), m.Channel, body).Err())
				}
			}
		},
		"oversized": func() {
			for k := range long(50, 5) {
				i.publish(strings.Repeat("a", 4<<20))
				require.Zero(t, n[1+k%2].emit(Emission{Event: "meanwhile", Users: []string{"ann"}, First: k}).Failed)
				ann.Expect("meanwhile", k)
			}
		},
		"replayed": func() {
			for range 3 {
				for _, m := range recorded {
					if strings.Contains(m.Channel, "-mojo#") {
						require.NoError(t, client.Publish(t.Context(), m.Channel, m.Payload).Err())
					}
				}
			}
		},
		"many rooms": func() {
			rooms, err := json.Marshal(make([]string, 100_000))
			require.NoError(t, err)
			i.publish(string(rooms), `{"type":0,"rooms":`+string(rooms)+`}`)
		},
	} {
		t.Run(what, func(t *testing.T) { i.attack(t, ann, attack) })
	}
	t.Run("another cluster", func(t *testing.T) {
		i.attack(t, ann, func() {
			other := []*node{
				start(t, Config{Redis: broker.Addr, Grace: grace, Secret: strings.Repeat("o", 32)}),
				start(t, Config{Redis: broker.Addr, Grace: grace, Secret: strings.Repeat("o", 32)}),
			}
			awaitWhole(t, other...)
			other[0].visit("websocket", "s", "ann")
			require.NoError(t, other[0].revoke(Target{Session: "s"}))
			require.NoError(t, other[1].revoke(Target{User: "ann"}))
			for _, o := range other {
				o.shutDown()
			}
		})
	})
}

// attack lets an intruder publish something. It requires that all nodes count
// it, and have the same members and people as before, that their memory does
// not grow, and that a person still receives what is sent to her, and nothing
// else.
func (i *intruder) attack(t *testing.T, ann *person, publish func()) {
	before := make([]View, len(i.nodes))
	for k, n := range i.nodes {
		before[k] = n.look()
	}
	memory := i.memory()

	publish()

	for k, n := range i.nodes {
		// A message of this node arrives after what was published before.
		require.Zero(t, n.emit(Emission{Event: "to ann", Users: []string{"ann"}, First: k}).Failed)
		ann.Expect("to ann", k)
		require.Zero(t, n.emit(Emission{Event: "to all", First: k}).Failed)
		ann.Expect("to all", k)
		dropped := func(v View) uint64 {
			c := v.Stats.Cluster
			return c.Forged + c.Unknown + c.Replayed + c.Repeated + v.Bus.Malformed
		}
		view := n.look()
		waitUntil(t, "the node has dropped something", func() bool {
			view = n.look()
			return dropped(view) > dropped(before[k])
		})
		t.Logf("node %d: forged %d, unknown %d, replayed %d, repeated %d, malformed %d", k, view.Stats.Cluster.Forged-before[k].Stats.Cluster.Forged,
			view.Stats.Cluster.Unknown-before[k].Stats.Cluster.Unknown, view.Stats.Cluster.Replayed-before[k].Stats.Cluster.Replayed,
			view.Stats.Cluster.Repeated-before[k].Stats.Cluster.Repeated, view.Bus.Malformed-before[k].Bus.Malformed)
		require.Len(t, view.Nodes, len(i.nodes))
		require.Equal(t, "ready", view.Stats.Cluster.State)
		require.Equal(t, before[k].Sessions, view.Sessions)
		require.Equal(t, before[k].Users, view.Users)
		require.Zero(t, view.Stats.HandlerPanics)
	}
	ann.ExpectNothing()
	const more = 16 << 20
	waitUntil(t, "the memory is free again", func() bool { return i.memory() < memory+more })
}

// memory returns how many bytes all nodes use.
func (i *intruder) memory() (sum uint64) {
	for _, n := range i.nodes {
		var bytes uint64
		n.call("Heap", Nothing{}, &bytes)
		sum += bytes
	}
	return sum
}

// Nodes that have the key have very many people, one after the other. The
// others know them all, and forget them. For half a minute they remember who came
// and went, up to a limit.
func TestManyEntries(t *testing.T) {
	broker, n := startCluster(t)
	i := &intruder{nil, t, n[:1]}
	before := i.memory()
	client := redis.NewClient(&redis.Options{Addr: broker.Addr})
	t.Cleanup(func() { client.Close() })
	known := func(count int) func() bool {
		return func() bool { return n[0].count() == count && n[1].count() == count && n[2].count() == count }
	}
	ann := n[0].visit("websocket", "s", "ann")
	many := long(100_000, 30_000)
	for range long(8, 2) {
		crowd := startCrowd(t, mojoredis.New(client, mojoredis.Options{}), many)
		took := waitUntil(t, "all are known", known(many+1))
		t.Logf("%d sessions were known after %v, in %d bytes each", many, took.Round(time.Millisecond), int(i.memory()-before)/many)
		waitUntil(t, "all nodes have done their work", func() bool {
			return !slices.ContainsFunc(n, func(n *node) bool { c := n.look().Stats.Cluster; return c.State != "ready" || c.Deaf > 2*time.Second })
		})
		require.Zero(t, n[1].emit(Emission{Event: "to ann", Users: []string{"ann"}}).Failed)
		ann.Expect("to ann", 0)

		crowd.Close(time.Second)

		waitUntil(t, "all are gone", known(1))
		edges(n...) // the test's own memory
		t.Logf("%d MiB are in use", i.memory()>>20)
		require.Less(t, i.memory(), uint64(256<<20))
	}
	for _, other := range n {
		require.Zero(t, other.look().Bus)
	}
}
