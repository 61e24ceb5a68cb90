package mojoredis_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/mojoredis"
)

// responder is a node with connections that answers other servers.
type responder struct {
	*node
	asked  chan *cluster.Address
	emits  chan emit
	server chan string // data of ServerSideEmit
	answer func(data []byte)
}

type emit struct {
	event   *cluster.Event
	timeout time.Duration
}

func (r *responder) Rooms(string) []string { return []string{"r", "sid1"} }

func (r *responder) Sockets(a *cluster.Address) []cluster.Socket {
	r.asked <- a
	return []cluster.Socket{
		{
			ID: "sid1", Rooms: []string{"sid1", "r"}, Data: []byte(`{"name":"a"}`),
			Handshake: []byte(`{"url":"/socket.io/","headers":{"Cookie":"secret","authorization":"secret","host":"h"}}`),
		},
		{ID: "sid2"},
	}
}

func (r *responder) EmitWithAck(e *cluster.Event, timeout time.Duration, answer func([]byte, [][]byte)) int {
	r.emits <- emit{e, timeout}
	answer([]byte(`"pong"`), nil)
	answer([]byte(`{"_placeholder":true,"num":0}`), [][]byte{{1}})
	return 2
}

func (r *responder) ServerSideEmit(_ string, data []byte, answer func([]byte)) {
	r.answer = answer
	r.server <- string(data)
}

// The questions of other servers.
const (
	askSockets = `{"uid":"AbC123","requestId":"q","type":0,"rooms":["r",1]}`
	askRooms   = `{"uid":"AbC123","requestId":"q","type":1}`
	askFetch   = `{"uid":"AbC123","requestId":"q","type":5,"opts":{"rooms":["r"],"except":["x"]}}`
	askServers = `{"uid":"AbC123","requestId":"q","type":6,"data":["e",1]}`
	tellServer = `{"uid":"AbC123","type":6,"data":["e",2]}`
)

// A server asks, and waits for the answers of all.
func TestAnswers(t *testing.T) {
	redistest.Require(t)
	client := newClient(t, shared.Addr)
	r := &responder{
		node: newNode(t), asked: make(chan *cluster.Address, 9), emits: make(chan emit, 9), server: make(chan string, 9),
	}
	bus := mojoredis.New(client, mojoredis.Options{Key: "ask1", Logger: quiet})
	r.link = open(t, bus, "a", r, r.states)
	r.link.(cluster.Mounter).Mount("/chat")
	r.mark("a")
	s := subscribe(t, client, "ask1-response#*")
	ask := func(payload string) {
		t.Helper()
		require.NoError(t, client.Publish(t.Context(), "ask1-request#/chat#", payload).Err())
	}
	expect := func(want string) {
		t.Helper()
		channel, payload := s.next()
		require.Equal(t, "ask1-response#/chat#", channel)
		require.JSONEq(t, want, payload)
	}

	ask(askSockets)
	require.Equal(t, &cluster.Address{Namespace: "/chat", Rooms: []string{"r", "1"}, IDs: true}, await(t, r.asked))
	expect(`{"requestId":"q","sockets":["sid1","sid2"]}`)
	ask(askRooms)
	expect(`{"requestId":"q","rooms":["r","sid1"]}`)
	ask(askFetch)
	require.Equal(t, &cluster.Address{Namespace: "/chat", Rooms: []string{"r"}, Except: []string{"x"}, IDs: true}, await(t, r.asked))
	expect(`{"requestId":"q","sockets":[
		{"id":"sid1","handshake":{"url":"/socket.io/","headers":{"host":"h"}},"rooms":["sid1","r"],"data":{"name":"a"}},
		{"id":"sid2","handshake":{},"rooms":[],"data":{}}]}`)

	ask(tellServer)
	require.Equal(t, `["e",2]`, await(t, r.server))
	require.Nil(t, r.answer)
	ask(askServers)
	require.Equal(t, `["e",1]`, await(t, r.server))
	r.answer([]byte(`{"ok":true}`))
	r.answer([]byte(`"again"`))
	expect(`{"type":6,"requestId":"q","data":{"ok":true}}`)

	ask(unhex(t, pingAck))
	require.Equal(t, emit{
		&cluster.Event{Address: cluster.Address{Namespace: "/chat", Rooms: []string{}, Except: []string{}, IDs: true}, Data: []byte(`["ping"]`)}, time.Second,
	}, await(t, r.emits))
	_, payload := s.next()
	require.Equal(t, pongAck, hex.EncodeToString([]byte(payload)))
	_, payload = s.next()
	require.Equal(t, pongAck[:len(pongAck)-10]+"c40101", hex.EncodeToString([]byte(payload)))
	expect(`{"type":8,"requestId":"Req456","clientCount":2}`)
}

