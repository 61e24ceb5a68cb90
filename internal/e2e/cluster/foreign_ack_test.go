package cluster

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// ack is what a server of another kind gets of a client's answer.
type ack struct {
	data        string
	attachments [][]byte
}

// A server of another kind asks the connections of a node, and gets the first
// argument of each answer.
func TestQuestionsOfOtherServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newForeign(t)
		n := startWith(t, mojo.Options{Cluster: bus, Limits: mojo.Limits{MaxPendingAcks: 1}})
		time.Sleep(3 * time.Second)
		var sockets []*siotest.Socket
		var ids []string
		for range 5 {
			sockets = append(sockets, n.connect(t, "websocket"))
			ids = append(ids, e2e.Await(t, n.app.Accepted).ID())
		}
		acks := make(chan ack, 9)
		ask := func(event string, rooms ...string) int {
			a := cluster.Address{Namespace: e2e.ChatNamespace, Rooms: rooms, Except: ids[4:], IDs: true}
			return bus.asked[0].(cluster.Responder).EmitWithAck(&cluster.Event{Address: a, Data: []byte(`["` + event + `",1]`)}, time.Second,
				func(data []byte, attachments [][]byte) { acks <- ack{string(data), attachments} })
		}

		require.Zero(t, ask("nobody", "nowhere"))
		require.Equal(t, 4, ask("question"))
		sockets[0].Expect("question", 1).Reply("one", "two")
		require.Equal(t, ack{`"one"`, nil}, e2e.Await(t, acks))
		sockets[1].Expect("question", 1).Reply(map[string]any{"b": []byte("in")})
		got := e2e.Await(t, acks)
		require.JSONEq(t, `{"b":{"_placeholder":true,"num":0}}`, got.data)
		require.Equal(t, [][]byte{[]byte("in")}, got.attachments)
		sockets[2].Expect("question", 1).Reply()
		require.Equal(t, ack{"null", nil}, e2e.Await(t, acks))
		late := sockets[3].Expect("question", 1)
		time.Sleep(time.Second)
		late.Reply("late")
		sockets[3].ExpectNothing()
		require.Empty(t, acks)

		require.Equal(t, 2, ask("again", ids[2], ids[3], ids[4]))
		sockets[2].Disconnect()
		sockets[3].Expect("again", 1).Reply("asked again")
		require.Equal(t, ack{`"asked again"`, nil}, e2e.Await(t, acks))
		require.Empty(t, acks)
	})
}

// The notifications of a server of another kind reach the functions of a node.
func TestNotificationsOfOtherServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newForeign(t)
		n := startWith(t, mojo.Options{Cluster: bus, Logger: new(e2e.Log).Logger()})
		got := make(chan int, 9)
		mojo.OnNotifyCall(n.Server, "double", func(in int) (int, error) {
			got <- in
			if in == 0 {
				return 0, errors.New("secret")
			}
			return 2 * in, nil
		})
		mojo.OnNotify(n.Server, "event", func(int) error { return nil })
		responder := bus.asked[0].(cluster.Responder)
		ask := func(namespace, data string) string {
			answer := make(chan string, 1)
			responder.ServerSideEmit(namespace, []byte(data), func(data []byte) { answer <- string(data) })
			return e2e.Await(t, answer)
		}

		responder.ServerSideEmit("/", []byte(`["double",3]`), nil)
		require.Equal(t, 3, e2e.Await(t, got))
		require.Equal(t, "8", ask("/", `["double",4]`))
		require.Equal(t, "null", ask("/", `["event",4]`))
		require.Equal(t, "null", ask("/", `["unknown"]`))
		require.Equal(t, "null", ask("/", `[]`))
		require.Equal(t, "null", ask("/", `[[1]]`))
		require.Equal(t, "null", ask("/chat", `["double",4]`))
		const failed = `{"error":{"message":"internal error"}}`
		require.Equal(t, failed, ask("/", `["double",0]`))
		require.Equal(t, failed, ask("/", `["double","x"]`))
	})
}
