package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// samples returns valid JSON, and similar text that is not valid.
func samples() []string {
	list := []string{
		"", " ", "1", " 1 ", "-", "-0", "-01", "01", "00", "1.", ".5", "1.5", "1.5.5", "1e", "1e5", "1E+5", "1e-05", "1e+", "--1", "+1", "1a", "-a",
		"true", "tru", "truee", "True", "false", "fals", "null", "nul", "nulll", "t", "f", "n", "NaN",
		`""`, `"`, `"a`, `"a"`, `"a"b`, `"\"`, `"\""`, `"\\"`, `"\/\b\f\n\r\t"`, `"\a"`, `"\u12aF"`, `"\u12aG"`, `"\u12a"`, `"\u12`, `"\u`, `'a'`,
		"\"\x1f\"", "\"\x20\"", "\"\x7f\"", "\"\x80\xff\"", "\"\x00\"", "\"a\nb\"", "\"\t\"",
		"[]", "[", "]", "[ ]", "[,]", "[1,]", "[1,2]", "[1 2]", "[1]2", "[1]]", "[1}", "[[]]", "[[],[[]]]", "[[]",
		"{}", "{", "}", "{ }", "{]", `{"a"}`, `{"a":}`, `{"a":1}`, `{"a":1,}`, `{"a":1,"b":[]}`, `{"a":1 "b":2}`, `{a:1}`, `{1:1}`, `{"a" : { "b" : [ ] } }`,
		`{"a":1]`, `["a":1]`, `{"a",1}`, `{,}`, `{:}`, `[{"a":[{}]},{}]`, "\v1", "\u00a01", "1\x00", "[1,\r\n\t 2]", `[1]x`, `"a" "b"`,
	}
	for _, n := range []int{63, 64, 65, 128, 300, MaxDepth - 1, MaxDepth, MaxDepth + 1} {
		list = append(list,
			strings.Repeat("[", n)+strings.Repeat("]", n),
			strings.Repeat(`{"a":`, n)+"1"+strings.Repeat("}", n),
			strings.Repeat(`[{"a":`, n/2)+"1"+strings.Repeat("}]", n/2),
			strings.Repeat(`[{"a":`, n/2)+"1"+strings.Repeat("]}", n/2),
			strings.Repeat("[[],", n/2)+"1"+strings.Repeat("]", n/2),
		)
	}
	for n := range 20 { // each special character at each position in a word
		for _, end := range []string{`"`, `\"`, `\n"`, `\`, "\x1f\"", "\x80\"", `!"`, `#"`, `]"`, `["`} {
			list = append(list, `"`+strings.Repeat("x", n)+end, `"`+strings.Repeat("\xff", n)+end+`    `)
		}
	}
	return list
}

// TestValid: Valid returns the same as json.Valid.
func TestValid(t *testing.T) {
	for _, s := range samples() {
		require.Equal(t, json.Valid([]byte(s)), Valid([]byte(s)), "%.100q", s)
	}
}

func FuzzValid(f *testing.F) {
	for _, s := range samples() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		require.Equal(t, json.Valid(data), Valid(data))
	})
}

func BenchmarkValid(b *testing.B) {
	for name, text := range map[string]string{
		"short":   `["echo",1]`,
		"objects": "[" + strings.Repeat(`{"id":123,"name":"somebody","tags":["a","b"],"ok":true},`, 1000) + "1]",
		"string":  `["` + strings.Repeat("x", 500_000) + `"]`,
		"escapes": `["` + strings.Repeat(`\u00e4`, 80_000) + `"]`,
		"numbers": "[1" + strings.Repeat(",1", 250_000) + "]",
	} {
		data := []byte(text)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				Valid(data)
			}
		})
		b.Run(name+"/json", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				json.Valid(data)
			}
		})
	}
}