// A node that is no Responder answers as a server without connections, at once.
func TestAnswersWithoutResponder(t *testing.T) {
	n := openNode(t, "ask2", "a")
	n.link.(cluster.Mounter).Mount("/")
	n.link.(cluster.Mounter).Mount("/")
	n.mark("a")
	client := newClient(t, shared.Addr)
	s := subscribe(t, client, "ask2-response#*")
	for _, c := range []struct{ question, want string }{
		{askSockets, `{"requestId":"q","sockets":[]}`},
		{askRooms, `{"requestId":"q","rooms":[]}`},
		{askFetch, `{"requestId":"q","sockets":[]}`},
		{askServers, `{"type":6,"requestId":"q","data":null}`},
		{unhex(t, pingAck), `{"type":8,"requestId":"Req456","clientCount":0}`},
	} {
		require.NoError(t, client.Publish(t.Context(), "ask2-request#/#", c.question).Err())
		channel, payload := s.next()
		require.Equal(t, "ask2-response#/#", channel)
		require.JSONEq(t, c.want, payload)
	}
	require.False(t, n.wasMalformed())
	for _, question := range []string{
		`{"requestId":"q","type":6}`, `{"requestId":"q","type":6,"data":"e"}`, `{"requestId":"q","type":7,"packet":{"data":[]}}`, `{"type":7,"packet":{"data":["e"]}}`, "\xc1",
	} {
		require.NoError(t, client.Publish(t.Context(), "ask2-request#/#", question).Err())
		n.mark("a")
		require.True(t, n.wasMalformed(), question)
	}
}

// Other servers count the subscribers of a namespace. A node is one, also after
// it has reconnected, and none where nothing is mounted.
func TestOneSubscriptionForEachNode(t *testing.T) {
	server := redistest.New(t)
	client := newClient(t, server.Addr)
	n, m := newNode(t), newNode(t)
	bus := mojoredis.New(client, mojoredis.Options{Logger: quiet})
	for name, n := range map[string]*node{"a": n, "b": m} {
		n.link = open(t, bus, name, n, n.states)
		n.link.(cluster.Mounter).Mount("/chat")
		n.mark(name)
	}
	count := func() map[string]int64 {
		counts, err := client.PubSubNumSub(t.Context(), "socket.io-request#/chat#", "socket.io-request#/#").Result()
		require.NoError(t, err)
		return counts
	}
	want := map[string]int64{"socket.io-request#/chat#": 2, "socket.io-request#/#": 0}
	require.Equal(t, want, count())
	require.NoError(t, client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
	for _, n := range []*node{n, m} {
		require.Equal(t, cluster.LinkDown, await(t, n.states))
		require.Equal(t, cluster.LinkResumed, await(t, n.states))
	}
	require.Equal(t, want, count())
	n.link.Close()
	require.Eventually(t, func() bool { return count()["socket.io-request#/chat#"] == 1 }, limit, time.Millisecond)
}

// slowResponder lists its connections when it is told to.
type slowResponder struct {
	*responder
	proceed chan struct{}
}

func (r *slowResponder) Sockets(a *cluster.Address) []cluster.Socket {
	<-r.proceed
	return r.responder.Sockets(a)
}

// An answer that takes a while does not delay what arrives meanwhile. One that is
// too large is not published.
func TestLargeAnswers(t *testing.T) {
	redistest.Require(t)
	client := newClient(t, shared.Addr)
	r := &slowResponder{&responder{node: newNode(t), asked: make(chan *cluster.Address, 9)}, make(chan struct{})}
	bus := mojoredis.New(client, mojoredis.Options{Key: "ask3", Logger: quiet, MaxAnswer: 50})
	r.link = open(t, bus, "a", r, r.states)
	r.link.(cluster.Mounter).Mount("/chat")
	r.mark("a")
	s := subscribe(t, client, "ask3-response#*")
	for _, question := range []string{askFetch, askSockets} {
		require.NoError(t, client.Publish(t.Context(), "ask3-request#/chat#", question).Err())
	}
	r.mark("a")
	close(r.proceed)
	_, payload := s.next()
	require.JSONEq(t, `{"requestId":"q","sockets":["sid1","sid2"]}`, payload)
	require.EqualValues(t, 1, bus.Stats().Unanswered)
}
