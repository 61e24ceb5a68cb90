package attachment

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHoldsBinary(t *testing.T) {
	type named struct{ B Binary }
	type bytes struct{ B []byte }
	for _, c := range []struct {
		arg  any
		want bool
	}{
		{nil, false},
		{"text", false},
		{[]byte{}, true},
		{[]byte(nil), false},
		{Binary{1}, true},
		{named{}, false},
		{named{Binary{1}}, true},
		{&named{Binary{1}}, true},
		{bytes{[]byte{1}}, false},
		{map[string]any{"a": []any{[]byte{1}}}, true},
		{map[string][]byte{"a": {1}}, false},
	} {
		got, err := HoldsBinary(c.arg)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%#v", c.arg)
	}
	var cycle any
	cycle = &cycle
	_, err := HoldsBinary(cycle)
	require.ErrorIs(t, err, ErrNesting)
}

// TestCopierAndExpand: the copy has tokens in place of contents, and the
// argument does not change.
func TestCopierAndExpand(t *testing.T) {
	arg := map[string]any{"a": []byte("content"), "b": Binary("more")}
	c := NewCopier(false)
	copied, err := c.Copy(arg)
	require.NoError(t, err)
	require.Equal(t, []byte("content"), arg["a"])
	text, err := json.Marshal(copied)
	require.NoError(t, err)

	var got string
	complete := c.Expand(text,
		func(part []byte) { got += string(part) },
		func(content []byte) { got += "<" + string(content) + ">" })

	require.True(t, complete)
	require.False(t, c.HasMarshalers())
	require.Equal(t, `{"a":<content>,"b":<more>}`, got)
}
