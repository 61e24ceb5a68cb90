package mojoredis_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/nodetest"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/mojoredis"
)

const interopDir = "testdata/interop"

// requireNode skips the test without redis-server, Node or its packages.
func requireNode(t *testing.T) {
	t.Helper()
	redistest.Require(t)
	nodetest.Install(t, interopDir)
}

// nodeServer is a Node server, see testdata/interop/node.mjs.
type nodeServer struct {
	t      *testing.T
	input  io.Writer
	output chan nodeLine
	close  func() // ends it
	client string // the id of its client
}

type nodeLine struct {
	Result any    `json:"result"`
	Client []any  `json:"client"`
	Error  string `json:"error"`
}

func startNode(t *testing.T, key string) *nodeServer {
	t.Helper()
	node := exec.Command("node", "node.mjs", "redis://"+shared.Addr, key)
	node.Dir, node.Stderr = interopDir, os.Stderr
	input, err := node.StdinPipe()
	require.NoError(t, err)
	output, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	s := &nodeServer{t: t, input: input, output: make(chan nodeLine, 1000)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			var line nodeLine
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				line.Error = lines.Text()
			}
			s.output <- line
		}
	}()
	s.close = sync.OnceFunc(func() {
		input.Close() // which ends it
		<-read
		_ = node.Wait()
	})
	t.Cleanup(s.close)
	s.client = s.next().Result.(string)
	return s
}

func (s *nodeServer) next() nodeLine {
	s.t.Helper()
	line := await(s.t, s.output)
	require.Empty(s.t, line.Error)
	return line
}

// run executes JavaScript and returns its result.
func (s *nodeServer) run(script string) any {
	s.t.Helper()
	s.write(script)
	line := s.next()
	require.Nil(s.t, line.Client)
	return line.Result
}

// write is run without waiting for the result.
func (s *nodeServer) write(script string) {
	s.t.Helper()
	_, err := io.WriteString(s.input, script+"\n")
	require.NoError(s.t, err)
}

// got returns what the client gets next.
func (s *nodeServer) got() []any {
	s.t.Helper()
	line := s.next()
	require.NotNil(s.t, line.Client)
	return line.Client
}

