package codec

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	require.NoError(t, err)
	return b
}

// packet3 is a packet of a payload.
type packet3 struct {
	data   string
	binary bool
}

// cutAll cuts a payload into its packets.
func cutAll(payload []byte, binary bool) (packets []packet3, err error) {
	for {
		var p []byte
		isBinary := false
		if binary {
			p, isBinary, payload, err = CutBinary3(payload)
		} else {
			p, payload, err = CutText3(payload)
		}
		if err != nil {
			return nil, err
		}
		packets = append(packets, packet3{string(p), isBinary})
		if len(payload) == 0 {
			return packets, nil
		}
	}
}

// The payloads are from engine.io-parser: 2.2.1 made the first two, and 1.3.2,
// which encodes text twice, the third. The others are from googollee's Go
// client, and from the transcript of a socket.io-client 2.5.0.
func TestPayloads3OfOtherImplementations(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		binary  bool
		packets []packet3
	}{
		"text": {
			"353a34c3bce282acf09f9880 363a623441514944 313a32", false,
			[]packet3{{data: "4ü€😀"}, {data: "b4AQID"}, {data: "2"}},
		},
		"binary": {
			"00 01 00 ff 34c3bce282acf09f9880 01 04 ff 04010203 00 01 ff 32", true,
			[]packet3{{data: "4ü€😀"}, {"\x04\x01\x02\x03", true}, {data: "2"}},
		},
		"text encoded twice": {
			"31303a34 c383c2bcc3a2c282c2acc3b0c29fc298c280 363a623441514944 313a32", false,
			[]packet3{{data: "4Ã¼â\u0082¬ð\u009f\u0098\u0080"}, {data: "b4AQID"}, {data: "2"}},
		},
		"connect of the Go client": {"00 02 ff 3430", true, []packet3{{data: "40"}}},
		"noop of the Go client":    {"00 01 ff 36", true, []packet3{{data: "6"}}},
		"greetings":                {hex.EncodeToString([]byte("2:408:40/chat,")), false, []packet3{{data: "40"}, {data: "40/chat,"}}},
		"pong":                     {hex.EncodeToString([]byte("1:3")), false, []packet3{{data: "3"}}},
		"goodbye":                  {hex.EncodeToString([]byte("8:41/chat,1:1")), false, []packet3{{data: "41/chat,"}, {data: "1"}}},
		"event with binary": {
			hex.EncodeToString([]byte(`58:451-/chat,0["say",{"b":{"_placeholder":true,"num":0}},"é"]6:b4AQID`)), false,
			[]packet3{{data: `451-/chat,0["say",{"b":{"_placeholder":true,"num":0}},"é"]`}, {data: "b4AQID"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			packets, err := cutAll(unhex(t, c.payload), c.binary)
			require.NoError(t, err)
			require.Equal(t, c.packets, packets)
		})
	}
}

// What this package encodes is what engine.io-parser encodes, as far as the text
// is ASCII.
func TestPayload3LikeOtherImplementations(t *testing.T) {
	ack := []*Message{message(`61-/chat,0["ok",{"_placeholder":true,"num":0}]`, []byte{9, 8})}
	payload, _ := AppendPayload3(nil, ack, true)
	require.Equal(t, `47:461-/chat,0["ok",{"_placeholder":true,"num":0}]6:b4CQg=`, string(payload))
	payload, _ = AppendPayload3(nil, []*Message{NewText([]byte("a")), NewBinary([]byte{1, 2, 3}), NewPacket("2")}, false)
	require.Equal(t, unhex(t, "00 02 ff 3461 01 04 ff 04010203 00 01 ff 32"), payload)
}

