package siotest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFramesRoundTrip(t *testing.T) {
	for _, wire := range []string{
		`0{"sid":"x"}`,
		`0/admin,{"sid":"x"}`,
		`1`,
		`1/admin,`,
		`2["foo"]`,
		`2/admin,["bar"]`,
		`212["foo"]`,
		`2[12]`,
		`3/admin,13["bar"]`,
		`312[]`,
		`4{"message":"Not authorized"}`,
		`51-["baz",{"_placeholder":true,"num":0}]`,
		`52-/admin,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`,
		`61-15["bar",{"_placeholder":true,"num":0}]`,
	} {
		t.Run(wire, func(t *testing.T) {
			f, err := decodeFrame(wire, false)
			require.NoError(t, err)
			f.attachments = make([][]byte, f.announced)
			require.NoError(t, f.complete())
			require.Equal(t, wire, f.encode())
		})
	}
}

func TestFramesRefused(t *testing.T) {
	for name, wire := range map[string]string{
		"empty":                     ``,
		"no type":                   `7["x"]`,
		"no payload":                `2`,
		"not an array":              `2{"x":1}`,
		"no name":                   `2[]`,
		"name is an object":         `2[{}]`,
		"name is null":              `2[null]`,
		"broken JSON":               `2["x"`,
		"reserved name":             `2["disconnect"]`,
		"too many attachments":      `511-["x"]`,
		"count is missing":          `5["x"]`,
		"ack without id":            `3["x"]`,
		"ack without array":         `31`,
		"id out of range":           `299999999999999999999["x"]`,
		"CONNECT without object":    `0`,
		"refusal without object":    `4"no"`,
		"DISCONNECT with payload":   `1{}`,
		"text behind the namespace": `2/admin["x"]`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodeFrame(wire, false)
			require.Error(t, err)
		})
	}
}

func TestPlaceholderOutOfRange(t *testing.T) {
	f, err := decodeFrame(`51-["x",{"a":[{"_placeholder":true,"num":1}]}]`, false)
	require.NoError(t, err)
	f.attachments = [][]byte{{1}}
	require.Error(t, f.complete())
}

func TestAttachmentsAreExtracted(t *testing.T) {
	id := uint64(3)
	f, err := newFrame(typeBinaryEvent, typeEvent, "/n", &id, []any{
		"e", []byte{1}, map[string]any{"b": []byte{3}, "a": []any{[]byte{2}, 1}}, nil,
	})
	require.NoError(t, err)
	require.Equal(t, `53-/n,3["e",{"_placeholder":true,"num":0},`+
		`{"a":[{"_placeholder":true,"num":1},1],"b":{"_placeholder":true,"num":2}},null]`, f.encode())
	require.Equal(t, [][]byte{{1}, {2}, {3}}, f.attachments)
}

func TestPayload(t *testing.T) {
	packets, err := parsePayload("4hello\x1ebAQIDBA==\x1e2\x1e6")
	require.NoError(t, err)
	require.Equal(t, []Packet{
		{Type: '4', Text: "hello"},
		{Type: '4', Data: []byte{1, 2, 3, 4}, Binary: true},
		{Type: '2'},
		{Type: '6'},
	}, packets)
	for _, bad := range []string{"", "4a\x1e", "x", "b!"} {
		_, err := parsePayload(bad)
		require.Error(t, err, bad)
	}
}
