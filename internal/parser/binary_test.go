package parser

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/parser/attachment"
)

type (
	namedMap   map[string]any
	namedList  []any
	namedKey   string
	namedBytes []byte
	namedPtr   *Binary
)

type inner struct{ Data Binary }

type Exported struct{ Data Binary }

// aliased has a MarshalJSON method that encodes another type.
type aliased struct{ Data Binary }

func (a aliased) MarshalJSON() ([]byte, error) {
	type plain aliased
	return json.Marshal(struct {
		Kind string
		plain
	}{"aliased", plain(a)})
}

// hexText has a MarshalText method that writes hexadecimal digits.
type hexText struct{ Data Binary }

func (h hexText) MarshalText() ([]byte, error) {
	return []byte("hex:" + hex.EncodeToString(h.Data)), nil
}

// prefixed has a MarshalJSON method that writes text before the base64.
type prefixed struct{ Data Binary }

func (p *prefixed) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(p.Data)
	return []byte(`"data:` + string(text[1:])), err
}

// suffixed has a MarshalJSON method that writes text after the base64.
type suffixed struct{ Data Binary }

func (s suffixed) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(s.Data)
	return append(text[:len(text)-1], `.png"`...), err
}

const (
	p0 = `{"_placeholder":true,"num":0}`
	p1 = `{"_placeholder":true,"num":1}`
	p2 = `{"_placeholder":true,"num":2}`
)

