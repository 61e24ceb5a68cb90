package mojoredis_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojoredis"
	"github.com/mojosocket/mojo/mojotest"
)

// startServers starts Servers with the namespace /chat, and a client on each.
func startServers(t *testing.T, key string, count int) (servers []*mojo.Server, clients []*mojotest.Socket) {
	t.Helper()
	for range count {
		srv, err := mojo.New(mojo.Options{
			Logger: slog.New(slog.DiscardHandler), ClusterKey: []byte("the servers share 32 random bytes"),
			Cluster: mojoredis.New(newClient(t, shared.Addr), mojoredis.Options{Key: key, Logger: quiet}),
		})
		require.NoError(t, err)
		_, err = srv.Handle("/chat", new(mojo.Events).Handler())
		require.NoError(t, err)
		t.Cleanup(func() { _ = srv.Close() })
		servers = append(servers, srv)
	}
	for _, srv := range servers {
		require.Eventually(t, func() bool { return len(srv.Nodes()) == count && srv.Stats().Cluster.State == "ready" }, limit, 10*time.Millisecond)
		clients = append(clients, mojotest.NewServer(t, srv, nil).Dial(t, "/chat", nil))
	}
	return servers, clients
}

// texts returns the first arguments of all answers, and the number of those
// with an id.
func texts(t *testing.T, answers *mojo.Answers) (all []any, ids int) {
	t.Helper()
	for a := range answers.All() {
		var text any
		require.NoError(t, a.Decode(&text))
		all = append(all, text)
		if a.ConnID != "" {
			ids++
		}
	}
	return all, ids
}

// Servers and a Node server ask each other's clients, and notify each other's
// code.
func TestQuestionsBetweenNodeAndServers(t *testing.T) {
	requireNode(t)
	node := startNode(t, "ask")
	servers, clients := startServers(t, "ask", 2)
	require.EqualValues(t, 3, node.run("servers(3)"))
	chat, _ := servers[0].Channel("/chat")

	t.Run("a server asks all", func(t *testing.T) {
		for range 2 {
			require.NoError(t, chat.Emit("before"))
			answers, err := chat.EmitWithAck(t.Context(), "question", []byte{1}, "x")
			require.NoError(t, err)
			for i, client := range clients {
				client.Expect("before")
				client.Expect("question", []byte{1}, "x").Ack([]string{"one", "two"}[i])
			}
			require.Equal(t, []any{"before"}, node.got())
			require.Equal(t, []any{"question", map[string]any{"type": "Buffer", "data": []any{1.0}}, "x"}, node.got())
			all, ids := texts(t, answers)
			require.ElementsMatch(t, []any{"one", "two", "node client"}, all)
			require.Equal(t, 2, ids)
			require.NoError(t, answers.Err())
			require.Equal(t, 3, answers.Asked())
			require.Empty(t, answers.Missing())
		}
	})
	t.Run("a server asks a room of the Node server", func(t *testing.T) {
		answers, err := chat.To("room1").EmitWithAck(t.Context(), "question")
		require.NoError(t, err)
		require.Equal(t, []any{"question"}, node.got())
		all, _ := texts(t, answers)
		require.Equal(t, []any{"node client"}, all)
		answers, err = chat.Except("room1").Local().EmitWithAck(t.Context(), "question")
		require.NoError(t, err)
		clients[0].Expect("question").Ack("one")
		all, _ = texts(t, answers)
		require.Equal(t, []any{"one"}, all)
	})
	t.Run("a client of the Node server is silent", func(t *testing.T) {
		node.run(`chat.sockets.forEach((s) => { s.hold = s.onack; s.onack = () => {} }); 0`)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		answers, err := chat.To("room1").EmitWithAck(ctx, "question")
		require.NoError(t, err)
		require.Equal(t, []any{"question"}, node.got())
		require.Empty(t, slices.Collect(answers.All()))
		require.ErrorIs(t, answers.Err(), context.DeadlineExceeded)
		require.Len(t, answers.Missing(), 1)
		node.run(`chat.sockets.forEach((s) => { s.onack = s.hold }); 0`)
	})
	t.Run("the Node server asks all", func(t *testing.T) {
		node.write(`chat.timeout(5000).emitWithAck("question")`)
		for i, client := range clients {
			client.Expect("question").Ack([]string{"one", "two"}[i], "ignored")
		}
		require.Equal(t, []any{"question"}, node.got())
		require.ElementsMatch(t, []any{"one", "two", "node client"}, node.next().Result)
	})
	t.Run("a server notifies all", func(t *testing.T) {
		node.run(`io.on("double", (n, ack) => { globalThis.got = n; if (ack) ack(2 * n) }); 0`)
		got := make(chan int, 1)
		mojo.OnNotifyCall(servers[1], "double", func(in int) (int, error) {
			got <- in
			return 2 * in, nil
		})
		require.NoError(t, servers[0].Notify("double", 4))
		require.Equal(t, 4, await(t, got))
		require.Eventually(t, func() bool { return node.run(`globalThis.got ?? 0`) == 4.0 }, limit, time.Millisecond)

		answers, err := servers[0].NotifyWithAck(t.Context(), "double", 5)
		require.NoError(t, err)
		all, _ := texts(t, answers)
		require.Equal(t, []any{10.0, 10.0}, all)
		require.Equal(t, 5, await(t, got))
		require.NoError(t, answers.Err())
	})
	t.Run("the Node server notifies all", func(t *testing.T) {
		require.Eventually(t, func() bool { return node.run(`io.of("/").adapter.serverCount()`) == 2.0 }, limit, 10*time.Millisecond)
		mojo.OnNotifyCall(servers[0], "sum", func(in []int) (int, error) { return in[0] + in[1], nil })
		require.Eventually(t, func() bool { return node.run(`io.of("/").adapter.serverCount()`) == 3.0 }, limit, 10*time.Millisecond)
		require.ElementsMatch(t, []any{7.0, nil}, node.run(`io.serverSideEmitWithAck("sum", [3, 4])`))
	})
	t.Run("the Node server has gone", func(t *testing.T) {
		node.close()
		require.Eventually(t, func() bool {
			answers, err := chat.To("room1").EmitWithAck(t.Context(), "question")
			require.NoError(t, err)
			return len(slices.Collect(answers.All())) == 0 && answers.Err() == nil
		}, limit, 10*time.Millisecond)
	})
}
