package msgjson_test

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/msgjson"
)

func encode(tb testing.TB, text string, attachments ...[]byte) string {
	tb.Helper()
	w := msgjson.NewWriter()
	require.NoError(tb, w.JSON([]byte(text), attachments))
	return string(w.Bytes())
}

func decode(data string) (string, [][]byte, error) {
	r := msgjson.NewReader(data)
	defer r.Close()
	text, err := r.JSON(nil)
	if err == nil {
		err = r.End()
	}
	return string(text), r.Attachments(), err
}

func bytesOf(tb testing.TB, hexadecimal string) string {
	tb.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(hexadecimal, " ", ""))
	require.NoError(tb, err)
	return string(data)
}

// Each value keeps what JavaScript sees, and has the encoding of notepack.io.
func TestBothWays(t *testing.T) {
	for text, want := range map[string]string{
		`null`: "c0", `true`: "c3", `false`: "c2",
		`0`: "00", `127`: "7f", `128`: "cc80", `255`: "ccff", `256`: "cd0100", `65535`: "cdffff", `65536`: "ce00010000",
		`4294967295`: "ceffffffff", `4294967296`: "cf0000000100000000",
		`-1`: "ff", `-32`: "e0", `-33`: "d0df", `-128`: "d080", `-129`: "d1ff7f", `-32769`: "d2ffff7fff", `-2147483649`: "d3ffffffff7fffffff",
		`9007199254740991`: "cf001fffffffffffff", `9007199254740993`: "cf0020000000000001",
		`18446744073709551615`: "cfffffffffffffffff", `-9223372036854775808`: "d38000000000000000",
		`-0`: "cb8000000000000000", `1.5`: "cb3ff8000000000000", `-0.25`: "cbbfd0000000000000",
		`1e+300`: "cb7e37e43c8800759c", `1e-07`: "cb3e7ad7f29abcaf48", `100000000000000000000`: "cb4415af1d78b58c40",
		`""`: "a0", `"a"`: "a161", `"ж🎉"`: "a6d0b6f09f8e89", `"\u0000\u001f"`: "a2001f", `"\"\\/"`: "a3225c2f",
		`[]`: "90", `{}`: "80", `[1,[2,{"a":null}]]`: "9201920281a161c0", `{"":0,"b":[]}`: "82a000a16290",
		`[` + strings.Repeat("1,", 15) + `1]`:    "dc0010" + strings.Repeat("01", 16),
		`[` + strings.Repeat("1,", 65535) + `1]`: "dd00010000" + strings.Repeat("01", 65536),
		`"` + strings.Repeat("a", 32) + `"`:      "d920" + strings.Repeat("61", 32),
		`{"_placeholder":true,"num":0}`:          "82ac5f706c616365686f6c646572c3a36e756d00",
	} {
		require.Equal(t, want, hex.EncodeToString([]byte(encode(t, text))), text)
		got, attachments, err := decode(bytesOf(t, want))
		require.NoError(t, err, text)
		require.Equal(t, text, got)
		require.Empty(t, attachments)
	}
}

// These forms of JSON are the same values as others.
func TestOtherJSON(t *testing.T) {
	for text, same := range map[string]string{
		` [ 1 , { "a" : 2 } ] `:      `[1,{"a":2}]`,
		`"\u0061\/\b\f\n\r\t\u00e9"`: `"a/\u0008\u000c\u000a\u000d\u0009é"`,
		`"\ud83c\udf89"`:             `"🎉"`,
		`"\ud800"`:                   "\"\ufffd\"",
		`["a\udfff\"","\\"]`:         "[\"a\ufffd\\\"\",\"\\\\\"]",
		`"\ud83d\ud83dx"`:            "\"\ufffd\ufffdx\"",
		"\"a\xffb\"":                 `"a�b"`,
		"\"a\xffb\\n\"":              `"a�b\u000a"`,
		`1.0`:                        `1`,
		`-0.0`:                       `-0`,
		`1e3`:                        `1000`,
		`12345678901234567890123`:    `1.2345678901234568e+22`,
		`1e999`:                      `null`, // Infinity
		`{"a":1,"a":2}`:              `{"a":1,"a":2}`,
	} {
		got, _, err := decode(encode(t, text))
		require.NoError(t, err, text)
		require.Equal(t, same, got)
	}
}

