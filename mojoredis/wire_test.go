package mojoredis_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
)

// What the official emitter and adapter publish.
const (
	hello    = "93a7656d697474657283a47479706502a46461746191a568656c6c6fa36e7370a12f83a5726f6f6d7390a5666c61677380a665786365707490"
	greeting = "93a7656d697474657283a47479706502a46461746192a86772656574696e6781a16101a36e7370a52f6368617483a5726f6f6d7391a5726f6f6d31a5666c61677381a8766f6c6174696c65c3a665786365707491a5726f6f6d32"
	numeric  = "93a641624331323383a47479706502a46461746191a174a36e7370a12f83a5726f6f6d73917ba665786365707490a5666c61677380"
	pingAck  = "85a3756964a6416243313233a9726571756573744964a6526571343536a47479706507a67061636b657483a47479706502a46461746191a470696e67a36e7370a12fa46f70747383a5726f6f6d7390a665786365707490a5666c61677381a774696d656f7574cd03e8"
	pongAck  = "83a47479706509a9726571756573744964a6526571343536a67061636b6574a4706f6e67"
)

func unhex(tb testing.TB, text string) string {
	tb.Helper()
	data, err := hex.DecodeString(text)
	require.NoError(tb, err)
	return string(data)
}

// A node publishes as a server with the official adapter.
func TestNodeOnTheWire(t *testing.T) {
	n := openNode(t, "wire2", "a")
	s := subscribe(t, newClient(t, shared.Addr), "wire2*")
	for _, c := range []struct {
		message       cluster.Message
		channel, want string
	}{
		{
			cluster.Message{Event: &cluster.Event{Address: cluster.Address{Namespace: "/"}, Data: []byte(`["t"]`)}},
			"wire2#/#", "93a27e6183a47479706502a46461746191a174a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380",
		},
		{
			cluster.Message{Event: &cluster.Event{
				Address: cluster.Address{Namespace: "/c", Rooms: []string{"r"}, Except: []string{"x"}},
				Data:    []byte(`["t",{"_placeholder":true,"num":0}]`), Attachments: [][]byte{{1, 2}}, Volatile: true, Latest: true, Key: "k",
			}},
			"wire2#/c#r#",
			"93a27e6183a47479706502a46461746192a174c4020102a36e7370a22f6383a5726f6f6d7391a172a665786365707491a178a5666c61677382a8766f6c6174696c65c3a66c6174657374a16b",
		},
		{
			cluster.Message{Command: &cluster.Command{Address: cluster.Address{Namespace: "/"}, Verb: cluster.Join, Names: []string{"r"}}},
			"wire2-request#/#", hex.EncodeToString([]byte(`{"uid":"~a","type":2,"opts":{"rooms":[],"except":[]},"rooms":["r"]}`)),
		},
		{
			cluster.Message{Command: &cluster.Command{Address: cluster.Address{Namespace: "/", Rooms: []string{"r"}}, Verb: cluster.Disconnect}},
			"wire2-request#/#", hex.EncodeToString([]byte(`{"uid":"~a","type":4,"opts":{"rooms":["r"],"except":[]},"close":false}`)),
		},
	} {
		n.publish(c.message)
		channel, payload := s.next()
		require.Equal(t, c.channel, channel)
		require.Equal(t, c.want, hex.EncodeToString([]byte(payload)))
	}
}

