package parser

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/parser/reconstruct"
)

func FuzzDecode(f *testing.F) {
	for _, text := range invalidPackets {
		f.Add([]byte(text))
	}
	for _, text := range hugePackets(1000) {
		f.Add([]byte(text))
	}
	for _, text := range []string{
		`0`, `0/admin,{"sid":"x"}`, `1/admin,`, `2["foo"]`, `2/admin,1["tellme",{"a":[1,2]}]`, `3/admin,13["bar"]`, `4{"message":"x"}`, `4"x"`, `2[1.5e3,null]`,
		`51-["baz",{"_placeholder":true,"num":0}]`, `610-/admin,15[{"_placeholder":true,"num":9},{"\u005fplaceholder":true,"num":8}]`, `2["\ud800",1]`, `20007[ "a" , "b" ] `,
	} {
		f.Add([]byte(text))
	}
	for _, object := range invalidPlaceholders {
		f.Add([]byte(`52-["e",` + object + `]`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Decode(text)
		if err != nil {
			require.Zero(t, p)
			return
		}
		attachments := make([][]byte, p.Attachments)
		encoded := AppendPacket(nil, p.Type, string(p.Namespace), p.ID, p.HasID, Payload{JSON: p.Data, Attachments: attachments})
		again, err := Decode(encoded)
		require.NoError(t, err)
		require.Equal(t, p, again)

		switch p.Type {
		case Event, Ack:
			args, err := SplitArgs(p.Data, nil)
			require.NoError(t, err)
			decodeAll(args)
			if p.Type == Event {
				_, err := EventName(args.Raw(0))
				require.NoError(t, err)
			}
		case BinaryEvent, BinaryAck:
			if args, err := SplitArgs(p.Data, attachments); err == nil {
				decodeAll(args)
			}
		}
	})
}

// decodeAll decodes the arguments into types of several kinds. It must not
// panic.
func decodeAll(args Args) {
	for i := range args.Len() {
		for _, dst := range []any{new(any), new(photo), new(loop), new([]byte), new(map[string]Binary), new([]any)} {
			_ = args.Decode(i, dst)
		}
	}
}

func FuzzArgs(f *testing.F) {
	for _, object := range invalidPlaceholders {
		f.Add([]byte(`["e",`+object+`]`), []byte("one"), []byte("two"))
	}
	for _, data := range []string{
		`[]`, `[1,[2],{"a":"]"}]`, `["\"\\",""]`, `[{"_placeholder":true,"num":0},[{"a":{"num":1,"_placeholder":true}}]]`, `["AQ==\n\r"]`,
		`[{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":1}}]`, `[{"_placeholder":false,"\u005fplaceholder":true,"num":"x","num":1}]`,
		`[`, `[}`, `["`, `[1,]`, `[{"_placeholder":true,"num":0]]`, `[{"_placeholder"}]`, `[{"_placeholder":true:"num":0}]`, `[1,2,3,4,5,6,7,8,9,10]`,
	} {
		f.Add([]byte(data), []byte(""), []byte{0, 255})
	}
	f.Fuzz(func(t *testing.T, data, one, two []byte) {
		valid := json.Valid(data)
		if args, err := SplitArgs(data, nil); valid && len(data) > 0 && data[0] == '[' {
			require.NoError(t, err)
			var want []json.RawMessage
			require.NoError(t, json.Unmarshal(data, &want))
			require.Equal(t, len(want), args.Len())
			for i := range want {
				require.Equal(t, string(want[i]), string(args.Raw(i)))
			}
		}
		attachments := [][]byte{one, two}
		args, err := SplitArgs(data, attachments)
		if err != nil {
			return
		}
		decodeAll(args)
		if !valid || bytes.Contains(data, []byte(reconstruct.EscapedMark)) {
			return
		}
		for i := range args.Len() {
			var tree, got any
			if json.Unmarshal(args.Raw(i), &tree) != nil {
				continue // a number is out of range
			}
			require.NoError(t, args.Decode(i, &got))
			require.Equal(t, insertAttachments(tree, attachments), got)
		}
	})
}

// insertAttachments replaces placeholders in a decoded value by attachments, in
// a slow and simple way.
func insertAttachments(tree any, attachments [][]byte) any {
	switch tree := tree.(type) {
	case []any:
		for i := range tree {
			tree[i] = insertAttachments(tree[i], attachments)
		}
	case map[string]any:
		if tree["_placeholder"] == true {
			return append([]byte{}, attachments[int(tree["num"].(float64))]...)
		}
		for name := range tree {
			tree[name] = insertAttachments(tree[name], attachments)
		}
	}
	return tree
}

func FuzzBinaryRoundTrip(f *testing.F) {
	f.Add("message", "text", []byte("one"), []byte{}, uint8(0))
	f.Add("1", "_placeholder", []byte{0, 255}, []byte("\n\r"), uint8(3))
	f.Add("a\"\\\u2028", "AQ==\n\r", []byte{1}, []byte{1}, uint8(200))
	f.Add("connect", "\xff", []byte(nil), []byte(`{"_placeholder":true,"num":0}`), uint8(9))
	f.Fuzz(func(t *testing.T, event, text string, one, two []byte, depth uint8) {
		if Reserved(event) {
			_, err := EncodeEvent(event, nil)
			require.ErrorIs(t, err, ErrReservedEvent)
			return
		}
		event, text = strings.ToValidUTF8(event, "?"), strings.ToValidUTF8(text, "?")
		one, two = append([]byte{}, one...), append([]byte{}, two...) // a nil []byte would be null
		var nested any = two
		for i := range depth {
			if i%2 == 0 {
				nested = []any{text, nested}
			} else {
				nested = map[string]any{text: nested, text + "2": text}
			}
		}
		sent := document{
			Text: text, Content: one, Plain: two, List: []Binary{two, nil}, Map: map[string]any{text: nested},
			Pointer: &document{Any: map[string]any{"any": one}},
		}
		name, args, err := roundTrip(event, []any{nested, sent, text, one})
		require.NoError(t, err)
		require.Equal(t, event, name)

		var gotNested any
		var got document
		var gotText string
		var gotOne Binary
		for i, dst := range []any{&gotNested, &got, &gotText, &gotOne} {
			require.NoError(t, args.Decode(i, dst))
		}
		require.True(t, reflect.DeepEqual(nested, gotNested))
		require.Equal(t, sent, got)
		require.Equal(t, text, gotText)
		require.Equal(t, Binary(one), gotOne)
	})
}