func TestBinaryBecomesAttachments(t *testing.T) {
	x, y := Binary("xx"), Binary("yy")
	tests := map[string]struct {
		args []any
		want string
		data []string
	}{
		"a []byte":               {[]any{[]byte("xx")}, `[` + p0 + `]`, []string{"xx"}},
		"a Binary":               {[]any{"a", x, 1, y}, `["a",` + p0 + `,1,` + p1 + `]`, []string{"xx", "yy"}},
		"empty":                  {[]any{[]byte{}, Binary{}, []any{Binary{}}}, `[` + p0 + `,` + p1 + `,[` + p2 + `]]`, []string{"", "", ""}},
		"map[string]any":         {[]any{map[string]any{"a": []byte("xx"), "b": y}}, `[{"a":` + p0 + `,"b":` + p1 + `}]`, []string{"xx", "yy"}},
		"[]any":                  {[]any{[]any{[]byte("xx"), y, "z"}}, `[[` + p0 + `,` + p1 + `,"z"]]`, []string{"xx", "yy"}},
		"named types":            {[]any{namedMap{"a": namedList{[]byte("xx")}}, map[namedKey]any{"b": []byte("yy")}}, `[{"a":[` + p0 + `]},{"b":` + p1 + `}]`, []string{"xx", "yy"}},
		"pointers":               {[]any{&map[string]any{"a": &[]any{[]byte("xx")}}}, `[{"a":[` + p0 + `]}]`, []string{"xx"}},
		"struct field":           {[]any{inner{x}, &inner{y}}, `[{"Data":` + p0 + `},{"Data":` + p1 + `}]`, []string{"xx", "yy"}},
		"map of structs":         {[]any{map[string]inner{"a": {x}}}, `[{"a":{"Data":` + p0 + `}}]`, []string{"xx"}},
		"slices and arrays":      {[]any{[]Binary{x}, [2]Binary{y}, [][]*Binary{{&x, nil}}}, `[[` + p0 + `],[` + p1 + `,null],[[` + p2 + `,null]]]`, []string{"xx", "yy", "xx"}},
		"map of Binary":          {[]any{map[int]Binary{3: x}}, `[{"3":` + p0 + `}]`, []string{"xx"}},
		"named pointer":          {[]any{struct{ P namedPtr }{&x}}, `[{"P":` + p0 + `}]`, []string{"xx"}},
		"interface in a struct":  {[]any{struct{ A, B any }{x, []any{[]byte("yy")}}}, `[{"A":` + p0 + `,"B":[` + p1 + `]}]`, []string{"xx", "yy"}},
		"interface with methods": {[]any{[]fmt.Stringer{stringer{x}}}, `[[{"Data":` + p0 + `}]]`, []string{"xx"}},
		"embedded":               {[]any{struct{ Binary }{x}, struct{ Exported }{Exported{y}}}, `[{"Binary":` + p0 + `},{"Data":` + p1 + `}]`, []string{"xx", "yy"}},
		"embedded, unexported":   {[]any{struct{ inner }{inner{x}}, struct{ *inner }{&inner{y}}}, `[{"Data":` + p0 + `},{"Data":` + p1 + `}]`, []string{"xx", "yy"}},
		"embedded pointer":       {[]any{struct{ *Exported }{&Exported{x}}, struct{ *Exported }{}}, `[{"Data":` + p0 + `},{}]`, []string{"xx"}},
		"order of appearance":    {[]any{map[string]any{"b": x, "a": y}}, `[{"a":` + p0 + `,"b":` + p1 + `}]`, []string{"yy", "xx"}},
		"tags": {[]any{struct {
			A Binary `json:"a,omitempty"`
			B Binary `json:"b,omitempty"`
			C Binary `json:"c,omitzero"`
			D Binary `json:"-"`
			E Binary `json:"e"`
			f Binary
		}{A: x, B: Binary{}, D: y, f: y}}, `[{"a":` + p0 + `,"e":null}]`, []string{"xx"}},
		"shadowed field": {[]any{struct {
			Outer1
			Outer2
		}{Outer1{x}, Outer2{y}}, y}, `[{},` + p0 + `]`, []string{"yy"}},
		"a []byte elsewhere":     {[]any{struct{ A any }{[]byte("x")}, map[string][]byte{"a": []byte("x")}, [][]byte{[]byte("x")}, &[]byte{'x'}, []any{namedBytes("x")}, map[int]any{1: []byte("x")}}, `[{"A":"eA=="},{"a":"eA=="},["eA=="],"eA==",["eA=="],{"1":"eA=="}]`, nil},
		"beside a Binary":        {[]any{struct{ A, B any }{[]byte("x"), y}}, `[{"A":"eA==","B":` + p0 + `}]`, []string{"yy"}},
		"own MarshalJSON":        {[]any{aliased{x}, []any{&aliased{y}}}, `[{"Kind":"aliased","Data":` + p0 + `},[{"Kind":"aliased","Data":` + p1 + `}]]`, []string{"xx", "yy"}},
		"own text":               {[]any{hexText{x}, y}, `["hex:7878",` + p0 + `]`, []string{"yy"}},
		"own text beside Binary": {[]any{[]any{x, hexText{x}, y, &prefixed{x}}}, `[[` + p0 + `,"hex:7878",` + p1 + `,"data:eHg="]]`, []string{"xx", "yy"}},
		"own suffix":             {[]any{[]any{suffixed{x}, y}}, `[["eHg=.png",` + p0 + `]]`, []string{"yy"}},
		"raw JSON beside Binary": {[]any{[]any{json.RawMessage(`"eHg="`), x, "eHg="}}, `[["eHg=",` + p0 + `,"eHg="]]`, []string{"xx"}},
		"recursive type":         {[]any{chain{Next: &chain{Data: x}}}, `[{"Next":{"Next":null,"Data":` + p0 + `},"Data":null}]`, []string{"xx"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := fmt.Sprintf("%#v", tt.args)
			p, err := EncodeArgs(tt.args)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(p.JSON))
			var data []string
			for _, a := range p.Attachments {
				data = append(data, string(a))
			}
			require.Equal(t, tt.data, data)
			require.Equal(t, before, fmt.Sprintf("%#v", tt.args), "the arguments were modified")
		})
	}
}

type (
	Outer1 struct{ Data Binary }
	Outer2 struct{ Data Binary }
)

type stringer struct{ Data Binary }

func (stringer) String() string { return "" }

type chain struct {
	Next *chain
	Data Binary
}

func TestAttachmentsAliasTheArguments(t *testing.T) {
	x, y := []byte("x"), Binary("y")
	p, err := EncodeArgs([]any{x, struct{ Data Binary }{y}})
	require.NoError(t, err)
	require.Same(t, &x[0], &p.Attachments[0][0])
	require.Same(t, &y[0], &p.Attachments[1][0])
}

func TestEncodingRefusesTooManyAttachments(t *testing.T) {
	ten := make([]Binary, MaxAttachments)
	for i := range ten {
		ten[i] = Binary{byte(i)}
	}
	p, err := EncodeEvent("e", []any{ten})
	require.NoError(t, err)
	require.Len(t, p.Attachments, MaxAttachments)

	_, err = EncodeEvent("e", []any{ten, []byte("x")})
	require.ErrorIs(t, err, ErrTooManyAttachments)
	_, err = EncodeArgs([]any{make([][]Binary, 3), append(ten, Binary{})})
	require.ErrorIs(t, err, ErrTooManyAttachments)
}

