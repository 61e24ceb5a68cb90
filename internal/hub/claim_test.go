package hub

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

// TestProofTime: a client that has received the value has Config.AskTime for an
// attempt. If it attempts the proof or polls, it has proofTime.
func TestProofTime(t *testing.T) {
	for name, c := range map[string]struct {
		sent, attempted, rejected, polling bool
		want                               time.Duration
	}{
		"value not sent":            {want: proofTime},
		"value sent":                {sent: true, want: time.Second},
		"attempted":                 {sent: true, attempted: true, want: proofTime},
		"polling":                   {sent: true, polling: true, want: proofTime},
		"polls rejected":            {sent: true, polling: true, rejected: true, want: time.Second},
		"polls rejected, attempted": {sent: true, polling: true, rejected: true, attempted: true, want: proofTime},
		"polling, value not sent":   {polling: true, want: proofTime},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			h := New(clock.config()) // AskTime is a second
			conn, _ := admit(t, h, command.Identity{Session: "s"})
			start := clock.now
			_, err := h.Rebind(command.Rebind{
				From: command.Identity{Session: "s"}, To: command.Identified{Identity: command.Identity{Session: "s2", User: "ann"}},
			})
			require.NoError(t, err)
			claim := conn.Binding().Claim
			clock.advance(time.Millisecond)
			if c.sent {
				require.True(t, claim.ValueSent())
				require.False(t, claim.ValueSent())
			}
			if c.attempted {
				require.True(t, claim.Attempted())
			}
			if c.rejected {
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
			require.Equal(t, c.want, clock.now.Sub(start).Truncate(time.Second))
			requireEmpty(t, h)
		})
	}
}

// TestProofOfALoginThatWasCutOff: a claim of Rebind, which does not know the
// time of the login, is not proven with cookies from before a Revoke.
func TestProofOfALoginThatWasCutOff(t *testing.T) {
	clock := newClock()
	h := New(clock.config())
	c, _ := admit(t, h, command.Identity{Session: "s"})
	ann := command.Identified{Identity: command.Identity{Session: "s2", User: "ann"}}
	_, err := h.Rebind(command.Rebind{From: command.Identity{Session: "s"}, To: ann})
	require.NoError(t, err)
	cookies := ann
	cookies.LoginTime = clock.now
	clock.advance(time.Second)
	h.Revoke(command.Revoke{Key: command.Key{Kind: command.User, ID: "ann"}, Invalidate: true})

	_, to, _ := h.Prove(c, cookies)

	require.Nil(t, to)
}
