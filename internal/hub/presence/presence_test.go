package presence

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

func newPresence(now *time.Time, grace time.Duration) *Presence {
	return &Presence{Now: func() time.Time { return *now }, Grace: grace, Watched: map[string]bool{"": true}}
}

// take takes all transitions.
func (p *Presence) take() (all []Transition) {
	for {
		t, ok := p.Next()
		if !ok {
			return all
		}
		all = append(all, t)
	}
}

// requireEmpty requires that p keeps no state of any key.
func requireEmpty(t *testing.T, p *Presence) {
	t.Helper()
	require.Empty(t, p.inGrace)
	require.Zero(t, p.departures.Len())
	require.Zero(t, p.transitions.Len())
}

// TestGrace: an id that comes back within the grace period does not go offline.
func TestGrace(t *testing.T) {
	now := time.Unix(1, 0)
	p := newPresence(&now, 10*time.Second)
	ann := Key{Key: command.Key{Kind: command.User, ID: "ann"}}

	p.Enter(ann)
	require.Equal(t, Work{Notify: true}, p.Work())
	require.True(t, p.BeginNotifying())
	require.Equal(t, Work{}, p.Work())
	require.False(t, p.BeginNotifying(), "another caller notifies")
	require.Equal(t, []Transition{{"", ann.Key, true}}, p.take())

	p.Exit(ann)
	require.Equal(t, Work{EndGraceAfter: 10 * time.Second}, p.Work())
	now = now.Add(9 * time.Second)
	require.True(t, p.IsInGrace(ann))
	p.Enter(ann)
	now = now.Add(time.Second)
	p.EndGrace()
	require.Empty(t, p.take())

	p.Exit(ann)
	now = now.Add(time.Second)
	p.EndAllGrace()
	require.Equal(t, []Transition{{"", ann.Key, false}}, p.take())
	p.Enter(ann)
	p.Exit(ann)
	require.Equal(t, []Transition{{"", ann.Key, true}, {"", ann.Key, false}}, p.take(), "there are no grace periods any more")
	requireEmpty(t, p)
}

// TestNotWatched: a namespace that is not watched has grace periods, but no
// transitions.
func TestNotWatched(t *testing.T) {
	now := time.Unix(1, 0)
	p := newPresence(&now, time.Second)
	k := Key{"/a", command.Key{Kind: command.User, ID: "ann"}}
	p.Enter(k)
	p.Exit(k)
	require.Equal(t, Work{EndGraceAfter: time.Second}, p.Work())
	require.True(t, p.IsInGrace(k))
	now = now.Add(time.Second)
	p.EndGrace()
	require.False(t, p.IsInGrace(k))
	require.Equal(t, Work{}, p.Work())
}

// TestMemoryIsBounded: Presence keeps state only for ids in their grace period.
func TestMemoryIsBounded(t *testing.T) {
	now := time.Unix(1, 0)
	p := newPresence(&now, time.Second)
	for i := range 10_000 {
		k := Key{Key: command.Key{Kind: command.User, ID: fmt.Sprint(i)}}
		p.Enter(k)
		p.Exit(k)
		now = now.Add(10 * time.Millisecond)
		if work := p.Work(); work.EndGraceAfter > 0 {
			require.LessOrEqual(t, work.EndGraceAfter, time.Second)
		}
		p.EndGrace()
		require.LessOrEqual(t, p.departures.Len(), 100)
		require.LessOrEqual(t, len(p.inGrace), 100)
		p.take()
	}
	now = now.Add(time.Second)
	p.EndGrace()
	p.take()
	requireEmpty(t, p)
}

// TestTransitionsAlternate: the transitions of a key alternate, in random order
// of Enter, Exit and EndGrace.
func TestTransitionsAlternate(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		now := time.Unix(1, 0)
		p := newPresence(&now, 5*time.Second)
		present, online := make(map[Key]bool), make(map[command.Key]bool)
		for range 2000 {
			k := Key{Key: command.Key{Kind: command.User, ID: fmt.Sprint(random.IntN(5))}}
			switch {
			case random.IntN(3) == 0:
				now = now.Add(time.Duration(random.IntN(4)) * time.Second)
				p.EndGrace()
			case present[k]:
				p.Exit(k)
				present[k] = false
			default:
				p.Enter(k)
				present[k] = true
			}
			for _, tr := range p.take() {
				require.Equal(t, !online[tr.Key], tr.Online)
				online[tr.Key] = tr.Online
			}
			require.Equal(t, present[k] || p.IsInGrace(k), online[k.Key])
		}
	}
}