// A node gets what other servers and emitters publish.
func TestEventsOfOthers(t *testing.T) {
	n := openNode(t, "wire3", "a", "one", "room1", "123", "a#b")
	client := newClient(t, shared.Addr)
	all := cluster.Address{Namespace: "/", IDs: true}
	body := func(uid, packet, options string) string { return "93" + uid + packet + options }
	const (
		uid     = "a6414243313233"
		packet  = "83a47479706502a46461746191a174a36e7370a12f"
		options = "83a5726f6f6d7390a665786365707490a5666c61677380"
	)
	for _, c := range []struct {
		name, channel, payload string
		want                   *cluster.Event // nil: it is dropped
		isMalformed            bool
	}{
		{"an emitter", "#/#", hello, &cluster.Event{Address: all, Data: []byte(`["hello"]`)}, false},
		{"an emitter, to a room", "#/chat#room1#", greeting, &cluster.Event{
			Address: cluster.Address{Namespace: "/chat", Rooms: []string{"room1"}, Except: []string{"room2"}, IDs: true},
			Data:    []byte(`["greeting",{"a":1}]`), Volatile: true,
		}, false},
		{"a numeric room", "#/#123#", numeric, &cluster.Event{
			Address: cluster.Address{Namespace: "/", Rooms: []string{"123"}, IDs: true}, Data: []byte(`["t"]`),
		}, false},
		{"an own message", "#/#", body("a27e61", packet, options), nil, false},
		{"another node of mojo", "#/#", body("a27e62", packet, options), &cluster.Event{Address: cluster.Address{Namespace: "/"}, Data: []byte(`["t"]`)}, false},
		{"no nsp", "#/#", body(uid, "82a47479706502a46461746191a174", options), &cluster.Event{Address: all, Data: []byte(`["t"]`)}, false},
		{"no nsp on the channel of another", "#/chat#", body(uid, "82a47479706502a46461746191a174", options), nil, false},
		{"another nsp", "#/other#", body(uid, packet, options), nil, false},
		{"a room with a hash", "#/#a#b#", body(uid, packet, "81a5726f6f6d7391a3612362"), &cluster.Event{
			Address: cluster.Address{Namespace: "/", Rooms: []string{"a#b"}, IDs: true}, Data: []byte(`["t"]`),
		}, false},
		{"a namespace with a hash", "#/x#y#", body(uid, "83a47479706502a46461746191a174a36e7370a42f782379", options), &cluster.Event{
			Address: cluster.Address{Namespace: "/x#y", IDs: true}, Data: []byte(`["t"]`),
		}, false},
		{"undefined lists and unknown fields", "#/#", body(uid, "84a47479706502a46461746191a174a36e7370a12fa178c0", "85a5726f6f6d73c0a6657863657074d40000a5666c61677381a56c6f63616c01a16b82a16101a16202a17891c0"), &cluster.Event{
			Address: all, Data: []byte(`["t"]`),
		}, false},
		{"a name that is a number", "#/#", body(uid, "82a46461746192 07 c3 a36e7370a12f", options), &cluster.Event{Address: all, Data: []byte(`[7,true]`)}, false},
		{"an extension of the array", "#/#", "94" + uid + packet + options + "c40401020304", &cluster.Event{Address: all, Data: []byte(`["t"]`)}, false},
		{"binary", "#/#", body(uid, "83a47479706505a46461746193a174c40101c40102a36e7370a12f", options), &cluster.Event{
			Address: all, Data: []byte(`["t",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`), Attachments: [][]byte{{1}, {2}},
		}, false},
		{"several rooms, one occupied", "#/#", body(uid, packet, "81a5726f6f6d7392a36f6e65a374776f"), &cluster.Event{
			Address: cluster.Address{Namespace: "/", Rooms: []string{"one", "two"}, IDs: true}, Data: []byte(`["t"]`),
		}, false},
		{"several rooms, none occupied", "#/#", body(uid, packet, "81a5726f6f6d7392a374776fa5746872 6565"), nil, false},
		{"garbage for a room that is not occupied", "#/#nobody#", "c1", nil, false},
		{"garbage", "#/#", "c1", nil, true},
		{"the end is missing", "#/#", hello[:60], nil, true},
		{"trailing bytes", "#/#", hello + "00", nil, true},
		{"a great length", "#/#", "dd7fffffff", nil, true},
		{"an ack", "#/#", body(uid, "83a47479706503a46461746191a174a36e7370a12f", options), nil, true},
		{"no data", "#/#", body(uid, "82a47479706502a36e7370a12f", options), nil, true},
		{"no name", "#/#", body(uid, "83a47479706502a46461746190a36e7370a12f", options), nil, true},
		{"no name, but an object", "#/#", body(uid, "83a47479706502a4646174619180a36e7370a12f", options), nil, true},
		{"no packet", "#/#", body(uid, "c0", options), nil, true},
		{"rooms of other types", "#/#", body(uid, packet, "81a5726f6f6d739190"), nil, true},
		{"JSON", "#/#", hex.EncodeToString([]byte(`["emitter",{}]`)), nil, true},
	} {
		require.NoError(t, client.Publish(t.Context(), "wire3"+c.channel, unhex(t, strings.ReplaceAll(c.payload, " ", ""))).Err())
		n.mark("a")
		var got *cluster.Event
		select {
		case got = <-n.events:
		default:
		}
		if got != nil && len(got.Rooms) == 0 {
			got.Rooms = nil
		}
		if got != nil && len(got.Except) == 0 {
			got.Except = nil
		}
		require.Equal(t, c.want, got, c.name)
		require.Equal(t, c.isMalformed, n.wasMalformed(), c.name)
	}
}

