package cluster

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// asker is what has EmitWithAck for several connections.
type asker interface {
	EmitWithAck(ctx context.Context, event string, args ...any) (*mojo.Answers, error)
}

func ask(t *testing.T, ctx context.Context, a asker, args ...any) *mojo.Answers {
	t.Helper()
	answers, err := a.EmitWithAck(ctx, "question", args...)
	require.NoError(t, err)
	return answers
}

func (n *node) name() string { return n.Nodes()[0].Name }

// Each way to address connections asks those on all nodes. The answers have the
// node, the id and the identity of each.
func TestAnswersFromAllNodes(t *testing.T) {
	startAll(t, func(t *testing.T, _ *cluster.Memory, n []*node, transport string) {
		sockets := map[string]*siotest.Socket{
			"ann":   n[0].connect(t, transport, e2e.SessionCookie("s1"), e2e.LoginCookie("ann")),
			"bob":   n[1].connect(t, transport, e2e.SessionCookie("s2"), e2e.LoginCookie("bob")),
			"guest": n[2].connect(t, transport, e2e.SessionCookie("s3")),
		}
		nodes := map[string]*node{"ann": n[0], "bob": n[1], "guest": n[2]}
		require.NoError(t, e2e.Await(t, n[1].app.Accepted).Join("room"))
		settle()
		for name, test := range map[string]struct {
			asker asker
			asked []string
		}{
			"channel":        {n[0].chat, []string{"ann", "bob", "guest"}},
			"users":          {n[2].LoggedInSessions(), []string{"ann", "bob"}},
			"user elsewhere": {n[2].LoggedInSessions().Get("bob"), []string{"bob"}},
			"room":           {n[0].chat.To("room"), []string{"bob"}},
			"local":          {n[0].chat.Local(), []string{"ann"}},
			"nobody":         {n[0].LoggedInSessions().Get("nobody"), nil},
		} {
			began := time.Now()
			answers := ask(t, t.Context(), test.asker, name, []byte("in"))
			for _, visitor := range test.asked {
				sockets[visitor].Expect("question", name, []byte("in")).Reply(visitor, []byte("out"))
			}
			var got []string
			for a := range answers.All() {
				var visitor string
				var out mojo.Binary
				require.NoError(t, a.Decode(&visitor, &out))
				require.Equal(t, "out", string(out))
				require.Equal(t, sockets[visitor].SID(), a.ConnID)
				require.Equal(t, nodes[visitor].name(), a.Node)
				require.Equal(t, visitor != "guest", a.Identity.UserID == visitor)
				got = append(got, visitor)
			}
			require.ElementsMatch(t, test.asked, got, name)
			require.LessOrEqual(t, time.Since(began), 10*time.Millisecond)
			require.NoError(t, answers.Err())
			require.Empty(t, answers.Missing())
			require.Equal(t, len(test.asked), answers.Asked())
		}
	})
}

// Of 1,000 clients on three nodes 980 answer, 10 leave and 10 are silent.
func TestAThousandAnswersFromThreeNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewMemory()
		n := []*node{start(t, bus), start(t, bus), start(t, bus)}
		time.Sleep(3 * time.Second)
		var clients []*siotest.Client
		var sockets []*siotest.Socket
		for i := range 1000 {
			client := e2e.Dial(t, n[i%3].site, "websocket")
			clients = append(clients, client)
			sockets = append(sockets, client.Connect(e2e.ChatNamespace, nil))
		}
		settle()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		answers := ask(t, ctx, n[0].chat)
		go func() {
			for i, socket := range sockets {
				question := socket.Expect("question")
				switch {
				case i%100 == 0:
					clients[i].Close()
				case i%100 != 1:
					question.Reply(i)
				}
			}
		}()
		answered, left := 0, 0
		for a := range answers.All() {
			if a.Err != nil {
				require.ErrorIs(t, a.Err, mojo.ErrNotConnected)
				left++
			} else {
				var i int
				require.NoError(t, a.Decode(&i))
				require.Equal(t, sockets[i].SID(), a.ConnID)
				answered++
			}
			if answered+left == 990 {
				require.LessOrEqual(t, time.Since(began), 20*time.Millisecond)
			}
		}
		require.Equal(t, time.Second, time.Since(began))
		require.Equal(t, 980, answered)
		require.Equal(t, 10, left)
		require.Len(t, answers.Missing(), 10)
		for _, missing := range answers.Missing() {
			require.True(t, slices.ContainsFunc(sockets, func(s *siotest.Socket) bool { return s.SID() == missing.ConnID }))
			require.ErrorIs(t, missing.Err, mojo.ErrNoAnswer)
		}
	})
}

