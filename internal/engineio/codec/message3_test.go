package codec

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func message(text string, attachments ...[]byte) *Message {
	return NewMessage(len(text), func(dst []byte) []byte { return append(dst, text...) }, attachments)
}

func TestMessage3OnTheWire(t *testing.T) {
	m := message("2", []byte{1, 2, 3}, nil)
	require.Equal(t, "\x81\x0242\x82\x04\x04\x01\x02\x03\x82\x01\x04", string(m.Frames3()))
	require.Equal(t, "\x81\x0242\x81\x06b4AQID\x81\x02b4", string(m.TextFrames3()))
	require.Equal(t, "\x81\x0242\x82\x03\x01\x02\x03\x82\x00", string(m.Frames()), "revision 4 is as before")

	binary := NewBinary([]byte{9})
	require.Equal(t, "\x82\x02\x04\x09", string(binary.Frames3()))
	require.Equal(t, "\x81\x06b4CQ==", string(binary.TextFrames3()))

	long := NewBinary(make([]byte, 125)) // with its type it needs a longer header
	require.Equal(t, "\x82\x7e\x00\x7e\x04", string(long.Frames3()[:5]))
	require.Len(t, long.Frames3(), 4+126)
}

// Text without binary is the same on a WebSocket of either revision, and takes
// no memory of its own.
func TestTextFrames3AreShared(t *testing.T) {
	m := NewText([]byte(`2["ü€😀"]`))
	require.Same(t, &m.Frames()[0], &m.Frames3()[0])
	require.Same(t, &m.Frames()[0], &m.TextFrames3()[0])
	require.Nil(t, m.third.Load())
	require.Zero(t, testing.AllocsPerRun(10, func() { m.Frames3() }))
}

// The form for revision 3 is made once for all sessions.
func TestMessage3IsMadeOnce(t *testing.T) {
	m := message(`2["ü"]`, []byte{1})
	var wg sync.WaitGroup
	frames := make([][]byte, 8)
	for i := range frames {
		wg.Go(func() { frames[i] = m.Frames3() })
	}
	wg.Wait()
	for _, f := range frames {
		require.Same(t, &frames[0][0], &f[0])
	}
	buf := make([]byte, 0, 1000)
	require.Zero(t, testing.AllocsPerRun(10, func() { m.Frames3(); AppendPayload3(buf, []*Message{m}[:1:1], false) }))
}

func TestPayload3(t *testing.T) {
	for name, c := range map[string]struct {
		messages []*Message
		base64   bool
		payload  string
		binary   bool
	}{
		"one packet":      {messages: []*Message{NewPacket("6")}, payload: "1:6"},
		"text":            {messages: []*Message{NewPacket("0", "{}"), NewPacket("40"), message(`2["e"]`)}, payload: `3:0{}2:407:42["e"]`},
		"text is escaped": {messages: []*Message{message(`2["ü€😀"]`)}, payload: `30:42["\u00fc\u20ac\ud83d\ude00"]`},
		"binary":          {messages: []*Message{message("2", []byte{1, 2, 3}), NewPacket("2")}, payload: "\x00\x02\xff42\x01\x04\xff\x04\x01\x02\x03\x00\x01\xff2", binary: true},
		"binary behind text": {
			messages: []*Message{message(`2["ü"]`), NewBinary([]byte("abcdefghi"))},
			payload:  "\x00\x01\x02\xff" + `42["\u00fc"]` + "\x01\x01\x00\xff\x04abcdefghi", binary: true,
		},
		"base64": {messages: []*Message{message("2", []byte{1, 2, 3}, nil), NewPacket("2")}, base64: true, payload: "2:426:b4AQID2:b41:2"},
	} {
		t.Run(name, func(t *testing.T) {
			payload, binary := AppendPayload3(nil, c.messages, c.base64)
			require.Equal(t, c.payload, string(payload))
			require.Equal(t, c.binary, binary)
		})
	}
}

func TestEscape(t *testing.T) {
	for _, text := range []string{"", "ASCII", "\x00\x7f", "ü", "a€b", "😀", "日本語 grüße 🎈!"} {
		escaped := escape([]byte(text))
		require.NotRegexp(t, "[^\x00-\x7f]", string(escaped))
		var decoded string
		quoted := `"` + strings.ReplaceAll(string(escaped), "\x00", `\u0000`) + `"`
		require.NoError(t, json.Unmarshal([]byte(quoted), &decoded), quoted)
		require.Equal(t, text, decoded)
	}
	require.Equal(t, `a\ufffdb`, string(escape([]byte("a\xffb"))))
}
