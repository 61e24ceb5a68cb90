package seal

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	oldSecret = NewSecret([]byte("an old key of the site's cookies"))
	newSecret = NewSecret([]byte("the new key of the site's cookies"))
	node      = Origin{Node: "node1", Incarnation: 7}
)

func TestSealedMessageIsOpened(t *testing.T) {
	sealer, opener := NewSealer(newSecret, node), NewOpener(newSecret)
	for i, want := range []Opened{
		{node, 1, "", []byte("for all")},
		{node, 2, "node2", []byte("for one")},
		{node, 3, "", []byte{}},
		{node, 4, "", bytes.Repeat([]byte("x"), 1<<20)},
	} {
		message := slices.Clone(want.Message)
		sealed := sealer.Seal(want.To, message)
		clear(message) // which Seal does not refer to

		got, err := opener.Open(sealed)

		require.NoError(t, err, i)
		require.Equal(t, want.Origin, got.Origin)
		require.Equal(t, want.Number, got.Number)
		require.Equal(t, want.To, got.To)
		require.True(t, bytes.Equal(want.Message, got.Message))
	}
}

// A site that changes its keys restarts one node after another.
func TestAnySecretOpens(t *testing.T) {
	both, old := NewOpener(newSecret, oldSecret), NewOpener(oldSecret)
	byNew, byOld := NewSealer(newSecret, node).Seal("", []byte("m")), NewSealer(oldSecret, node).Seal("", []byte("m"))

	_, err := both.Open(slices.Clone(byNew))
	require.NoError(t, err)
	_, err = both.Open(slices.Clone(byOld))
	require.NoError(t, err)
	_, err = old.Open(byNew)
	require.ErrorIs(t, err, ErrUnknown)
}

// No byte of a message can be changed or cut off, whether the opener knows the
// sender or not.
func TestChangedMessageIsRefused(t *testing.T) {
	sealed := NewSealer(newSecret, node).Seal("node2", []byte("message"))
	known := NewOpener(newSecret)
	_, err := known.Open(slices.Clone(sealed))
	require.NoError(t, err)
	for name, opener := range map[string]*Opener{"known sender": known, "unknown sender": NewOpener(newSecret)} {
		t.Run(name, func(t *testing.T) {
			for i := range sealed {
				for bit := range 8 {
					changed := slices.Clone(sealed)
					changed[i] ^= 1 << bit
					_, err := opener.Open(changed)
					require.Error(t, err, "byte %d", i)
				}
				_, err := opener.Open(slices.Clone(sealed[:i]))
				require.Error(t, err, "length %d", i)
			}
			_, err := opener.Open(append(slices.Clone(sealed), 0))
			require.ErrorIs(t, err, ErrForged)
		})
	}
}

// The key of one node or incarnation does not open what another has sealed.
func TestEachOriginHasItsKey(t *testing.T) {
	a := newSecret.aead(node).Seal(nil, nonce(1), []byte("message"), nil)
	for _, other := range []Origin{{"node1", 8}, {"node2", 7}} {
		_, err := newSecret.aead(other).Open(nil, nonce(1), a, nil)
		require.Error(t, err)
	}
}

func TestOpenerIsBounded(t *testing.T) {
	opener := NewOpener(newSecret)
	for i := range maxAEADs + 10 {
		_, err := opener.Open(NewSealer(newSecret, Origin{fmt.Sprint(i), 1}).Seal("", nil))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(opener.aeads), maxAEADs)
	forged := NewSealer(newSecret, Origin{"forged", 1}).Seal("", nil)
	forged[len(forged)-1]++
	before := len(opener.aeads)

	_, err := opener.Open(forged)

	require.ErrorIs(t, err, ErrForged)
	require.Len(t, opener.aeads, before, "a forged message leaves nothing")
}

func TestOpenerIsSafeForConcurrentUse(t *testing.T) {
	opener := NewOpener(newSecret)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			sealer := NewSealer(newSecret, Origin{fmt.Sprint(i), 1})
			for range 100 {
				if _, err := opener.Open(sealer.Seal("", []byte("m"))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzOpen(f *testing.F) {
	opener := NewOpener(newSecret, oldSecret)
	f.Add([]byte{})
	f.Add([]byte{version})
	f.Add(NewSealer(newSecret, node).Seal("node2", []byte("message")))
	f.Add(NewSealer(oldSecret, node).Seal("", nil))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if m, err := opener.Open(sealed); err == nil {
			require.NotEmpty(t, m.Origin.Node)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	sealer, opener := NewSealer(newSecret, node), NewOpener(newSecret)
	message := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := opener.Open(sealer.Seal("node2", message)); err != nil {
			b.Fatal(err)
		}
	}
}