// The connections of a node that dies are missing from then on, with an error,
// and are not waited for.
func TestAnswersOfANodeThatDies(t *testing.T) {
	startAll(t, func(t *testing.T, bus *cluster.Memory, n []*node, transport string) {
		here, there := n[0].connect(t, transport), n[2].connect(t, transport)
		settle()
		began := time.Now()
		answers := ask(t, t.Context(), n[0].chat)
		here.Expect("question").Reply("here")
		there.Expect("question")
		synctest.Wait() // until the node has said whom it has asked
		bus.Cut(n[2].name())

		all := slices.Collect(answers.All())

		require.Len(t, all, 1)
		require.NoError(t, all[0].Err)
		require.LessOrEqual(t, time.Since(began), 7*time.Second)
		require.ErrorIs(t, answers.Err(), mojo.ErrNodeLost)
		require.NotErrorIs(t, answers.Err(), context.DeadlineExceeded)
		missing := answers.Missing()
		require.Len(t, missing, 1)
		require.ErrorIs(t, missing[0].Err, mojo.ErrNodeLost)
		require.Equal(t, there.SID(), missing[0].ConnID)
		require.Equal(t, n[2].name(), missing[0].Node)
	})
}

// A node that shuts down says goodbye: nobody waits for the answers of its
// connections.
func TestAnswersOfANodeThatLeaves(t *testing.T) {
	startAll(t, func(t *testing.T, _ *cluster.Memory, n []*node, transport string) {
		there := n[2].connect(t, transport)
		settle()
		answers := ask(t, t.Context(), n[0].chat)
		there.Expect("question")

		require.NoError(t, n[2].Shutdown(t.Context()))

		all := slices.Collect(answers.All())
		require.Len(t, all, 1)
		require.ErrorIs(t, all[0].Err, mojo.ErrNotConnected)
		require.NoError(t, answers.Err())
	})
}

// A node that is cut off has the answers of its own connections, and says that
// it did not reach the others.
func TestAnswersToAnIsolatedNode(t *testing.T) {
	startAll(t, func(t *testing.T, bus *cluster.Memory, n []*node, transport string) {
		here := n[0].connect(t, transport)
		n[1].connect(t, transport)
		settle()
		bus.Cut(n[0].name())
		synctest.Wait()
		for range 2 {
			began := time.Now()
			answers := ask(t, t.Context(), n[0].chat)
			here.Expect("question").Reply()

			require.Len(t, slices.Collect(answers.All()), 1)

			require.ErrorIs(t, answers.Err(), mojo.ErrNodeLost)
			require.Zero(t, time.Since(began))
			time.Sleep(10 * time.Second) // until the others have left the list of nodes
		}
	})
}

// When a loop is left early, or the context ends, other nodes wait for no more
// answers either: the connection may be asked again.
func TestQuestionsEndOnAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewMemory()
		var n []*node
		for range 2 {
			n = append(n, startWith(t, mojo.Options{Cluster: bus, Limits: mojo.Limits{MaxPendingAcks: 1}}))
		}
		time.Sleep(3 * time.Second)
		silent := n[1].connect(t, "websocket")
		talker := n[1].connect(t, "websocket")
		settle()
		for i := range 4 {
			ctx, cancel := context.WithCancel(t.Context())
			answers := ask(t, ctx, n[0].chat, i)
			silent.Expect("question", i)
			talker.Expect("question", i).Reply(i)
			for a := range answers.All() {
				require.NoError(t, a.Err, "the connection has been asked before")
				if i%2 == 0 {
					break
				}
				cancel()
			}
			cancel()
			require.Len(t, answers.Missing(), 1)
			require.Equal(t, silent.SID(), answers.Missing()[0].ConnID)
			synctest.Wait()
		}
	})
}

// An answer that is too large for the bus is an error. Large ones arrive.
func TestLargeAnswersFromOtherNodes(t *testing.T) {
	startAll(t, func(t *testing.T, _ *cluster.Memory, n []*node, transport string) {
		var sockets []*siotest.Socket
		for range 5 {
			sockets = append(sockets, n[1].connect(t, transport))
		}
		settle()
		answers := ask(t, t.Context(), n[0].chat)
		for i, socket := range sockets {
			socket.Expect("question").Reply(strings.Repeat("x", (i+1)*125_000))
		}
		sizes := make(map[int]error)
		for a := range answers.All() {
			var text string
			_ = a.Decode(&text)
			sizes[len(text)] = a.Err
		}
		require.Len(t, sizes, 5)
		for i := range 4 {
			require.NoError(t, sizes[(i+1)*125_000])
		}
		require.ErrorIs(t, sizes[0], mojo.ErrTooLarge)
		settle() // the nodes pause after messages that are as large
	})
}
