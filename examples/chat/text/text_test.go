package text_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/examples/chat/text"
)

func TestLine(t *testing.T) {
	for _, c := range []struct{ in, out, problem string }{
		{"  Hello, world \n", "Hello, world", ""},
		{"👩‍👩‍👧 שלום", "👩‍👩‍👧 שלום", ""},
		{strings.Repeat("é", 40), strings.Repeat("é", 40), ""},
		{strings.Repeat("é", 41), "", "It has at most 40 characters"},
		{"", "", "It cannot be empty"},
		{"\u200d\u200b", "", "It cannot be empty"},
		{"a\tb", "", "It cannot have control characters"},
		{"a\u2028b", "", "It cannot have control characters"},
		{"a\u2066b", "", "It cannot have control characters"},
		{"a\xff", "", "It cannot have control characters"},
	} {
		out, err := text.Line("It", c.in, 40)
		require.Equal(t, c.out, out, "%q", c.in)
		if c.problem == "" {
			require.NoError(t, err, "%q", c.in)
		} else {
			require.EqualError(t, err, c.problem, "%q", c.in)
		}
	}
}
