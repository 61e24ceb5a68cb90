package mojonats_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojonats"
)

func TestOpenRefuses(t *testing.T) {
	conn := connect(t, newServer(t).addr())
	n := newNode(t)
	for _, c := range []struct {
		bus  *mojonats.Bus
		node cluster.Node
		name string
		want string
	}{
		{mojonats.New(conn, mojonats.Options{}), nil, "a", "mojonats: the node is nil"},
		{mojonats.New(conn, mojonats.Options{}), n, "a.b", `mojonats: the name of a node is "a.b"`},
		{mojonats.New(nil, mojonats.Options{}), n, "a", "mojonats: the connection is nil"},
		{mojonats.New(conn, mojonats.Options{Prefix: "a..b"}), n, "a", `mojonats: Options.Prefix is "a..b"`},
		{mojonats.New(conn, mojonats.Options{Prefix: "a.*"}), n, "a", `mojonats: Options.Prefix is "a.*"`},
		{mojonats.New(conn, mojonats.Options{Prefix: "a b"}), n, "a", `mojonats: Options.Prefix is "a b"`},
		{mojonats.New(conn, mojonats.Options{Prefix: "$SYS"}), n, "a", `mojonats: Options.Prefix is "$SYS"`},
	} {
		_, err := c.bus.Open(c.name, c.node)
		require.ErrorContains(t, err, c.want)
	}
}