// Other programs also write these.
func TestOtherMessagePack(t *testing.T) {
	for data, want := range map[string]string{
		"93 d40000 01 d40001":                      `[null,1,null]`, // undefined of notepack.io 2
		"82 a161 d40000 a162 02":                   `{"b":2}`,
		"82 a161 01 a162 d40000":                   `{"a":1}`,
		"d700 0000000000000000":                    `"1970-01-01T00:00:00.000Z"`, // a Date of notepack.io 2
		"d700 ffffffffffffffff":                    `"1969-12-31T23:59:59.999Z"`,
		"d700 7fffffffffffffff":                    `null`, // no Date
		"d6ff 65920080":                            `"2024-01-01T00:00:00.000Z"`,
		"d7ff 773593f865920080":                    `"2024-01-01T00:00:00.500Z"`,
		"c70cff 0ee6b280 ffffffffffffffff":         `"1969-12-31T23:59:59.250Z"`,
		"d7ff 0000000365920080":                    `"2432-04-21T19:24:48.000Z"`,
		"c70cff 00000000 0000003afff44180":         `"+010000-01-01T00:00:00.000Z"`,
		"c70cff 00000000 fffffff1868b8400":         `"0000-01-01T00:00:00.000Z"`,
		"c70cff 00000000 fffffff18469d280":         `"-000002-11-13T01:57:20.000Z"`,
		"ca 3fc00000":                              `1.5`,
		"ca 3dcccccd":                              `0.10000000149011612`,
		"cb 412e848000000000":                      `1000000`, // an integer, for receivers that want one
		"cb 7ff0000000000000":                      `null`,
		"cb 7ff8000000000001":                      `null`,
		"83 01 02 c0 03 c3 04":                     `{"1":2,"null":3,"true":4}`,
		"81 cb3ff8000000000000 c2":                 `{"1.5":false}`,
		"d9 01 61":                                 `"a"`,
		"da 0001 61":                               `"a"`,
		"db 00000001 61":                           `"a"`,
		"dc 0001 cc 01":                            `[1]`,
		"df 00000001 a161 d3 0000000000000001":     `{"a":1}`,
		"a4 ff c3 28 61":                           "\"\ufffd\ufffd(a\"",
		"a6 eda0bd edb8 80":                        "\"\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\"",
		"a2 eda0":                                  "\"\ufffd\ufffd\"",
		"82 ac5f706c616365686f6c646572 c3 a161 00": `{"_placeholder":true,"a":0}`,
	} {
		got, attachments, err := decode(bytesOf(t, data))
		require.NoError(t, err, want)
		require.Equal(t, want, got)
		require.Empty(t, attachments)
	}
}

func TestBinary(t *testing.T) {
	text := `["e",{"_placeholder":true,"num":0},{"a":{"_placeholder":true,"num":1}}]`
	data := encode(t, text, []byte{1, 2}, nil)
	require.Equal(t, "93a165c402010281a161c400", hex.EncodeToString([]byte(data)))
	got, attachments, err := decode(data)
	require.NoError(t, err)
	require.Equal(t, text, got)
	require.Equal(t, [][]byte{{1, 2}, {}}, attachments)

	// The order of the placeholders and of their keys does not matter.
	data = encode(t, `[{"num":1,"_placeholder":true},{"_placeholder":true, "num":0}]`, []byte{0}, []byte{1})
	require.Equal(t, "92c40101c40100", hex.EncodeToString([]byte(data)))
	// Other objects are data.
	data = encode(t, `[{"_placeholder":1,"num":0},{"_placeholder":true,"num":0}]`, []byte{0})
	require.True(t, strings.HasSuffix(data, "\xc4\x01\x00"))

	// An ArrayBuffer of notepack.io 2, and an unknown extension.
	for data, want := range map[string]string{
		"c70100 07":       `{"_placeholder":true,"num":0}`,
		"c8000100 07":     `{"_placeholder":true,"num":0}`,
		"c90000000100 07": `{"_placeholder":true,"num":0}`,
		"c50001 07":       `{"_placeholder":true,"num":0}`,
		"c600000001 07":   `{"_placeholder":true,"num":0}`,
		"d4fe 07":         `[-2,{"_placeholder":true,"num":0}]`,
	} {
		got, attachments, err := decode(bytesOf(t, data))
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, [][]byte{{7}}, attachments)
	}
}

func TestRefusedJSON(t *testing.T) {
	one := [][]byte{{1}}
	for _, c := range []struct {
		text        string
		attachments [][]byte
		want        string
	}{
		{``, nil, "JSON is malformed"},
		{`[1,]`, nil, "JSON is malformed"},
		{`[] []`, nil, "JSON is malformed"},
		{`"a`, nil, "JSON is malformed"},
		{strings.Repeat("[", msgjson.MaxDepth+1) + strings.Repeat("]", msgjson.MaxDepth+1), nil, "too deep"},
		{`[]`, one, "do not match"},
		{`[{"_placeholder":true,"num":1}]`, one, "do not match"},
		{`[{"_placeholder":true,"num":-1}]`, one, "do not match"},
		{`[{"_placeholder":true}]`, one, "do not match"},
		{`[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`, one, "do not match"},
	} {
		require.ErrorContains(t, msgjson.NewWriter().JSON([]byte(c.text), c.attachments), c.want, c.text)
	}
	require.NoError(t, msgjson.NewWriter().JSON([]byte(strings.Repeat("[", msgjson.MaxDepth)+strings.Repeat("]", msgjson.MaxDepth)), nil))
}