func TestEncodingRefusesCycles(t *testing.T) {
	ring := &chain{Data: Binary("x")}
	ring.Next = &chain{Next: ring}
	list := []any{nil}
	list[0] = list
	table := map[string]any{}
	table["a"] = table
	typed := namedMap{}
	typed["a"] = typed
	var self any
	self = &self
	withoutBinary := &chain{}
	withoutBinary.Next = withoutBinary
	mixed := &loop{Any: Binary("x"), All: map[string]loop{}}
	mixed.All["a"] = loop{Next: mixed}
	for name, arg := range map[string]any{
		"pointers": ring, "slice": list, "map": table, "named map": typed, "interface": self, "without binary": withoutBinary, "several kinds": mixed,
		"beside binary": []any{Binary("x"), list}, "map beside binary": []any{Binary("x"), table}, "pointer beside binary": []any{Binary("x"), self},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := EncodeArgs([]any{arg})
			require.ErrorIs(t, err, attachment.ErrNesting)
			require.ErrorContains(t, err, "argument 1 (")
		})
	}
}

func TestDeepArgumentsAreEncoded(t *testing.T) {
	var deep any = Binary("x")
	for range attachment.MaxNesting - 1 {
		deep = []any{deep}
	}
	p, err := EncodeArgs([]any{deep})
	require.NoError(t, err)
	require.Len(t, p.Attachments, 1)
}

func TestEncodingRefusesDataLikePlaceholders(t *testing.T) {
	for _, object := range []map[string]any{
		{"_placeholder": true, "num": 0}, {"_placeholder": true, "num": 7}, {"_placeholder": true}, {"_placeholder": true, "num": 0, "x": Binary("y")},
	} {
		_, err := EncodeArgs([]any{Binary("x"), []any{object}})
		require.ErrorIs(t, err, errOwnPlaceholder)
	}
}

func TestEachPayloadHasOtherTokens(t *testing.T) {
	var seen []string
	arg := recorder{Data: Binary("x"), seen: &seen}
	for range 2 {
		_, err := EncodeArgs([]any{arg})
		require.NoError(t, err)
	}
	require.Len(t, seen, 2)
	require.NotEqual(t, seen[0], seen[1])
	// A token of an earlier payload is plain text.
	p, err := EncodeArgs([]any{struct {
		A string
		B Binary
	}{seen[0], Binary("y")}})
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf(`[{"A":%q,"B":%s}]`, seen[0], p0), string(p.JSON))
}

// recorder has a MarshalJSON method that records its result.
type recorder struct {
	Data Binary
	seen *[]string
}

func (s recorder) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(s.Data)
	*s.seen = append(*s.seen, strings.Trim(string(text), `"`))
	return text, err
}

// document has binary content in all places from which it can be decoded.
type document struct {
	Text    string
	Content Binary
	Plain   []byte
	Any     any
	List    []Binary
	Map     map[string]any
	Pointer *document
}

func TestRoundTrip(t *testing.T) {
	sent := document{
		Text: "é<>&\u2028", Content: Binary("content"), Plain: []byte("plain"), Any: []byte("stays base64"), List: []Binary{Binary("l1"), {}, nil},
		Map:     map[string]any{"a": []byte("map"), "b": []any{[]byte{0, 255}, "text", nil, 1.5}},
		Pointer: &document{Any: map[string]any{"deep": []byte("deep")}},
	}
	event, args, err := roundTrip("upload", []any{"x", sent, []byte("last"), nil})
	require.NoError(t, err)
	require.Equal(t, "upload", event)
	require.Equal(t, 4, args.Len())

	want := sent
	want.Any = "c3RheXMgYmFzZTY0"
	var got document
	require.NoError(t, args.Decode(1, &got))
	require.Equal(t, want, got)
	var last Binary
	require.NoError(t, args.Decode(2, &last))
	require.Equal(t, Binary("last"), last)
}

// roundTrip encodes and decodes an event. It returns the decoded name and
// arguments.
func roundTrip(event string, args []any) (string, Args, error) {
	p, err := EncodeEvent(event, args)
	if err != nil {
		return "", Args{}, err
	}
	packet, err := Decode(AppendPacket(nil, Event, "/x", 7, true, p))
	if err != nil {
		return "", Args{}, err
	}
	if packet.Attachments != len(p.Attachments) {
		return "", Args{}, fmt.Errorf("%d attachments announced for %d", packet.Attachments, len(p.Attachments))
	}
	got, err := SplitArgs(packet.Data, p.Attachments)
	if err != nil {
		return "", Args{}, err
	}
	name, err := EventName(got.Raw(0))
	return name, got.From(1), err
}
