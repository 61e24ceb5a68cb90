package hub

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

// TestTimeForAProof: a client that was told its claim has Config.AskTime to
// try to prove it, and proofTime if it tries or polls.
func TestTimeForAProof(t *testing.T) {
	for name, c := range map[string]struct {
		told, tried, muted, polling bool
		want                        time.Duration
	}{
		"not told":               {want: proofTime},
		"told":                   {told: true, want: time.Second},
		"tries":                  {told: true, tried: true, want: proofTime},
		"polls":                  {told: true, polling: true, want: proofTime},
		"polls prove nothing":    {told: true, polling: true, muted: true, want: time.Second},
		"muted, and tries":       {told: true, polling: true, muted: true, tried: true, want: proofTime},
		"polls and was not told": {polling: true, want: proofTime},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			h := New(clock.config()) // AskTime is a second
			conn, _ := admit(t, h, command.Identity{Session: "s"})
			began := clock.now
			_, err := h.Rebind(command.Rebind{
				From: command.Identity{Session: "s"}, To: command.Identified{Identity: command.Identity{Session: "s2", User: "ann"}},
			})
			require.NoError(t, err)
			claim := conn.Binding().Claim
			clock.advance(time.Millisecond)
			if c.told {
				require.True(t, claim.ValueSent())
				require.False(t, claim.ValueSent())
			}
			if c.tried {
				require.True(t, claim.Attempted())
			}
			if c.muted {
				require.True(t, claim.PollsRejected())
			}

			lapse := NotLapsed
			for lapse == NotLapsed {
				due := claim.Due()
				require.True(t, due.After(clock.now))
				clock.now = due
				lapse, _ = h.Lapse(conn, c.polling)
			}

			require.Equal(t, Unproven, lapse)
			require.Equal(t, c.want, clock.now.Sub(began).Truncate(time.Second))
			requireEmpty(t, h)
		})
	}
}
