package parser

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplitArgs(t *testing.T) {
	tests := []struct {
		data string
		want []string
	}{
		{`[]`, nil},
		{" [ ] \n", nil},
		{`[1]`, []string{`1`}},
		{`["foo"]`, []string{`"foo"`}},
		{` `[:0] + `[ "a" , 2 ,null ]`, []string{`"a"`, `2`, `null`}},
		{`["a,b","]","\"","\\"]`, []string{`"a,b"`, `"]"`, `"\""`, `"\\"`}},
		{`["a",{"b":[1,{"c":"}"}]},[[],[]],{},true]`, []string{`"a"`, `{"b":[1,{"c":"}"}]}`, `[[],[]]`, `{}`, `true`}},
		{`[1,2,3,4,5,6,7,8]`, strings.Split("12345678", "")},
		{`[1,2,3,4,5,6,7,8,9]`, strings.Split("123456789", "")},
		{`[{"_placeholder":true,"num":"x"}]`, []string{`{"_placeholder":true,"num":"x"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.data, func(t *testing.T) {
			args, err := SplitArgs([]byte(strings.TrimLeft(tt.data, " ")), nil)
			require.NoError(t, err)
			require.Equal(t, tt.want, rawArgs(args))
		})
	}
}

func rawArgs(args Args) []string {
	var all []string
	for i := range args.Len() {
		all = append(all, string(args.Raw(i)))
	}
	return all
}

func TestSplitArgsRefusesInvalidData(t *testing.T) {
	invalid := []string{
		``, ` `, `1`, `{}`, `[`, `[1`, `[1,`, `[1,]`, `[,]`, `[,1]`, `[1 2]`, `["a`, `["a]`, `["a\"]`, `[]]`, `[1]]`, `[1]x`, `[{]`,
		`[}`, `[}]`, `[:]`, `["a"b]`, `[1"a"]`, `null`, "[\"a\\", "[\"", "[" + strings.Repeat("[", 1000),
	}
	for _, data := range invalid {
		t.Run(data, func(t *testing.T) {
			_, err := SplitArgs([]byte(data), nil)
			require.Error(t, err)
			_, err = SplitArgs([]byte(data), [][]byte{{1}})
			require.Error(t, err)
		})
	}
}

func TestSplitArgsAllocatesItsSpansOnly(t *testing.T) {
	for _, n := range []int{1, 8, 9, 10_000} {
		data := []byte(`[` + strings.Repeat(`0,`, n-1) + `0]`)
		require.LessOrEqual(t, testing.AllocsPerRun(20, func() {
			if _, err := SplitArgs(data, nil); err != nil {
				panic(err)
			}
		}), 1.0)
		require.LessOrEqual(t, allocated(func() { _, _ = SplitArgs(data, nil) }), uint64(12*n+256))
	}
}

func TestFrom(t *testing.T) {
	args, err := SplitArgs([]byte(`["e",{"_placeholder":true,"num":0},2]`), [][]byte{{7}})
	require.NoError(t, err)
	rest := args.From(1)
	require.Equal(t, 2, rest.Len())
	var content []byte
	require.NoError(t, rest.Decode(0, &content))
	require.Equal(t, []byte{7}, content)
	require.Equal(t, []string{`2`}, rawArgs(rest.From(1)))
	require.Zero(t, rest.From(2).Len())
	require.Zero(t, rest.From(99).Len())
	require.Zero(t, Args{}.From(1).Len())
}

func TestDecodeArgument(t *testing.T) {
	args, err := SplitArgs([]byte(`["e",{"a":[1,2]},"x"]`), nil)
	require.NoError(t, err)
	var object struct{ A []int }
	require.NoError(t, args.Decode(1, &object))
	require.Equal(t, []int{1, 2}, object.A)

	var number int
	require.Error(t, args.Decode(2, &number))
	require.EqualError(t, args.Decode(3, &number), "argument 4 is missing, there are 3")
	require.Error(t, args.Decode(-1, &number))
	require.Error(t, args.Decode(0, nil))
	require.Error(t, args.Decode(0, number))
}

func TestPlaceholderWithoutAttachmentsIsData(t *testing.T) {
	args, err := SplitArgs([]byte(`["e",{"_placeholder":true,"num":0}]`), nil)
	require.NoError(t, err)
	var got any
	require.NoError(t, args.Decode(1, &got))
	require.Equal(t, map[string]any{"_placeholder": true, "num": 0.0}, got)
}

func TestPlaceholders(t *testing.T) {
	tests := map[string]struct {
		data string
		want any
	}{
		"second":            {`{"_placeholder":true,"num":1}`, []byte("two")},
		"keys swapped":      {`{"num":1,"_placeholder":true}`, []byte("two")},
		"white space":       {"{ \"_placeholder\" :\n true , \"num\"\t: 1 }", []byte("two")},
		"extra keys":        {`{"a":{"num":7},"_placeholder":true,"b":[9],"num":0,"c":"num"}`, []byte("one")},
		"last one wins":     {`{"_placeholder":false,"num":"x","_placeholder":true,"num":0}`, []byte("one")},
		"escaped keys":      {`{"\u005fplaceholder":true,"n\u0075m":1}`, []byte("two")},
		"all escaped":       {`{"\u005f\u0070\u006c\u0061\u0063\u0065\u0068\u006f\u006c\u0064\u0065\u0072":true,"num":1}`, []byte("two")},
		"inside a key":      {`{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":1}}`, []byte("one")},
		"false":             {`{"_placeholder":false,"num":9}`, map[string]any{"_placeholder": false, "num": 9.0}},
		"last is false":     {`{"_placeholder":true,"num":1,"_placeholder":0}`, map[string]any{"_placeholder": 0.0, "num": 1.0}},
		"a string":          {`{"_placeholder":"true","num":9}`, map[string]any{"_placeholder": "true", "num": 9.0}},
		"an object":         {`{"_placeholder":{"_placeholder":false}}`, map[string]any{"_placeholder": map[string]any{"_placeholder": false}}},
		"values, not keys":  {`["_placeholder",true,"num",9]`, []any{"_placeholder", true, "num", 9.0}},
		"a value like keys": {`{"a":"_placeholder","b":true}`, map[string]any{"a": "_placeholder", "b": true}},
		"another case":      {`{"_Placeholder":true,"num":9}`, map[string]any{"_Placeholder": true, "num": 9.0}},
		"deep":              {`[[{"a":[{"_placeholder":true,"num":1}]}],"x"]`, []any{[]any{map[string]any{"a": []any{[]byte("two")}}}, "x"}},
		"two":               {`{"b":{"_placeholder":true,"num":1},"a":{"_placeholder":true,"num":0}}`, map[string]any{"a": []byte("one"), "b": []byte("two")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			args, err := SplitArgs([]byte(`["e",`+tt.data+`,1]`), [][]byte{[]byte("one"), []byte("two")})
			require.NoError(t, err)
			require.Equal(t, tt.data, string(args.Raw(1)))
			var got any
			require.NoError(t, args.Decode(1, &got))
			require.Equal(t, tt.want, got)
		})
	}
}

// invalidPlaceholders has objects without the number of one of two attachments.
var invalidPlaceholders = []string{
	`{"_placeholder":true}`, `{"_placeholder":true,"num":null}`, `{"_placeholder":true,"num":"0"}`, `{"_placeholder":true,"num":"splice"}`,
	`{"_placeholder":true,"num":-1}`, `{"_placeholder":true,"num":-0}`, `{"_placeholder":true,"num":0.0}`, `{"_placeholder":true,"num":0.5}`,
	`{"_placeholder":true,"num":1e0}`, `{"_placeholder":true,"num":1E0}`, `{"_placeholder":true,"num":2}`, `{"_placeholder":true,"num":99999}`,
	`{"_placeholder":true,"num":18446744073709551616}`, `{"_placeholder":true,"num":1` + strings.Repeat("0", 400) + `}`,
	`{"_placeholder":true,"num":true}`, `{"_placeholder":true,"num":[0]}`, `{"_placeholder":true,"num":{}}`, `{"_placeholder":true,"Num":0}`,
	`{"num":0,"_placeholder":true,"num":"x"}`, `{"_placeholder":false,"_placeholder":true,"num":9}`, `{"a":[[{"_placeholder":true}]]}`,
	`{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":9}}`, `{"\u005fplaceholder":true}`,
	`[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`, `{"_placeholder":true,"x":{"num":0}}`,
}

func TestSplitArgsRefusesInvalidPlaceholders(t *testing.T) {
	for _, object := range invalidPlaceholders {
		t.Run(object, func(t *testing.T) {
			_, err := SplitArgs([]byte(`["e",`+object+`]`), [][]byte{{1}, {2}})
			require.Error(t, err)
		})
	}
	_, err := SplitArgs([]byte(`["e",{"_placeholder":true,"num":0}]`), [][]byte{})
	require.Error(t, err, "no attachments at all")
}

type photo struct {
	Name    string
	Plain   []byte
	Content Binary
	Any     any
	Pointer *Binary
	List    []Binary
	Map     map[string]any
	Nested  []nested
	Skipped any `json:"-"`
	embeddedPhoto
}

type nested struct{ Any any }

type embeddedPhoto struct{ Inner any }

func TestAttachmentsDecodeAtEveryDepth(t *testing.T) {
	placeholder := func(n int) string { return fmt.Sprintf(`{"_placeholder":true,"num":%d}`, n) }
	data := `["e",{"name":"x","plain":` + placeholder(0) + `,"content":` + placeholder(1) + `,"any":` + placeholder(2) + `,"pointer":` + placeholder(3) +
		`,"list":[` + placeholder(4) + `,` + placeholder(5) + `],"map":{"a":{"b":[` + placeholder(6) + `]},"c":"text"},"nested":[{"any":[` + placeholder(7) + `]},{"any":` + placeholder(8) +
		`}],"Inner":` + placeholder(9) + `}]`
	content := func(n int) []byte { return []byte{byte(n), 255, 0} }
	var attachments [][]byte
	for i := range 10 {
		attachments = append(attachments, content(i))
	}
	args, err := SplitArgs([]byte(data), attachments)
	require.NoError(t, err)
	third := Binary(content(3))
	want := photo{
		Name: "x", Plain: content(0), Content: content(1), Any: content(2), Pointer: &third,
		List:          []Binary{content(4), content(5)},
		Map:           map[string]any{"a": map[string]any{"b": []any{content(6)}}, "c": "text"},
		Nested:        []nested{{[]any{content(7)}}, {content(8)}},
		embeddedPhoto: embeddedPhoto{content(9)},
	}
	var first, second photo
	require.NoError(t, args.Decode(1, &first))
	require.Equal(t, want, first)
	first.Plain[0], first.Any.([]byte)[0] = 'x', 'x'
	require.NoError(t, args.Decode(1, &second))
	require.Equal(t, want, second, "the results share memory")
}

// TestAttachmentsDecodeIntoStrings: strings and a RawMessage receive plain
// base64, also in a struct with interfaces.
func TestAttachmentsDecodeIntoStrings(t *testing.T) {
	type texts struct {
		Text  string
		Texts map[string]string
		Raw   json.RawMessage
		Any   any
	}
	data := `["e",{"Text":{"_placeholder":true,"num":0},"Texts":{"a":{"_placeholder":true,"num":1}},` +
		`"Raw":[{"_placeholder":true,"num":2}],"Any":{"_placeholder":true,"num":3}}]`
	args, err := SplitArgs([]byte(data), [][]byte{[]byte("hello"), []byte("map"), []byte("raw"), []byte("any")})
	require.NoError(t, err)

	var got texts
	require.NoError(t, args.Decode(1, &got))

	require.Equal(t, texts{"aGVsbG8=", map[string]string{"a": "bWFw"}, json.RawMessage(`["cmF3"]`), []byte("any")}, got)
}

func TestAttachmentDecodesIntoTheWholeArgument(t *testing.T) {
	for _, content := range []string{"", "x", "hello"} {
		args, err := SplitArgs([]byte(`["e",{"_placeholder":true,"num":0}]`), [][]byte{[]byte(content)})
		require.NoError(t, err)

		var plain []byte
		require.NoError(t, args.Decode(1, &plain))
		require.Equal(t, []byte(content), plain)

		var binary Binary
		require.NoError(t, args.Decode(1, &binary))
		require.Equal(t, Binary(content), binary)

		var untyped any
		require.NoError(t, args.Decode(1, &untyped))
		require.Equal(t, []byte(content), untyped)

		var pointer *Binary
		require.NoError(t, args.Decode(1, &pointer))
		require.Equal(t, Binary(content), *pointer)

		var text string
		require.NoError(t, args.Decode(1, &text))
		require.Equal(t, base64.StdEncoding.EncodeToString([]byte(content)), text)

		var inside any = new(Binary)
		require.NoError(t, args.Decode(1, inside))
		require.Equal(t, Binary(content), *inside.(*Binary))
		require.NoError(t, args.Decode(1, &inside))

		var number int
		require.Error(t, args.Decode(1, &number))
		require.Error(t, args.Decode(1, (*[]byte)(nil)))
		require.Error(t, args.Decode(1, (*Binary)(nil)))
		require.Error(t, args.Decode(1, (*any)(nil)))
		require.Error(t, args.Decode(1, nil))
	}
}

// loop is a recursive type whose values can contain themselves.
type loop struct {
	Next *loop
	All  map[string]loop
	Any  any
}

func TestAttachmentsDecodeIntoRecursiveTypes(t *testing.T) {
	args, err := SplitArgs([]byte(`["e",{"Any":{"_placeholder":true,"num":0},"All":{"a":{"Any":{"_placeholder":true,"num":1}}}}]`), [][]byte{{1}, {2}})
	require.NoError(t, err)
	dst := &loop{}
	dst.Next = dst
	require.NoError(t, args.Decode(1, dst))
	require.Equal(t, []byte{1}, dst.Any)
	require.Equal(t, []byte{2}, dst.All["a"].Any)
}

func TestAttachmentsDecodeThroughPointerInInterface(t *testing.T) {
	args, err := SplitArgs([]byte(`[{"Any":{"_placeholder":true,"num":0}}]`), [][]byte{{1}})
	require.NoError(t, err)
	target := &nested{}
	var dst any = target
	require.NoError(t, args.Decode(0, &dst))
	require.Equal(t, []byte{1}, target.Any)
}

// wrapped has an UnmarshalJSON method that decodes into another type.
type wrapped struct{ Any any }

func (w *wrapped) UnmarshalJSON(data []byte) error {
	type plain wrapped
	return json.Unmarshal(data, (*plain)(w))
}

func TestAttachmentsDecodeIntoTypesWithUnmarshalJSON(t *testing.T) {
	args, err := SplitArgs([]byte(`[{"Any":{"_placeholder":true,"num":0}}]`), [][]byte{{1}})
	require.NoError(t, err)
	var dst []wrapped
	require.Error(t, args.Decode(0, &dst))
	var one wrapped
	require.NoError(t, args.Decode(0, &one))
	require.Equal(t, []byte{1}, one.Any)
	var raw json.RawMessage
	require.NoError(t, args.Decode(0, &raw))
	require.JSONEq(t, `{"Any":"AQ=="}`, string(raw))
}

func TestOtherBase64StaysText(t *testing.T) {
	args, err := SplitArgs([]byte(`[["AQ==",{"_placeholder":true,"num":0},"AQ==\n"]]`), [][]byte{{1}})
	require.NoError(t, err)
	var dst any
	require.NoError(t, args.Decode(0, &dst))
	require.Equal(t, []any{"AQ==", []byte{1}, "AQ==\n"}, dst)
}

func TestLargeAttachmentIsNotMultiplied(t *testing.T) {
	many := strings.Repeat(`{"_placeholder":true,"num":0},`, 10_000)
	_, err := SplitArgs([]byte(`["e",`+many+`0]`), [][]byte{make([]byte, 1_000_000)})
	require.ErrorIs(t, err, ErrAmbiguous)
}

func TestSplitArgsOfHugeData(t *testing.T) {
	const size = 1_000_000
	for name, text := range hugePackets(size) {
		t.Run(name, func(t *testing.T) {
			data := []byte(text[strings.IndexAny(text+`["`, `["`):])
			got := allocated(func() { _, _ = SplitArgs(data, [][]byte{{1}}) })
			require.Less(t, got, uint64(2<<20))
		})
	}
}

func TestDecodingIsLinear(t *testing.T) {
	data := map[string]func(n int) string{
		"elements":  func(n int) string { return `["e",` + strings.Repeat(`0,`, n) + `{"_placeholder":true,"num":0}]` },
		"objects":   func(n int) string { return `[[` + strings.Repeat(`{"num":0,"_placeholder":false},`, n) + `0]]` },
		"depth":     func(n int) string { return `["e",` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `]` },
		"escapes":   func(n int) string { return `["` + strings.Repeat(`\\`, n) + `","` + strings.Repeat(`\"`, n) + `"]` },
		"long keys": func(n int) string { return `[{"` + strings.Repeat(`\u005f`, n) + `":true}]` },
	}
	for name, generate := range data {
		t.Run(name, func(t *testing.T) {
			cost := func(n int) uint64 {
				text := []byte(generate(n))
				return allocated(func() {
					args, err := SplitArgs(text, [][]byte{{1}})
					if err != nil {
						panic(err)
					}
					for i := range args.Len() {
						var dst any
						_ = args.Decode(i, &dst)
					}
				})
			}
			require.LessOrEqual(t, cost(8000), 3*cost(4000)+4096)
		})
	}
}

func BenchmarkSplitArgs(b *testing.B) {
	plain := []byte(`["message",{"room":"lobby","text":"hello world","at":1700000000,"tags":["a","b"]}]`)
	binary := []byte(`["message",{"name":"a.png","content":{"_placeholder":true,"num":0}}]`)
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = SplitArgs(plain, nil)
		}
	})
	b.Run("binary", func(b *testing.B) {
		b.ReportAllocs()
		attachments := [][]byte{make([]byte, 1024)}
		for b.Loop() {
			_, _ = SplitArgs(binary, attachments)
		}
	})
}

func BenchmarkDecodeArgument(b *testing.B) {
	attachments := [][]byte{make([]byte, 1024)}
	args, err := SplitArgs([]byte(`[{"_placeholder":true,"num":0}]`), attachments)
	require.NoError(b, err)
	deep, err := SplitArgs([]byte(`[{"name":"a.png","content":{"_placeholder":true,"num":0}}]`), attachments)
	require.NoError(b, err)
	run := func(name string, args Args, dst func() any) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := args.Decode(0, dst()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("binary 1KiB", args, func() any { return new(Binary) })
	run("struct with binary 1KiB", deep, func() any { return new(struct{ Content Binary }) })
	run("any with binary 1KiB", deep, func() any { return new(any) })
}
