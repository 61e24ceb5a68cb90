package cluster_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/parser"
)

func TestEncode(t *testing.T) {
	data, attachments, err := cluster.Encode("sent", 1, []byte{0}, map[string]any{"b": parser.Binary{2}})
	require.NoError(t, err)
	require.JSONEq(t, `["sent",1,{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}}]`, string(data))
	require.Equal(t, [][]byte{{0}, {2}}, attachments)
}

func TestEncodeRefuses(t *testing.T) {
	_, _, err := cluster.Encode("connect")
	require.ErrorIs(t, err, parser.ErrReservedEvent)
	_, _, err = cluster.Encode("sent", make(chan int))
	require.ErrorContains(t, err, `cluster: event "sent": argument 1`)
}
