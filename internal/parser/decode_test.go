package parser

import (
	"bytes"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	tests := []struct {
		text string
		want Packet
	}{
		{`0`, Packet{Type: Connect}},
		{`0/`, Packet{Type: Connect}},
		{`0/,`, Packet{Type: Connect}},
		{`0{"token":"123"}`, Packet{Type: Connect, Data: []byte(`{"token":"123"}`)}},
		{`0/admin`, Packet{Type: Connect, Namespace: []byte("/admin")}},
		{`0/admin,`, Packet{Type: Connect, Namespace: []byte("/admin")}},
		{`0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}`, Packet{Type: Connect, Namespace: []byte("/admin"), Data: []byte(`{"sid":"oSO0OpakMV_3jnilAAAA"}`)}},
		{`042`, Packet{Type: Connect}},
		{`0123456789012345678901`, Packet{Type: Connect}},
		{`07{}`, Packet{Type: Connect, Data: []byte(`{}`)}},
		{`0/admin,42`, Packet{Type: Connect, Namespace: []byte("/admin")}},
		{`1`, Packet{Type: Disconnect}},
		{`1/admin,`, Packet{Type: Disconnect, Namespace: []byte("/admin")}},
		{`2["foo"]`, Packet{Type: Event, Data: []byte(`["foo"]`)}},
		{`2/,["foo"]`, Packet{Type: Event, Data: []byte(`["foo"]`)}},
		{`2/admin,["bar"]`, Packet{Type: Event, Namespace: []byte("/admin"), Data: []byte(`["bar"]`)}},
		{`212["foo"]`, Packet{Type: Event, ID: 12, HasID: true, Data: []byte(`["foo"]`)}},
		{`20["foo"]`, Packet{Type: Event, HasID: true, Data: []byte(`["foo"]`)}},
		{`29007199254740991["foo"]`, Packet{Type: Event, ID: 1<<53 - 1, HasID: true, Data: []byte(`["foo"]`)}},
		{`2/admin,1["tellme"]`, Packet{Type: Event, Namespace: []byte("/admin"), ID: 1, HasID: true, Data: []byte(`["tellme"]`)}},
		{`2[ "foo" , 1 ]`, Packet{Type: Event, Data: []byte(`[ "foo" , 1 ]`)}},
		{`2[1]`, Packet{Type: Event, Data: []byte(`[1]`)}},
		{`2[-1.5e300,null]`, Packet{Type: Event, Data: []byte(`[-1.5e300,null]`)}},
		{`3/admin,13["bar"]`, Packet{Type: Ack, Namespace: []byte("/admin"), ID: 13, HasID: true, Data: []byte(`["bar"]`)}},
		{`312[]`, Packet{Type: Ack, ID: 12, HasID: true, Data: []byte(`[]`)}},
		{`4{"message":"Not authorized"}`, Packet{Type: ConnectError, Data: []byte(`{"message":"Not authorized"}`)}},
		{`4"no"`, Packet{Type: ConnectError, Data: []byte(`"no"`)}},
		{`51-["baz",{"_placeholder":true,"num":0}]`, Packet{Type: BinaryEvent, Attachments: 1, Data: []byte(`["baz",{"_placeholder":true,"num":0}]`)}},
		{`52-/admin,["baz"]`, Packet{Type: BinaryEvent, Namespace: []byte("/admin"), Attachments: 2, Data: []byte(`["baz"]`)}},
		{`510-7["baz"]`, Packet{Type: BinaryEvent, Attachments: 10, ID: 7, HasID: true, Data: []byte(`["baz"]`)}},
		{`61-15["bar",{"_placeholder":true,"num":0}]`, Packet{Type: BinaryAck, Attachments: 1, ID: 15, HasID: true, Data: []byte(`["bar",{"_placeholder":true,"num":0}]`)}},
		{`61-/admin,1[{"_placeholder":true,"num":0}]`, Packet{Type: BinaryAck, Namespace: []byte("/admin"), Attachments: 1, ID: 1, HasID: true, Data: []byte(`[{"_placeholder":true,"num":0}]`)}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := Decode([]byte(tt.text))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// invalidPackets has packets for which a server closes the connection.
var invalidPackets = []string{
	"", "7", "8[]", "9", "a", "\x00", "\xff", " 2[\"e\"]", "-1",
	`2`, `2[]`, `2[ ]`, `2{}`, `2null`, `2[null]`, `2[[1]]`, `2[{"toString":"x"}]`, `2[true]`, `2[false]`,
	`2"e"`, `2["e"`, `2["e",]`, `2["e"]]`, `2["e"]x`, `2[e]`, `2[1e400]`, `2[-1e400,1]`, `2 ["e"]`, `2/admin["e"]`, `2/admin,`,
	`2abc["e"]`, `21abc["e"]`, `2-1["e"]`, `2+1["e"]`, `21.5["e"]`, `2,["e"]`,
	`29007199254740992["e"]`, `218446744073709551616["e"]`, `200000000000000001["e"]`,
	`2` + strings.Repeat("9", 400) + `["e"]`,
	`0[]`, `0null`, `0"x"`, `01.5`, `0-1`, `01e+21`, `0{`, `0/admin,1.5`, `0{}{}`, `0` + strings.Repeat("9", 22),
	`1{}`, `1[]`, `15`, `1null`, `1/admin,"x"`,
	`3["x"]`, `3[]`, `31`, `31{}`, `31null`, `31"x"`, `3/admin,[]`,
	`4`, `41{}`, `4[]`, `4null`, `4{`,
	`5`, `5["e"]`, `511-["e"]`, `59999999999-`, `5-1-["e"]`, `5+1-["e"]`, `501-["e"]`, `50-["e"]`, `51`, `51-`, `51.0-["e"]`,
	`51e0-["e"]`, `5 1-["e"]`, `5-["e"]`, `5100-["e"]`, `51-[]`, `51-[{"_placeholder":true,"num":0}]`, `51-null`,
	`60-1[]`, `61-[]`, `61-1{}`, `611-1[]`, `6-1[]`,
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range invalidPackets {
		t.Run(text, func(t *testing.T) {
			got, err := Decode([]byte(text))
			require.Error(t, err)
			require.Zero(t, got)
		})
	}
}

func TestDecodeAliasesItsInput(t *testing.T) {
	text := []byte(`2/admin,1["foo"]`)
	p, err := Decode(text)
	require.NoError(t, err)
	require.Same(t, &text[1], &p.Namespace[0])
	require.Same(t, &text[9], &p.Data[0])
	_ = append(p.Namespace, 'x')
	require.Equal(t, `2/admin,1["foo"]`, string(text))
}

func TestDecodeAllocatesNothing(t *testing.T) {
	for _, text := range []string{`0`, `2/chatSocket,12["message",{"text":"hello"},[1,2,3]]`, `2[12,"x"]`, `51-["e",{"_placeholder":true,"num":0}]`} {
		packet := []byte(text)
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if _, err := Decode(packet); err != nil {
				panic(err)
			}
		}), text)
	}
}

