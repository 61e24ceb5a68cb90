package engineio

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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

func TestIsText(t *testing.T) {
	for _, header := range [][]string{
		nil,
		{""},
		{";"},
		{"text/plain;charset=UTF-8"},
		{"application/json, text/plain;charset=UTF-8"},
		{"application/json", "text/plain"},
		{"application/octet-streams"},
		{"nonsense/"},
	} {
		require.True(t, isText(header), header)
	}
	for _, header := range [][]string{
		{"application/octet-stream"},
		{" APPLICATION/octet-stream ;x=y"},
		{"text/plain, application/octet-stream"},
		{"text/plain", "application/octet-stream"},
	} {
		require.False(t, isText(header), header)
	}
}
