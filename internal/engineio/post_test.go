package engineio

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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