// hugePackets returns packets of n bytes that could make a decoder slow or
// waste memory.
func hugePackets(n int) map[string]string {
	return map[string]string{
		"attachment count": `5` + strings.Repeat("1", n),
		"ack id":           `2` + strings.Repeat("1", n) + `["e"]`,
		"zeros as ack id":  `2` + strings.Repeat("0", n) + `["e"]`,
		"namespace":        `2/` + strings.Repeat("1", n),
		"number as event":  `2[` + strings.Repeat("1", n) + `]`,
		"brackets":         `2["e",` + strings.Repeat("[", n),
		"event brackets":   `2` + strings.Repeat("[", n),
		"objects":          `2["e",` + strings.Repeat(`{"a":`, n/5),
		"closed brackets":  `2["e",` + strings.Repeat("[", n/2) + strings.Repeat("]", n/2) + `]`,
		"backslashes":      `2["` + strings.Repeat(`\`, n+1) + `"]`,
	}
}

func TestDecodeRefusesHugePacketsWithLittleMemory(t *testing.T) {
	const size = 1_000_000
	for name, text := range hugePackets(size) {
		t.Run(name, func(t *testing.T) {
			packet := []byte(text)
			_, err := Decode(packet)
			require.Error(t, err)
			got := allocated(func() { _, _ = Decode(packet) })
			require.Less(t, got, uint64(size+size/4))
		})
	}
}

func TestDecodeDoesNotCopyHugeNamespace(t *testing.T) {
	packet := []byte(`0/` + strings.Repeat("1", 1_000_000))
	p, err := Decode(packet)
	require.NoError(t, err)
	require.Same(t, &packet[1], &p.Namespace[0])
}

func TestEventName(t *testing.T) {
	tests := []struct{ raw, want string }{
		{`"foo"`, "foo"},
		{`""`, ""},
		{`"1"`, "1"},
		{`"é\u00e9\n"`, "éé\n"},
		{`"\u0063onnect"`, "connect"},
		{`"a\"b"`, `a"b`},
		{"\"\xff\"", "\ufffd"},
		{`0`, "0"},
		{`-0`, "0"},
		{`1`, "1"},
		{`42`, "42"},
		{`-7`, "-7"},
		{`1.0`, "1"},
		{`1.50`, "1.5"},
		{`1e3`, "1000"},
		{`1e20`, "100000000000000000000"},
		{`1e21`, "1e+21"},
		{`0.000001`, "0.000001"},
		{`1e-7`, "1e-7"},
		{`1.5e-10`, "1.5e-10"},
		{`9007199254740993`, "9007199254740992"},
	}
	for _, tt := range tests {
		t.Run(tt.raw, func(t *testing.T) {
			got, err := EventName([]byte(tt.raw))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestEventNameRefuses(t *testing.T) {
	for _, raw := range []string{``, `null`, `true`, `{}`, `[]`, `{"toString":"x"}`, `1e400`, `-`, `01`, `0x10`, `Infinity`, `"a`, `"`, `"a"b"`, `"\x"`} {
		t.Run(raw, func(t *testing.T) {
			_, err := EventName([]byte(raw))
			require.Error(t, err)
		})
	}
}

func TestReserved(t *testing.T) {
	for _, event := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		require.True(t, Reserved(event), event)
	}
	for _, event := range []string{"", "error", "message", "Connect", "connected", "1"} {
		require.False(t, Reserved(event), event)
	}
}

func BenchmarkDecode(b *testing.B) {
	packets := map[string][]byte{
		"small":  []byte(`2["message","hello"]`),
		"medium": []byte(`2/chatSocket,12["message",{"room":"lobby","text":"hello world","at":1700000000,"tags":["a","b"]}]`),
		"64KiB":  append(append([]byte(`2["message","`), bytes.Repeat([]byte("x"), 64<<10)...), `"]`...),
	}
	for name, packet := range packets {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(packet)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(packet); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// allocated calls f several times. It returns the smallest number of bytes that
// a call has allocated.
func allocated(f func()) uint64 {
	smallest := uint64(math.MaxUint64)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		smallest = min(smallest, after.TotalAlloc-before.TotalAlloc)
	}
	return smallest
}
