package reconstruct

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDecode decodes each part of the data by itself.
func TestDecode(t *testing.T) {
	const first, second, third = `{"_placeholder":true,"num":1}`, `"text"`, `{"a":{"_placeholder":true,"num":0}}`
	const data = "[" + first + "," + second + "," + third + "]"
	a, err := New([]byte(data), [][]byte{[]byte("zero"), []byte("one")})
	require.NoError(t, err)

	var content []byte
	decoded, err := a.Decode([]byte(first), 1, &content)
	require.NoError(t, err)
	require.True(t, decoded)
	require.Equal(t, []byte("one"), content)

	var text string
	decoded, err = a.Decode([]byte(second), 1+len(first)+1, &text)
	require.NoError(t, err)
	require.False(t, decoded, "there is no placeholder")
	require.Empty(t, text)

	var object any
	decoded, err = a.Decode([]byte(third), 1+len(first)+1+len(second)+1, &object)
	require.NoError(t, err)
	require.True(t, decoded)
	require.Equal(t, map[string]any{"a": []byte("zero")}, object)
}

func TestNewRefusesBadPlaceholders(t *testing.T) {
	_, err := New([]byte(`[{"_placeholder":true}]`), [][]byte{{1}})
	require.Error(t, err)
}
