package parser

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/race"
)

func TestEncodeEvent(t *testing.T) {
	type object struct {
		A int    `json:"a"`
		B []byte `json:"b,omitempty"`
	}
	tests := map[string]struct {
		event string
		args  []any
		want  string
	}{
		"no arguments":     {"foo", nil, `["foo"]`},
		"empty name":       {"", nil, `[""]`},
		"number as name":   {"1", []any{1}, `["1",1]`},
		"escapes in name":  {"a\"b\\\n<é>", nil, `["a\"b\\\n<é>"]`},
		"object":           {"auth", []any{map[string]any{}}, `["auth",{}]`},
		"scalars":          {"e", []any{nil, true, 1, 1.5, "x", int64(1 << 60), uint8(3), 'x'}, `["e",null,true,1,1.5,"x",1152921504606846976,3,120]`},
		"no HTML escapes":  {"e", []any{"<a href='x'>&", map[string]any{"<": ">"}}, `["e","<a href='x'>&",{"<":">"}]`},
		"raw JSON":         {"e", []any{json.RawMessage(`{ "a" : [ 1, "<" ] }`)}, `["e",{"a":[1,"<"]}]`},
		"struct":           {"e", []any{object{A: 1, B: []byte{1}}, &object{}}, `["e",{"a":1,"b":"AQ=="},{"a":0}]`},
		"time":             {"e", []any{time.Unix(0, 0).UTC()}, `["e","1970-01-01T00:00:00Z"]`},
		"nil binary":       {"e", []any{[]byte(nil), Binary(nil), []any{[]byte(nil), Binary(nil)}}, `["e",null,null,[null,null]]`},
		"plain data":       {"e", []any{map[string]any{"_placeholder": true, "num": "x"}}, `["e",{"_placeholder":true,"num":"x"}]`},
		"line separator":   {"e", []any{"\u2028"}, `["e","\u2028"]`},
		"typed containers": {"e", []any{[]string{"a"}, map[string]int{"b": 1}, [2]bool{}}, `["e",["a"],{"b":1},[false,false]]`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := EncodeEvent(tt.event, tt.args)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(p.JSON))
			require.Empty(t, p.Attachments)
		})
	}
}

func TestEncodeArgs(t *testing.T) {
	for want, args := range map[string][]any{`[]`: nil, `["bar"]`: {"bar"}, `[null,{}]`: {nil, struct{}{}}} {
		p, err := EncodeArgs(args)
		require.NoError(t, err)
		require.Equal(t, want, string(p.JSON))
	}
}

func TestEncodeEventRefusesReservedNames(t *testing.T) {
	for _, event := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		_, err := EncodeEvent(event, nil)
		require.ErrorIs(t, err, ErrReservedEvent)
		require.ErrorContains(t, err, event)
	}
}

// failing has a MarshalJSON method that returns an error.
type failing struct{}

var errFailing = errors.New("cannot be encoded")

func (failing) MarshalJSON() ([]byte, error) { return nil, errFailing }

func TestEncodingErrorsNameTheArgument(t *testing.T) {
	_, err := EncodeEvent("e", []any{1, make(chan int)})
	require.ErrorContains(t, err, "argument 2 (chan int): ")
	var unsupported *json.UnsupportedTypeError
	require.ErrorAs(t, err, &unsupported)

	_, err = EncodeArgs([]any{math.Inf(1)})
	require.ErrorContains(t, err, "argument 1 (float64): ")

	_, err = EncodeArgs([]any{map[string]any{"a": Binary("x"), "b": failing{}}})
	require.ErrorContains(t, err, "argument 1 (map[string]interface {}): ")
	require.ErrorIs(t, err, errFailing)

	_, err = EncodeArgs([]any{json.RawMessage(`{`)})
	require.Error(t, err)

	p, err := EncodeEvent("after", []any{"errors"})
	require.NoError(t, err)
	require.Equal(t, `["after","errors"]`, string(p.JSON))
}

// panicking has a MarshalJSON method that panics.
type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("bug") }

func TestPanicOfMarshalJSONReachesCaller(t *testing.T) {
	require.PanicsWithValue(t, "bug", func() { _, _ = EncodeEvent("e", []any{"x", panicking{}}) })
	p, err := EncodeEvent("after", nil)
	require.NoError(t, err)
	require.Equal(t, `["after"]`, string(p.JSON))
}