// A Node server and a node of mojo are members of one cluster.
func TestNodeServer(t *testing.T) {
	requireNode(t)
	client := newClient(t, shared.Addr)
	r := &responder{
		node: newNode(t), asked: make(chan *cluster.Address, 9), emits: make(chan emit, 9), server: make(chan string, 9),
	}
	r.link = open(t, mojoredis.New(client, mojoredis.Options{Key: "interop", Logger: quiet}), "a", r, r.states)
	r.link.(cluster.Mounter).Mount("/chat")
	s := startNode(t, "interop")
	require.EqualValues(t, 2, s.run("servers(2)"))
	all := cluster.Address{Namespace: "/chat", Rooms: []string{}, Except: []string{}, IDs: true}
	room := cluster.Address{Namespace: "/chat", Rooms: []string{"room1"}}

	t.Run("events of the server and of the official emitter", func(t *testing.T) {
		for _, sender := range []string{"chat", "emitter"} {
			// The client of the Node server is in room1, and is left out.
			s.run(sender + `.to(["x","y"]).except("room1").emit("e", 1, -1.5, 2**40, "ж🎉", [null, true], {a: {b: undefined}}, new Date(0), Buffer.from([1, 2])); 0`)
			e := await(t, r.events)
			require.Equal(t, cluster.Address{Namespace: "/chat", Rooms: []string{"x", "y"}, Except: []string{"room1"}, IDs: true}, e.Address)
			require.Equal(t, `["e",1,-1.5,1099511627776,"ж🎉",[null,true],{"a":{}},"1970-01-01T00:00:00.000Z",{"_placeholder":true,"num":0}]`, string(e.Data))
			require.Equal(t, [][]byte{{1, 2}}, e.Attachments)
			require.False(t, e.Volatile)
			s.run(sender + `.to("x").volatile.emit("v"); 0`)
			e = await(t, r.events)
			require.Equal(t, []string{"x"}, e.Rooms)
			require.True(t, e.Volatile)
		}
	})
	t.Run("local events stay", func(t *testing.T) {
		s.run(`chat.local.to("x").emit("l"); chat.to("x").emit("end"); 0`)
		require.Equal(t, `["end"]`, string(await(t, r.events).Data))
	})
	t.Run("commands of the server and of the official emitter", func(t *testing.T) {
		for _, sender := range []string{"chat", "emitter"} {
			s.run(sender + `.to("x").socketsJoin(["p", "q"]); ` + sender + `.except("x").socketsLeave("p"); ` + sender + `.to("x").disconnectSockets(true); 0`)
			require.Equal(t, []string{"p", "q"}, await(t, r.commands).Names)
			leave := await(t, r.commands)
			require.Equal(t, []string{"x"}, leave.Except)
			require.Equal(t, cluster.Leave, leave.Verb)
			disconnect := await(t, r.commands)
			require.Equal(t, cluster.Disconnect, disconnect.Verb)
			require.True(t, disconnect.Close)
		}
	})
	t.Run("events for the client of the Node server", func(t *testing.T) {
		r.publish(cluster.Message{Event: &cluster.Event{
			Address: room, Data: []byte(`["m",9007199254740993,-0,1.0,"\ud83c\udf89",{"_placeholder":true,"num":0},{}]`), Attachments: [][]byte{{7}}, Latest: true, Key: "k",
		}})
		require.Equal(t, []any{
			"m", 9007199254740992.0, 0.0, 1.0, "🎉", map[string]any{"type": "Buffer", "data": []any{7.0}}, map[string]any{},
		}, s.got())
		emitter := mojoredis.NewEmitter(client, mojoredis.EmitterOptions{Key: "interop"}).Of("/chat")
		require.NoError(t, emitter.To("room1").Except(s.client).Emit(t.Context(), "no"))
		require.NoError(t, emitter.To("x", "room1").Emit(t.Context(), "yes", []byte{7}, "a"))
		require.Equal(t, []any{"yes", map[string]any{"type": "Buffer", "data": []any{7.0}}, "a"}, s.got())
	})
	t.Run("commands for the client of the Node server", func(t *testing.T) {
		r.publish(cluster.Message{Command: &cluster.Command{Address: room, Verb: cluster.Join, Names: []string{"new", "old"}}})
		r.publish(cluster.Message{Command: &cluster.Command{Address: room, Verb: cluster.Leave, Names: []string{"old"}}})
		r.mark("a")
		require.Equal(t, []any{s.client, "room1", "new"}, s.run(`[...chat.sockets.values()].map((s) => [...s.rooms])[0]`))
	})
	t.Run("questions", func(t *testing.T) {
		require.Equal(t, []any{s.client, "sid1", "sid2"}, s.run(`chat.fetchSockets().then((all) => all.map((s) => s.id))`))
		require.Equal(t, &all, await(t, r.asked))
		require.Contains(t, s.run(`chat.adapter.allRooms().then((all) => [...all])`), "r")
	})
	t.Run("a question for the code of the servers", func(t *testing.T) {
		_, err := io.WriteString(s.input, `chat.serverSideEmitWithAck("e", 1)`+"\n")
		require.NoError(t, err)
		require.Equal(t, `["e",1]`, await(t, r.server))
		r.answer([]byte(`{"from":"mojo"}`))
		require.Equal(t, []any{map[string]any{"from": "mojo"}}, s.next().Result)
	})
	t.Run("an event with acks", func(t *testing.T) {
		_, err := io.WriteString(s.input, `chat.timeout(5000).emitWithAck("a")`+"\n")
		require.NoError(t, err)
		e := await(t, r.emits)
		require.Equal(t, `["a"]`, string(e.event.Data))
		require.Equal(t, 5*time.Second, e.timeout)
		require.Equal(t, []any{"a"}, s.got())
		answers := s.next().Result
		require.ElementsMatch(t, []any{"pong", "node client", map[string]any{"type": "Buffer", "data": []any{1.0}}}, answers)
	})
	t.Run("a node without connections does not delay", func(t *testing.T) {
		n := openNode(t, "interop", "b")
		n.link.(cluster.Mounter).Mount("/chat")
		require.EqualValues(t, 3, s.run("servers(3)"))
		require.EqualValues(t, 3, s.run(`chat.fetchSockets().then((all) => all.length)`))
		n.link.Close()
		require.EqualValues(t, 2, s.run("servers(2)"))
	})
	t.Run("disconnect", func(t *testing.T) {
		r.publish(cluster.Message{Command: &cluster.Command{Address: room, Verb: cluster.Disconnect, Close: true}})
		require.Equal(t, []any{"disconnect"}, s.got())
	})
}
