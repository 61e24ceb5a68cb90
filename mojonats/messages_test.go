package mojonats_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojonats"
)

// Messages larger than max_payload arrive, in the order of their publication.
func TestPieces(t *testing.T) {
	s := newServer(t, func(o *server.Options) { o.MaxPayload = 64 << 10 })
	a := openNode(t, s.addr(), "a", mojonats.Options{})
	b := openNode(t, s.addr(), "b", mojonats.Options{}, "room")
	b.tell(a, "hello")
	large := event("room", `["e",{"_placeholder":true,"num":0}]`)
	large.Event.Attachments = [][]byte{append(bytes.Repeat([]byte{0, 1, 2}, 2_000_000), 1)}
	huge := strings.Repeat("0123456789", 300_000)
	a.publish(event("room", `["first"]`), large, event("room", `["last"]`), control("b", huge), control("", huge), control("b", "end"))
	for _, want := range []cluster.Message{event("room", `["first"]`), large, event("room", `["last"]`)} {
		got := await(t, b.events)
		require.Equal(t, string(want.Event.Data), string(got.Data))
		require.Equal(t, want.Event.Attachments, got.Attachments)
	}
	for _, want := range []string{huge, huge, "end"} {
		require.True(t, want == await(t, b.controls))
	}
	require.Empty(t, b.states)
}

// A message that is too large does not keep back the others.
func TestTooLarge(t *testing.T) {
	text := new(logText)
	bus := mojonats.New(connect(t, newServer(t).addr()), mojonats.Options{MaxMessage: 100, Logger: text.logger()})
	n := newNode(t).open(bus, "a")
	n.awaitLink(cluster.LinkUp)
	err := n.link.Publish(t.Context(), []cluster.Message{
		control("a", "1"), control("a", strings.Repeat("x", 101)), control("a", strings.Repeat("y", 101)),
		control("a", strings.Repeat("z", 100)),
		{},
		{Event: new(cluster.Event), To: "a"},
		control("a.b", "x"),
	})
	require.ErrorIs(t, err, mojonats.ErrTooLarge)
	for _, want := range []string{
		"message 2 of 7: mojonats: message is larger than Options.MaxMessage: 101 bytes, at most 100",
		"message 5 of 7: has 0 of Event, Command and Control", "message 6 of 7: has To", `message 7 of 7: mojonats: the name of a node is "a.b"`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, "1", await(t, n.controls))
	require.Equal(t, strings.Repeat("z", 100), await(t, n.controls))
	require.Equal(t, uint64(2), bus.Stats().TooLarge)
	require.Equal(t, 1, strings.Count(text.String(), "too large\""))
}

// A node that has nobody in a room gets no event for the room from NATS, and a
// node that has gets each.
func TestExactSubscriptions(t *testing.T) {
	s := newServer(t)
	a := openNode(t, s.addr(), "a", mojonats.Options{})
	b := openNode(t, s.addr(), "b", mojonats.Options{}, "room")
	dialer := new(countingDialer)
	bus := mojonats.New(connect(t, s.addr(), nats.SetCustomDialer(dialer)), mojonats.Options{Logger: quiet})
	c := newNode(t, "room").open(bus, "c")
	c.awaitLink(cluster.LinkUp)
	b.tell(a, "hello")
	c.tell(a, "hello")
	for range 1000 {
		a.publish(event("room", `["e","`+strings.Repeat("x", 1000)+`"]`))
	}
	for _, n := range []*node{b, c} {
		for range 1000 {
			await(t, n.events)
		}
	}
	require.Greater(t, dialer.read.Load(), int64(1000*1000))

	c.link.(cluster.Occupier).Occupy("/", "room", false)
	c.tell(a, "empty")
	before := dialer.read.Load()
	for range 1000 {
		a.publish(event("room", `["e","`+strings.Repeat("x", 1000)+`"]`))
	}
	for range 1000 {
		await(t, b.events)
	}
	a.tell(c, "end")
	require.Empty(t, c.events)
	require.Less(t, dialer.read.Load()-before, int64(10_000))
}

// What is no message of mojonats, and what other programs publish under the
// prefix, is dropped and counted.
func TestMalformed(t *testing.T) {
	s := newServer(t)
	conn := connect(t, s.addr())
	bus := mojonats.New(conn, mojonats.Options{Logger: quiet})
	n := newNode(t).open(bus, "a")
	n.awaitLink(cluster.LinkUp)
	for _, text := range []string{"", "\x01", "hello", "\x01\x01\x01b\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", strings.Repeat("\xff", 100)} {
		require.NoError(t, conn.Publish("mojo.all", []byte(text)))
	}
	require.NoError(t, conn.Flush())
	n.mark()
	require.Equal(t, uint64(5), bus.Stats().Malformed)
	require.Empty(t, n.events)
	require.Empty(t, n.states)
}