func TestBadPayloads3(t *testing.T) {
	for name, payload := range map[string]string{
		"empty": "", "length in bytes": "3:4ü", "short": "2:4", "no number": "a:4", "negative": "-1:4", "no packet": "0:", "leading zero": "01:2",
		"space": " 1:2", "exponent": "1e0:2", "plus": "+1:2", "no length": ":2", "no colon": "12", "length alone": "1", "length and colon": "1:",
		"11 digits": "10000000000:2", "10 digits": "9999999999:2", "within a character": "2:4😀", "another separator": "1;2", "revision 4": "4a\x1e4b",
		"behind a packet": "1:2 1:2", "behind a packet, empty": "1:20:", "digit that is not ASCII": "١:2",
	} {
		t.Run("text "+name, func(t *testing.T) {
			require.True(t, utf8.ValidString(payload))
			_, err := cutAll([]byte(payload), false)
			require.ErrorIs(t, err, ErrPacket)
		})
	}
	for name, payload := range map[string]string{
		"empty": "", "short": "0002ff34", "digit 10": "000aff34343434343434343434", "leading zero": "000001ff34", "no packet": "0000ff",
		"no length": "00ff34", "mark 2": "0201ff34", "mark alone": "00", "no end": "000134", "end of the input": "0001", "nothing behind": "0001ff",
		"11 digits": "000100000000000000000001ff34", "10 digits": "0009090909090909090909ff34", "text not UTF-8": "0001fffc",
		"UTF-16 units instead of bytes": "0002ff34c3bc", "behind a packet": "0001ff32 00", "ASCII digits": "0031ff34",
	} {
		t.Run("binary "+name, func(t *testing.T) {
			_, err := cutAll(unhex(t, payload), true)
			require.ErrorIs(t, err, ErrPacket)
		})
	}
}

func TestDecode3(t *testing.T) {
	for packet, want := range map[string]string{"4": "", "4text": "text", "2": "", "2probe": "probe", "3": "", "6": "", "1": "", "b4AQI=": "\x01\x02", "b4": ""} {
		packetType, data, err := Decode3([]byte(packet))
		require.NoError(t, err, packet)
		require.Equal(t, packet[0], packetType)
		require.Equal(t, want, string(data), packet)
	}
	for _, packet := range []string{"", "0", "5", "7", "B", "b", "bAQI=", "b3AQI=", "b4!", "\x04", "ü"} {
		_, _, err := Decode3([]byte(packet))
		require.ErrorIs(t, err, ErrPacket, packet)
	}
}

func TestDecodeBinary3(t *testing.T) {
	data, err := DecodeBinary3([]byte{4, 1, 2, 3})
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2, 3}, data)
	for _, packet := range [][]byte{{}, {5, 1}, {'4', 1}, {3}} {
		_, err := DecodeBinary3(packet)
		require.ErrorIs(t, err, ErrPacket)
	}
}

// FuzzPayload3: a payload is cut into packets that fit into it, and the packets
// of a payload that was made from them are the same.
func FuzzPayload3(f *testing.F) {
	for _, payload := range []string{"5:4ü€😀6:b4AQID1:2", "1:2", "3:4ü", "9999999999:4", "2:408:40/chat,", "x", "2:4😀"} {
		f.Add([]byte(payload), false)
	}
	for _, payload := range []string{"\x00\x01\x00\xff4\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\x01\x04\xff\x04\x01\x02\x03\x00\x01\xff2", "\x00\x02\xff4", "\x02", "\x00\x00"} {
		f.Add([]byte(payload), true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, binary bool) {
		if !binary && !utf8.Valid(payload) {
			return // the caller checks this
		}
		packets, err := cutAll(bytes.Clone(payload), binary)
		if err != nil {
			return
		}
		require.Equal(t, payload, join3(packets, binary))
	})
}

// join3 makes a payload of packets.
func join3(packets []packet3, binary bool) []byte {
	var out []byte
	for _, p := range packets {
		switch {
		case binary && p.binary:
			out = append(appendHeader3(out, binaryMark, len(p.data)), p.data...)
		case binary:
			out = append(appendHeader3(out, textMark, len(p.data)), p.data...)
		default:
			out = append(out, textHeader(p.data)...)
			out = append(out, p.data...)
		}
	}
	return out
}

// textHeader returns the length of a text in UTF-16 code units, and a colon.
func textHeader(text string) string {
	return strconv.Itoa(len(utf16.Encode([]rune(text)))) + ":"
}