// hostile are inputs that must fail, and that claim more than they have.
var hostile = []string{
	"", "93", "c1", "93a7656d6974", "dd7fffffff", "ddffffffff", "df7fffffff", "dfffffffff", "dc", "dcffff", "dbffffffff61",
	"c6ffffffff61", "c9ffffffff00", "c9ffffffff", "d7ff00", "d6", "a3 61", "cd00", "cb00000000000000", "8161", "81 90 01", "81 c40100 01",
	"c7 05 ff 0000000000", "92 c40101 81 ac5f706c616365686f6c646572 c3", "00 00",
}

func TestRefusedMessagePack(t *testing.T) {
	for _, data := range hostile {
		_, _, err := decode(bytesOf(t, data))
		require.Error(t, err, data)
	}
	deep := func(depth int) string { return strings.Repeat("\x91", depth) + "\xc0" }
	_, _, err := decode(deep(msgjson.MaxDepth + 1))
	require.ErrorContains(t, err, "too deep")
	_, _, err = decode(deep(msgjson.MaxDepth))
	require.NoError(t, err)
}

// What claims a great length fails without allocating for it.
func TestAllocatedForHostileInput(t *testing.T) {
	inputs := make([]string, len(hostile))
	for i, data := range hostile {
		inputs[i] = bytesOf(t, data)
		_, _, _ = decode(inputs[i]) // the pool has what it needs
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, data := range inputs {
		_, _, _ = decode(data)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1024*len(inputs)))
}

func TestRaw(t *testing.T) {
	value := encode(t, `[1,-1,300,70000,5000000000,-200,-40000,-5000000000,1.5,"a",null,true,{"a":[{}],"b":"`+strings.Repeat("x", 300)+`"}]`)
	value = "\x93" + value + bytesOf(t, "c40107 d7ff0000000000000000")
	r := msgjson.NewReader(value + "\x05")
	defer r.Close()
	raw, err := r.Raw()
	require.NoError(t, err)
	require.Equal(t, value, raw)
	text, err := r.Text()
	require.NoError(t, err)
	require.Equal(t, "5", text)
	require.NoError(t, r.End())

	deep := msgjson.NewReader(strings.Repeat("\x91", 1<<20) + "\x00")
	defer deep.Close()
	_, err = deep.Raw()
	require.NoError(t, err)
	for _, data := range []string{"", "c1", "93", "dd7fffffff", "dbffffffff61", "c9ffffffff00", "cd00", "a361", "8161", "d7ff00"} {
		r := msgjson.NewReader(bytesOf(t, data))
		_, err := r.Raw()
		require.Error(t, err, data)
		r.Close()
	}
}

// javaScript is a JSON value as JavaScript sees it.
func javaScript(tb testing.TB, text string) any {
	tb.Helper()
	var v any
	require.NoError(tb, json.Unmarshal([]byte(text), &v), text)
	return v
}

func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`["e",null,true,-0,1.5,1e300,9007199254740993,"\ud800x",{"a":[{}]}]`, `[ 1 , "\u0000\n🎉" ]`, `{"_placeholder":true,"num":0}`, `1e-7`, `[[[[]]]]`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w := msgjson.NewWriter()
		if w.JSON([]byte(text), nil) != nil {
			return
		}
		got, attachments, err := decode(string(w.Bytes()))
		require.NoError(t, err)
		require.Empty(t, attachments)
		if strings.ContainsAny(text, "eE") && hasInfinity(text) {
			return
		}
		if utf8.ValidString(text) {
			require.Equal(t, javaScript(t, text), javaScript(t, got))
		}
		again, _, err := decode(encode(t, got))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

// hasInfinity reports whether a number is too large for JavaScript.
func hasInfinity(text string) bool {
	var v any
	return json.Unmarshal([]byte(text), &v) != nil
}

func FuzzMessagePack(f *testing.F) {
	for _, data := range hostile {
		f.Add([]byte(bytesOf(f, data)))
	}
	f.Add([]byte(encode(f, `["e",{"_placeholder":true,"num":0},{"a":1.5}]`, []byte{1})))
	f.Add([]byte(bytesOf(f, "94d40000d7000000000000000000d6ff65920080a6eda0bdedb880")))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, attachments, err := decode(string(data))
		r := msgjson.NewReader(string(data))
		defer r.Close()
		_, skipped := r.Raw()
		if err != nil {
			return
		}
		require.NoError(t, skipped)
		require.True(t, json.Valid([]byte(text)), text)
		require.LessOrEqual(t, len(text), 64*len(data)+64)
		w := msgjson.NewWriter()
		require.NoError(t, w.JSON([]byte(text), attachments))
		again, _, err := decode(string(w.Bytes()))
		require.NoError(t, err)
		require.Equal(t, javaScript(t, text), javaScript(t, again))
	})
}

func TestNumbersOfJavaScript(t *testing.T) {
	for _, f := range []float64{0, 1, -1, 0.1, 1 << 53, -(1 << 53), 1<<53 + 2, math.MaxFloat64, math.SmallestNonzeroFloat64, 1e21, 1e20, 1e-6, 9.99e-7} {
		text, err := json.Marshal(f)
		require.NoError(t, err)
		got, _, err := decode(encode(t, string(text)))
		require.NoError(t, err)
		require.Equal(t, f, javaScript(t, got))
	}
}
