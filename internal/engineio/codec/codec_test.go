package codec

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMessageOnTheWire(t *testing.T) {
	m := NewMessage(1, func(dst []byte) []byte { return append(dst, "2"...) }, [][]byte{{1, 2, 3}, {}})
	require.Equal(t, "\x81\x0242\x82\x03\x01\x02\x03\x82\x00", string(m.Frames()))
	require.Equal(t, len(m.Frames()), m.Size())
	require.Equal(t, "\x81\x0242\x81\x05bAQID\x81\x01b", string(m.TextFrames()))
	require.Equal(t, "42\x1ebAQID\x1eb", string(m.AppendTo(nil)))

	binary := NewBinary([]byte{1, 2, 3})
	require.Equal(t, "\x82\x03\x01\x02\x03", string(binary.Frames()))
	require.Equal(t, "\x81\x05bAQID", string(binary.TextFrames()))
	require.Equal(t, "bAQID", string(binary.AppendTo(nil)))

	payload := NewPacket("0", "{", "}").AppendTo(nil)
	payload = NewText([]byte("a")).AppendTo(payload)
	require.Equal(t, "0{}\x1e4a\x1ebAQID", string(binary.AppendTo(payload)))
}

func TestDecode(t *testing.T) {
	for packet, want := range map[string]string{"4": "", "4text": "text", "3": "", "3probe": "probe", "6": "", "1": "", "bAQI=": "\x01\x02", "b": ""} {
		packetType, data, err := Decode([]byte(packet))
		require.NoError(t, err, packet)
		require.Equal(t, packet[0], packetType)
		require.Equal(t, want, string(data), packet)
	}
	for _, packet := range []string{"", "0", "2", "2probe", "5", "7", "B", "b!", "\x1e"} {
		_, _, err := Decode([]byte(packet))
		require.ErrorIs(t, err, ErrPacket, packet)
	}
}

func TestDecodeBase64(t *testing.T) {
	for text, want := range map[string]string{
		"":         "",
		"+/8=":     "\xfb\xff",
		"+/8":      "\xfb\xff",
		"-_8=":     "\xfb\xff",
		"-_8":      "\xfb\xff",
		"AQ==":     "\x01",
		"AQ=":      "\x01",
		"AQ":       "\x01",
		"-/8B_w==": "\xfb\xff\x01\xff",
	} {
		got, err := decodeBase64([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, string(got), text)
	}
	for _, text := range []string{"A", "A===", "AQ===", "AQ==AQ==", "A!", "A\x00BC"} {
		_, err := decodeBase64([]byte(text))
		require.Error(t, err, text)
	}
}
