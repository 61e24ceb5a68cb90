package hub

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAdmitAndForget: a connection is under its identity until it is forgotten; one with a session id that was given up
// is nobody's.
func TestAdmitAndForget(t *testing.T) {
	clock := newClock()
	h := New(clock.config())
	a, _ := admit(t, h, Identity{"s", "u"})
	b, _ := admit(t, h, Identity{"s", ""})
	loner, _ := admit(t, h, Identity{"", "u"})
	nobody, _ := admit(t, h, Identity{})
	to := Identified{Identity: Identity{"new", "v"}}

	effects, err := h.Rebind(Rebind{To: to})
	require.NoError(t, err)
	require.Equal(t, Effects{}, effects)

	effects, err = h.Rebind(Rebind{From: Identity{"", "u"}, To: to})
	require.NoError(t, err)
	require.Equal(t, Effects{Outdated: []*Conn{loner}}, effects)

	effects, err = h.Rebind(Rebind{From: Identity{"s", "u"}, To: to})
	require.NoError(t, err)
	require.Len(t, effects.Moved, 2)
	require.Empty(t, effects.Outdated)
	for _, c := range []*Conn{a, b} {
		require.Equal(t, Identified{}, c.Binding().Identified, "nobody without a proof")
		prove(t, h, c, to)
		require.Equal(t, to, c.Binding().Identified)
	}
	late, admission := admit(t, h, Identity{"s", "u"})
	require.True(t, admission.Early)
	require.Equal(t, Identity{}, late.Binding().Identity)
	clock.pass(Settling)
	later, admission := admit(t, h, Identity{"s", "u"})
	require.False(t, admission.Early)
	require.Equal(t, Identity{}, later.Binding().Identity)

	_, err = h.Rebind(Rebind{From: Identity{"x", ""}, To: Identified{Identity: Identity{"s", "u"}}})
	require.ErrorIs(t, err, ErrGivenUp)

	for _, c := range []*Conn{a, b, loner, nobody, late, later} {
		h.Forget(c)
		h.Forget(c)
	}
	requireEmpty(t, h)
}

// TestAdmitAfterAChange: an identity that has changed between the check of a cookie and the entry in the index is not
// entered.
func TestAdmitAfterAChange(t *testing.T) {
	h := New(newClock().config())
	seen := h.ChangesInPlace()
	_, err := h.Rebind(Rebind{From: Identity{"s", ""}, To: Identified{Identity: Identity{"s", "u"}}})
	require.NoError(t, err)

	_, err = h.Admit(new(Conn), Identified{Identity: Identity{"s", ""}}, seen)

	require.ErrorIs(t, err, ErrChanged)
	requireEmpty(t, h)
}

// TestAdmitOfARevokedLogin: a login that was revoked while its handshake was under way is left out, the session stays.
func TestAdmitOfARevokedLogin(t *testing.T) {
	clock := newClock()
	h := New(clock.config())
	id := Identity{"s", "u"}
	before, after := clock.now.Add(-time.Second), clock.now.Add(time.Second)
	h.Revoke(Revoke{Key: Key{User, "u"}, Except: "exempt", Lasting: true})

	for name, c := range map[string]struct {
		id   Identified
		want string
	}{
		"before":  {Identified{Identity: id, Proven: before}, ""},
		"after":   {Identified{Identity: id, Proven: after}, "u"},
		"unknown": {Identified{Identity: id}, "u"},
		"exempt":  {Identified{Identity: Identity{"exempt", "u"}, Proven: before}, "u"},
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

// TestAdmitRefuses connections with a revoked session, and without a session where one is required.
func TestAdmitRefuses(t *testing.T) {
	config := newClock().config()
	config.RequireSession = true
	h := New(config)
	h.Revoke(Revoke{Key: Key{Session, "s"}, Lasting: true})

	_, err := h.Admit(new(Conn), Identified{Identity: Identity{"s", "u"}}, 0)
	require.ErrorIs(t, err, ErrRevoked)
	_, err = h.Admit(new(Conn), Identified{Identity: Identity{"", "u"}}, 0)
	require.ErrorIs(t, err, ErrNoSession)
	requireEmpty(t, h)
}

// TestLimits: above a limit a connection is admitted as nobody or, with CloseOldest, ends the oldest that has arrived.
func TestLimits(t *testing.T) {
	config := newClock().config()
	config.MaxPerUser = 2
	id := Identity{"s", "u"}

	h := New(config)
	admit(t, h, id)
	admit(t, h, id)
	third, admission := admit(t, h, id)
	require.Equal(t, Limit{User, 2}, admission.Crowded)
	require.Equal(t, Identity{}, third.Binding().Identity)

	config.CloseOldest = true
	h = New(config)
	waiting, _ := admit(t, h, id)
	var ended []*Conn
	var conns []*Conn
	for range 4 {
		c, admission := admit(t, h, id)
		require.Zero(t, admission.Crowded)
		conns = append(conns, c)
		ended = append(ended, h.Arrived(c).Ended...)
	}
	require.Equal(t, conns[:2], ended)
	require.ElementsMatch(t, []*Conn{waiting, conns[2], conns[3]}, h.Conns(Key{User, "u"}))
}