func TestAppendPacket(t *testing.T) {
	one, two := [][]byte{{1}}, [][]byte{{1}, {2}}
	tests := []struct {
		typ       Type
		namespace string
		id        uint64
		hasID     bool
		payload   Payload
		want      string
	}{
		{typ: Connect, want: `0`},
		{typ: Connect, namespace: "/", payload: Payload{JSON: []byte(`{"sid":"x"}`)}, want: `0{"sid":"x"}`},
		{typ: Connect, namespace: "/admin", payload: Payload{JSON: []byte(`{"sid":"x"}`)}, want: `0/admin,{"sid":"x"}`},
		{typ: ConnectError, payload: Payload{JSON: []byte(`{"message":"Not authorized"}`)}, want: `4{"message":"Not authorized"}`},
		{typ: Disconnect, want: `1`},
		{typ: Disconnect, namespace: "/admin", want: `1/admin,`},
		{typ: Event, payload: Payload{JSON: []byte(`["foo"]`)}, want: `2["foo"]`},
		{typ: Event, namespace: "/custom", payload: Payload{JSON: []byte(`["auth",{}]`)}, want: `2/custom,["auth",{}]`},
		{typ: Event, id: 12, hasID: true, payload: Payload{JSON: []byte(`["foo"]`)}, want: `212["foo"]`},
		{typ: Event, id: 0, hasID: true, payload: Payload{JSON: []byte(`["foo"]`)}, want: `20["foo"]`},
		{typ: Ack, namespace: "/admin", id: 13, hasID: true, payload: Payload{JSON: []byte(`["bar"]`)}, want: `3/admin,13["bar"]`},
		{typ: Event, payload: Payload{JSON: []byte(`["baz"]`), Attachments: one}, want: `51-["baz"]`},
		{typ: Event, namespace: "/admin", payload: Payload{JSON: []byte(`["baz"]`), Attachments: two}, want: `52-/admin,["baz"]`},
		{typ: Ack, id: 15, hasID: true, payload: Payload{JSON: []byte(`["bar"]`), Attachments: one}, want: `61-15["bar"]`},
		{typ: BinaryEvent, payload: Payload{JSON: []byte(`["e"]`)}, want: `2["e"]`},
		{typ: BinaryAck, id: 1, hasID: true, payload: Payload{JSON: []byte(`[]`)}, want: `31[]`},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			got := AppendPacket([]byte("before "), tt.typ, tt.namespace, tt.id, tt.hasID, tt.payload)
			require.Equal(t, "before "+tt.want, string(got))
		})
	}
}

func TestAppendPacketAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 256)
	p := Payload{JSON: []byte(`["message","hello"]`), Attachments: [][]byte{{1}}}
	require.Zero(t, testing.AllocsPerRun(1000, func() { AppendPacket(dst, Event, "/chatSocket", 1234567, true, p) }))
}

func TestEncodeEventAllocatesLittle(t *testing.T) {
	if race.Enabled {
		t.Skip("the pools are unreliable under the race detector")
	}
	args := []any{"hello", 1, true, []string{"a", "b"}, &struct{ Text string }{"x"}}
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { _, _ = EncodeEvent("message", args) }), 3.0)
}

func TestPayloadsDoNotShareMemory(t *testing.T) {
	first, err := EncodeEvent("first", []any{strings.Repeat("x", 100)})
	require.NoError(t, err)
	before := string(first.JSON)
	for i := range 10 {
		_, err := EncodeEvent("second", []any{strconv.Itoa(i), strings.Repeat("y", 100)})
		require.NoError(t, err)
	}
	require.Equal(t, before, string(first.JSON))
}

func BenchmarkEncodeEvent(b *testing.B) {
	type chat struct {
		Room string   `json:"room"`
		Text string   `json:"text"`
		At   int64    `json:"at"`
		Tags []string `json:"tags"`
	}
	type file struct {
		Name    string `json:"name"`
		Content Binary `json:"content"`
	}
	content := make([]byte, 1024)
	for name, args := range map[string][]any{
		"string":                  {"hello"},
		"struct":                  {chat{"lobby", "hello world", 1700000000, []string{"a", "b"}}},
		"map":                     {map[string]any{"room": "lobby", "text": "hello world", "at": 1700000000}},
		"binary 1KiB":             {content},
		"struct with binary 1KiB": {file{"a.png", content}},
		"map with binary 1KiB":    {map[string]any{"name": "a.png", "content": content}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := EncodeEvent("message", args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendPacket(b *testing.B) {
	dst := make([]byte, 0, 256)
	p := Payload{JSON: []byte(`["message",{"room":"lobby","text":"hello world"}]`)}
	b.ReportAllocs()
	for b.Loop() {
		AppendPacket(dst, Event, "/chatSocket", 12, true, p)
	}
}
