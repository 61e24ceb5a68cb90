package mojoredis

import (
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/msgjson"
)

// sink is a cluster.Responder for whom everything is occupied. It checks what it
// gets.
type sink struct {
	tb testing.TB
	noResponder
	ack []byte
}

func (s sink) Event(e *cluster.Event) {
	require.NotEmpty(s.tb, e.Namespace)
	require.True(s.tb, json.Valid(e.Data))
	_, err := encodeEvent("~b", e) // has as many placeholders as attachments
	require.NoError(s.tb, err)
}

func (s sink) Command(c *cluster.Command) {
	require.NotEmpty(s.tb, c.Namespace)
	require.NotZero(s.tb, c.Verb)
	_, err := encodeCommand("~b", c)
	require.NoError(s.tb, err)
}

func (s sink) Control([]byte)               {}
func (s sink) Link(cluster.LinkState)       {}
func (s sink) Occupied(string, string) bool { return true }

func (s sink) EmitWithAck(e *cluster.Event, timeout time.Duration, answer func([]byte, [][]byte)) int {
	s.Event(e)
	require.Positive(s.tb, timeout)
	answer(s.ack, nil)
	return 1
}

// newSinkLink returns a link that is not connected.
func newSinkLink(tb testing.TB) *link {
	bus := New(nil, Options{Logger: slog.New(slog.DiscardHandler)})
	return &link{Bus: bus, name: "a", uid: "~a", node: sink{tb: tb, ack: []byte(`[1]`)}, answers: newAnswers()}
}

func addHex(f *testing.F, inputs ...string) {
	for _, text := range inputs {
		data, err := hex.DecodeString(text)
		require.NoError(f, err)
		f.Add(data)
	}
}

func FuzzBroadcast(f *testing.F) {
	addHex(f,
		"93a7656d697474657283a47479706502a46461746191a568656c6c6fa36e7370a12f83a5726f6f6d7390a5666c61677380a665786365707490",
		"93a7656d697474657283a47479706502a46461746192a86772656574696e6781a16101a36e7370a52f6368617483a5726f6f6d7391a5726f6f6d31a5666c61677381a8766f6c6174696c65c3a665786365707491a5726f6f6d32",
		"93a641624331323383a47479706502a46461746191a174a36e7370a12f83a5726f6f6d73917ba665786365707490a5666c61677380",
		"94a27e6183a47479706505a46461746193a174c40101d6ff65920080a36e7370a12f83a5726f6f6d73c0a6657863657074c0a5666c61677381a66c6174657374a16bc0",
		"93", "c1", "93a7656d6974", "dd7fffffff",
	)
	f.Fuzz(func(t *testing.T, payload []byte) {
		l := newSinkLink(t)
		for _, channel := range []string{"socket.io#/#", "socket.io#/chat#room1#"} {
			_ = l.event(&redis.Message{Channel: channel, Payload: string(payload)})
		}
	})
}

// FuzzRequest also checks the answers.
func FuzzRequest(f *testing.F) {
	addHex(f, "85a3756964a6416243313233a9726571756573744964a6526571343536a47479706507a67061636b657483a47479706502a46461746191a470696e67a36e7370a12fa46f70747383a5726f6f6d7390a665786365707490a5666c61677381a774696d656f7574cd03e8",
		"93", "c1", "93a7656d6974", "dd7fffffff")
	for _, text := range []string{
		`{"uid":"AbC123","requestId":"q","type":0,"rooms":["r",1]}`, `{"requestId":"q","type":1}`,
		`{"uid":"AbC123","type":2,"opts":{"rooms":["a"],"except":[1]},"rooms":["r"]}`, `{"type":4,"opts":{},"close":true}`,
		`{"requestId":"q","type":3,"sid":"s","room":5}`, `{"requestId":"q","type":5,"opts":{"flags":{"timeout":1,"volatile":true}}}`,
		`{"requestId":"q","type":6,"data":["e",1]}`, `{"requestId":"q","type":7,"packet":{"data":["e",1]}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		l := newSinkLink(t)
		m := &redis.Message{Channel: "socket.io-request#/#", Payload: string(payload)}
		_ = l.command(m)
		_ = l.question(m)
		for _, a := range l.answers.take() {
			body, err := a.encode()
			require.NoError(t, err)
			answer := string(body)
			if answer[0] != '{' {
				r := msgjson.NewReader(answer)
				text, err := r.JSON(nil)
				require.NoError(t, err)
				require.NoError(t, r.End())
				r.Close()
				answer = string(text)
			}
			var fields map[string]json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(answer), &fields))
			require.Contains(t, fields, "requestId")
			for _, list := range []string{"sockets", "rooms"} {
				if value, ok := fields[list]; ok {
					require.Equal(t, "[]", string(value))
				}
			}
		}
		require.Zero(t, l.log.count(unanswered))
	})
}

// An event keeps all its fields on the wire.
func FuzzEvent(f *testing.F) {
	f.Add("/", "room", "except", `[1,{"a":-0}]`, true, "key")
	f.Add("/ж", "", "", `["\u0000"]`, false, "")
	f.Fuzz(func(t *testing.T, namespace, room, except, data string, volatile bool, key string) {
		e := &cluster.Event{
			Address:  cluster.Address{Namespace: namespace, Rooms: []string{room}, Except: []string{except}},
			Data:     []byte(`["e",` + data + `]`),
			Volatile: volatile, Latest: true, Key: key,
		}
		body, err := encodeEvent("~a", e)
		if err != nil {
			return
		}
		b, err := decodeBroadcast(string(body))
		require.NoError(t, err)
		require.Equal(t, "~a", b.uid)
		got, err := b.event()
		require.NoError(t, err)
		require.Equal(t, e.Address, got.Address)
		require.Equal(t, []any{volatile, true, key}, []any{got.Volatile, got.Latest, got.Key})
		again, err := encodeEvent("~a", got)
		require.NoError(t, err)
		b, err = decodeBroadcast(string(again))
		require.NoError(t, err)
		same, err := b.event()
		require.NoError(t, err)
		require.Equal(t, got, same)
	})
}

// sinkReplies are the answers to a question.
type sinkReplies struct{ tb testing.TB }

func (s sinkReplies) Expect(n int) { require.GreaterOrEqual(s.tb, n, 0) }
func (s sinkReplies) Done(err error) {
	require.NoError(s.tb, err)
}

func (s sinkReplies) Reply(data []byte, _ [][]byte) {
	require.True(s.tb, json.Valid(data))
}

func FuzzResponse(f *testing.F) {
	addHex(f, "83a47479706509a9726571756573744964a6526571343536a67061636b6574a4706f6e67", "82a47479706509a9726571756573744964a6526571343536", "c1", "93", "dd7fffffff")
	for _, text := range []string{
		`{"type":8,"requestId":"Req456","clientCount":2}`, `{"type":8,"requestId":"Req456","clientCount":1e300}`, `{"type":8,"requestId":"Req456","clientCount":-1}`,
		`{"type":6,"requestId":"Req456","data":{"a":1}}`, `{"type":6,"requestId":"Req456"}`, `{"requestId":7}`, `{"requestId":"Req456"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, kind := range []int{requestBroadcast, requestServerSideEmit} {
			l := newSinkLink(t)
			l.questions.byID = map[string]*question{"Req456": {kind: kind, Replies: sinkReplies{t}, servers: 1}}
			_ = l.response(&redis.Message{Channel: "socket.io-response#/#", Payload: string(payload)})
		}
	})
}