func TestCommandsOfOthers(t *testing.T) {
	n := openNode(t, "wire4", "a", "sid")
	client := newClient(t, shared.Addr)
	s := subscribe(t, client, "wire4-response#*")
	all := cluster.Address{Namespace: "/x", IDs: true}
	one := cluster.Address{Namespace: "/x", Rooms: []string{"sid"}, IDs: true}
	for _, c := range []struct {
		payload     string
		want        *cluster.Command
		isMalformed bool
		answer      string
	}{
		{`{"type":2,"opts":{"rooms":[],"except":[]},"rooms":["r"]}`, &cluster.Command{Address: all, Verb: cluster.Join, Names: []string{"r"}}, false, ""},
		{`{"uid":"AbC123","type":3,"opts":{"rooms":["a",7],"except":["b"]},"rooms":["r",1.5]}`, &cluster.Command{
			Address: cluster.Address{Namespace: "/x", Rooms: []string{"a", "7"}, Except: []string{"b"}, IDs: true}, Verb: cluster.Leave, Names: []string{"r", "1.5"},
		}, false, ""},
		{`{"type":2,"opts":{},"rooms":["\u00e4\"","ä","",-1]}`, &cluster.Command{Address: all, Verb: cluster.Join, Names: []string{`ä"`, "ä", "", "-1"}}, false, ""},
		{"{\"type\":2,\"opts\":{},\"rooms\":[\"\xff\"]}", &cluster.Command{Address: all, Verb: cluster.Join, Names: []string{"\ufffd"}}, false, ""},
		{`{"type":4,"opts":{"rooms":[],"except":[]},"close":true}`, &cluster.Command{Address: all, Verb: cluster.Disconnect, Close: true}, false, ""},
		{`{"type":4,"opts":{}}`, &cluster.Command{Address: all, Verb: cluster.Disconnect}, false, ""},
		{"\x83\xa4type\x02\xa4opts\x80\xa5rooms\x91\xa1r", &cluster.Command{Address: all, Verb: cluster.Join, Names: []string{"r"}}, false, ""},
		{`{"uid":"~a","type":4,"opts":{}}`, nil, false, ""}, // its own
		{`{"uid":"~b","type":4,"opts":{}}`, &cluster.Command{Address: cluster.Address{Namespace: "/x"}, Verb: cluster.Disconnect}, false, ""},
		// Old adapters ask for one connection, and wait for an answer.
		{`{"requestId":"q1","type":2,"sid":"sid","room":"r"}`, &cluster.Command{Address: one, Verb: cluster.Join, Names: []string{"r"}}, false, `{"requestId":"q1"}`},
		{`{"requestId":"q2","type":3,"sid":"sid","room":5}`, &cluster.Command{Address: one, Verb: cluster.Leave, Names: []string{"5"}}, false, `{"requestId":"q2"}`},
		{`{"requestId":"q3","type":4,"sid":"sid","close":true}`, &cluster.Command{Address: one, Verb: cluster.Disconnect, Close: true}, false, `{"requestId":"q3"}`},
		{`{"requestId":"q4","type":4,"sid":"another"}`, nil, false, ""},
		{`{"type":99,"opts":{}}`, nil, false, ""},                 // of a later version
		{`{"type":5,"requestId":"q5","opts":{}}`, nil, false, ""}, // a question in a namespace that is not mounted
		{`{`, nil, true, ""},
		{`{}`, nil, true, ""},
		{`{"type":"2"}`, nil, true, ""},
		{`{"type":2,"opts":{"rooms":["a",null]},"rooms":["r"]}`, nil, true, ""},
		{`{"type":2,"opts":{"rooms":"a"},"rooms":["r"]}`, nil, true, ""},
		{`{"type":2,"opts":{},"rooms":[true]}`, nil, true, ""},
		{`{"type":2,"opts":{},"rooms":[["r"]]}`, nil, true, ""},
		{`{"type":2,"rooms":["r"]}`, nil, true, ""},
		{"\x83\xa4type", nil, true, ""},
		{"\xc1", nil, true, ""},
		{"", nil, true, ""},
	} {
		require.NoError(t, client.Publish(t.Context(), "wire4-request#/x#", c.payload).Err())
		n.mark("a")
		var got *cluster.Command
		select {
		case got = <-n.commands:
			if len(got.Rooms) == 0 {
				got.Rooms = nil
			}
			if len(got.Except) == 0 {
				got.Except = nil
			}
		default:
		}
		require.Equal(t, c.want, got, c.payload)
		require.Equal(t, c.isMalformed, n.wasMalformed(), c.payload)
		if c.answer != "" {
			_, answer := s.next()
			require.Equal(t, c.answer, answer)
		}
	}
}
