package hub

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

// TestAdmitAndForget: a connection has its identity until Forget. A connection
// with a session id that was given up has no identity.
func TestAdmitAndForget(t *testing.T) {
	clock := newClock()
	h := New(clock.config())
	a, _ := admit(t, h, command.Identity{Session: "s", User: "u"})
	b, _ := admit(t, h, command.Identity{Session: "s"})
	withoutSession, _ := admit(t, h, command.Identity{User: "u"})
	anonymous, _ := admit(t, h, command.Identity{})
	to := command.Identified{Identity: command.Identity{Session: "new", User: "v"}}

	effects, err := h.Rebind(command.Rebind{To: to})
	require.NoError(t, err)
	require.Equal(t, Effects{}, effects)

	effects, err = h.Rebind(command.Rebind{From: command.Identity{User: "u"}, To: to})
	require.NoError(t, err)
	require.Equal(t, Effects{Outdated: []*Conn{withoutSession}}, effects)

	effects, err = h.Rebind(command.Rebind{From: command.Identity{Session: "s", User: "u"}, To: to})
	require.NoError(t, err)
	require.Len(t, effects.Moved, 2)
	require.Empty(t, effects.Outdated)
	for _, c := range []*Conn{a, b} {
		require.Equal(t, command.Identified{}, c.Binding().Identified, "no identity without a proof")
		prove(t, h, c, to)
		require.Equal(t, to, c.Binding().Identified)
	}
	late, admission := admit(t, h, command.Identity{Session: "s", User: "u"})
	require.True(t, admission.RecentlyGivenUp)
	require.Equal(t, command.Identity{}, late.Binding().Identity)
	clock.advance(CookieDelay)
	later, admission := admit(t, h, command.Identity{Session: "s", User: "u"})
	require.False(t, admission.RecentlyGivenUp)
	require.Equal(t, command.Identity{}, later.Binding().Identity)

	_, err = h.Rebind(command.Rebind{From: command.Identity{Session: "x"}, To: command.Identified{Identity: command.Identity{Session: "s", User: "u"}}})
	require.ErrorIs(t, err, ErrGivenUp)

	for _, c := range []*Conn{a, b, withoutSession, anonymous, late, later} {
		h.Forget(c)
		h.Forget(c)
	}
	requireEmpty(t, h)
}

// TestAdmitAfterChange: Admit refuses an identity that has changed after the
// cookie was checked.
func TestAdmitAfterChange(t *testing.T) {
	h := New(newClock().config())
	seen := h.ChangesInPlace()
	_, err := h.Rebind(command.Rebind{From: command.Identity{Session: "s"}, To: command.Identified{Identity: command.Identity{Session: "s", User: "u"}}})
	require.NoError(t, err)

	_, err = h.Admit(new(Conn), command.Identified{Identity: command.Identity{Session: "s"}}, seen)

	require.ErrorIs(t, err, ErrChanged)
	requireEmpty(t, h)
}

// TestAdmitRevokedLogin: a connection whose login was revoked during the
// handshake has no user. It keeps its session.
func TestAdmitRevokedLogin(t *testing.T) {
	clock := newClock()
	h := New(clock.config())
	id := command.Identity{Session: "s", User: "u"}
	before, after := clock.now.Add(-time.Second), clock.now.Add(time.Second)
	h.Revoke(command.Revoke{Key: command.Key{Kind: command.User, ID: "u"}, Except: "exempt", Invalidate: true})

	for name, c := range map[string]struct {
		id   command.Identified
		want string
	}{
		"before":  {command.Identified{Identity: id, LoginTime: before}, ""},
		"after":   {command.Identified{Identity: id, LoginTime: after}, "u"},
		"unknown": {command.Identified{Identity: id}, "u"},
		"exempt":  {command.Identified{Identity: command.Identity{Session: "exempt", User: "u"}, LoginTime: before}, "u"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := new(Conn)
			_, err := h.Admit(conn, c.id, 0)

			require.NoError(t, err)
			require.Equal(t, c.want, conn.Binding().User)
			require.Equal(t, c.id.Session, conn.Binding().Session)
		})
	}
}

// TestAdmitRefuses: Admit refuses a revoked session, and a missing session if
// one is required.
func TestAdmitRefuses(t *testing.T) {
	config := newClock().config()
	config.RequireSession = true
	h := New(config)
	h.Revoke(command.Revoke{Key: command.Key{Kind: command.Session, ID: "s"}, Invalidate: true})

	_, err := h.Admit(new(Conn), command.Identified{Identity: command.Identity{Session: "s", User: "u"}}, 0)
	require.ErrorIs(t, err, ErrRevoked)
	_, err = h.Admit(new(Conn), command.Identified{Identity: command.Identity{User: "u"}}, 0)
	require.ErrorIs(t, err, ErrNoSession)
	requireEmpty(t, h)
}

// TestLimits: above a limit a connection is admitted without an identity. With
// CloseOldest, the oldest connection that has sent a CONNECT ends.
func TestLimits(t *testing.T) {
	config := newClock().config()
	config.MaxPerUser = 2
	id := command.Identity{Session: "s", User: "u"}

	h := New(config)
	admit(t, h, id)
	admit(t, h, id)
	third, admission := admit(t, h, id)
	require.Equal(t, Limit{command.User, 2}, admission.Exceeded)
	require.Equal(t, command.Identity{}, third.Binding().Identity)

	config.CloseOldest = true
	h = New(config)
	notArrived, _ := admit(t, h, id)
	var ended []*Conn
	var conns []*Conn
	for range 4 {
		c, admission := admit(t, h, id)
		require.Zero(t, admission.Exceeded)
		conns = append(conns, c)
		ended = append(ended, h.Arrived(c).Ended...)
	}
	require.Equal(t, conns[:2], ended)
	require.ElementsMatch(t, []*Conn{notArrived, conns[2], conns[3]}, h.Conns(command.Key{Kind: command.User, ID: "u"}))
}

// TestRebindAfterRevoke: a login after a Revoke is valid, even if its cookie
// was written before the Revoke.
func TestRebindAfterRevoke(t *testing.T) {
	clock := newClock()
	h := New(clock.config())
	c, _ := admit(t, h, command.Identity{Session: "s"})
	written := clock.now.Add(-2 * time.Second)
	h.Revoke(command.Revoke{Key: command.Key{Kind: command.User, ID: "ann"}, Invalidate: true})

	to := command.Identified{Identity: command.Identity{Session: "s2", User: "ann"}, LoginTime: written}
	_, err := h.Rebind(command.Rebind{From: command.Identity{Session: "s"}, To: to})
	require.NoError(t, err)

	prove(t, h, c, to)
	require.True(t, h.LoginCounts(to.Identity, written))
	require.False(t, h.LoginCounts(command.Identity{Session: "s3", User: "ann"}, written))
}
