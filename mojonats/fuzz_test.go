package mojonats

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
)

// FuzzFrame decodes frames as a node does. What is decoded is encoded in the
// same way.
func FuzzFrame(f *testing.F) {
	for _, h := range []header{
		{kind: kindMark, name: "a", epoch: 1, number: 1, toAll: true},
		{kind: kindEvent, name: strings.Repeat("b", 64), epoch: 1 << 63, number: 5},
		{kind: kindControl, name: "c", total: 100, offset: 90, message: 7},
	} {
		f.Add(append(h.append(nil), "body"...))
	}
	f.Add(append((&header{kind: kindEvent, name: "a"}).append(nil), appendEvent(nil, &cluster.Event{Data: []byte(`["e"]`)})...))
	f.Add(append((&header{kind: kindCommand, name: "a"}).append(nil), appendCommand(nil, &cluster.Command{Verb: cluster.Join, Names: []string{"x"}})...))
	f.Fuzz(func(t *testing.T, frame []byte) {
		const most = 1000
		h, body, err := decodeFrame(frame, most)
		if err != nil {
			return
		}
		require.NoError(t, checkName(h.name))
		again, sameBody, err := decodeFrame(append(h.append(nil), body...), most)
		require.NoError(t, err)
		require.Equal(t, h, again)
		require.Equal(t, string(body), string(sameBody))

		p := newPublishers(most)
		whole, _, err := p.receive(&h, body)
		require.LessOrEqual(t, p.size, most)
		if err != nil || whole == nil {
			return
		}
		if e, err := decodeEvent(whole, func(*cluster.Address) bool { return true }); err == nil {
			require.True(t, json.Valid(e.Data))
			same, err := decodeEvent(appendEvent(nil, e), func(*cluster.Address) bool { return true })
			require.NoError(t, err)
			require.Equal(t, e, same)
		}
		if c, err := decodeCommand(whole); err == nil {
			same, err := decodeCommand(appendCommand(nil, c))
			require.NoError(t, err)
			require.Equal(t, c, same)
		}
	})
}

// FuzzSubject makes subjects of names. Two names have one subject only if the
// names are equal.
func FuzzSubject(f *testing.F) {
	f.Add("/", "room", "/", "Room")
	f.Add("/chat", "a.b", "/chat.a", "b")
	f.Add("/ж", "*", "/", ">")
	f.Add("/", "=", "/", "=3D")
	f.Add("/", strings.Repeat("x", 160), "/", strings.Repeat("x", 161))
	f.Fuzz(func(t *testing.T, namespace, room, otherNamespace, otherRoom string) {
		s := subjects{"mojo"}
		subject, other := s.occupied("/"+namespace, room), s.occupied("/"+otherNamespace, otherRoom)
		for _, text := range []string{subject, other} {
			require.True(t, server.IsValidLiteralSubject(text), text)
			require.LessOrEqual(t, len(text), 350)
			require.Empty(t, strings.Trim(text, ".=-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		}
		require.Equal(t, namespace == otherNamespace && room == otherRoom, subject == other)
		for _, fixed := range []string{s.all(), s.node("all"), s.node("room")} {
			require.NotEqual(t, fixed, subject)
		}
	})
}
