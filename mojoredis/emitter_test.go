package mojoredis_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/mojoredis"
)

// The emitter publishes the bytes of the official one.
func TestEmitterOnTheWire(t *testing.T) {
	redistest.Require(t)
	client := newClient(t, shared.Addr)
	s := subscribe(t, client, "wire1*")
	emitter := mojoredis.NewEmitter(client, mojoredis.EmitterOptions{Key: "wire1"})
	expect := func(wantChannel, want string) {
		t.Helper()
		channel, payload := s.next()
		require.Equal(t, wantChannel, channel)
		require.Equal(t, want, payload)
	}
	ctx := t.Context()

	require.NoError(t, emitter.Of("/").Emit(ctx, "hello"))
	expect("wire1#/#", unhex(t, hello))
	room := emitter.Of("chat").To("room1")
	require.NoError(t, room.Except("room2").Volatile().Emit(ctx, "greeting", map[string]int{"a": 1}))
	expect("wire1#/chat#room1#", unhex(t, greeting))

	// The targets are values: neither has changed.
	require.NoError(t, room.Join(ctx, "a", "b"))
	expect("wire1-request#/chat#", `{"type":2,"opts":{"rooms":["room1"],"except":[]},"rooms":["a","b"]}`)
	require.NoError(t, emitter.Of("/chat").Users("1").Sessions("s").Except("<x>").Leave(ctx, "a"))
	expect("wire1-request#/chat#", `{"type":3,"opts":{"rooms":["~u:1","~s:s"],"except":["<x>"]},"rooms":["a"]}`)
	require.NoError(t, room.Disconnect(ctx))
	expect("wire1-request#/chat#", `{"type":4,"opts":{"rooms":["room1"],"except":[]},"close":false}`)
	require.NoError(t, room.DisconnectAll(ctx))
	expect("wire1-request#/chat#", `{"type":4,"opts":{"rooms":["room1"],"except":[]},"close":true}`)

	// These are for nobody. On the wire no rooms would be everybody.
	require.NoError(t, mojoredis.Target{}.Emit(ctx, "hello"))
	require.NoError(t, emitter.Of("/").To().Emit(ctx, "hello"))
	require.NoError(t, emitter.Of("/").Users().Disconnect(ctx))
	require.NoError(t, emitter.Of("/").To("a", "a").Emit(ctx, "end"))
	channel, _ := s.next()
	require.Equal(t, "wire1#/#a#", channel)
}

func TestEmitterRefuses(t *testing.T) {
	redistest.Require(t)
	client := newClient(t, shared.Addr)
	all := mojoredis.NewEmitter(client, mojoredis.EmitterOptions{MaxMessage: 100}).Of("/")
	require.ErrorIs(t, all.Emit(t.Context(), "e", strings.Repeat("x", 100)), mojoredis.ErrTooLarge)
	require.ErrorContains(t, all.Emit(t.Context(), "connect"), "reserved")
	require.ErrorContains(t, all.Emit(t.Context(), "e", func() {}), "argument 1")
	require.ErrorContains(t, all.Join(t.Context(), "a", "~u:1"), `"~u:1" begins with "~"`)
	require.ErrorContains(t, all.Leave(t.Context(), "~s:1"), `"~s:1" begins with "~"`)
	other := mojoredis.NewEmitter(client, mojoredis.EmitterOptions{Key: "a#b"}).Of("/")
	require.ErrorContains(t, other.Emit(t.Context(), "e"), `must not contain "#"`)
}
