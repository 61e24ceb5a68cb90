package restart

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/mojotest"
)

var (
	refused  = visit{refused: true}
	nobody   = visit{}              // admitted without a session
	session  = visit{session: true} // that is not logged in
	loggedIn = visit{session: true, user: true, page: "ann"}
)

// People log in and out, and are revoked. After a restart their old cookies are
// refused as they were before, and their new ones still work.
func TestOldCookiesAfterARestart(t *testing.T) {
	for name, test := range map[string]struct {
		run  func(t *testing.T, s *site) map[string]cookies
		want map[string]visit
	}{
		"LogIn": {func(t *testing.T, s *site) map[string]cookies {
			b := s.first().browser(t)
			old := b.Cookies()
			b.LogIn("ann")
			return map[string]cookies{"old": old, "new": b.Cookies()}
		}, map[string]visit{"old": nobody, "new": loggedIn}},
		"LogOut": {func(t *testing.T, s *site) map[string]cookies {
			b := s.first().browser(t)
			b.LogIn("ann")
			old := b.Cookies()
			b.LogOut()
			return map[string]cookies{"old": old, "new": b.Cookies()}
		}, map[string]visit{"old": nobody, "new": session}},
		"Rebind": {func(t *testing.T, s *site) map[string]cookies {
			now := mojo.Identity{SessionID: "s2", UserID: "ann"}
			require.NoError(t, s.first().Rebind(t.Context(), "s1", now))
			return map[string]cookies{"old": of(e2e.SessionCookie("s1"), e2e.LoginCookie("ann")), "new": of(e2e.SessionCookie("s2"))}
		}, map[string]visit{"old": nobody, "new": session}},
		"Revoke a session": {func(t *testing.T, s *site) map[string]cookies {
			b, other := s.first().browser(t), s.first().browser(t)
			b.LogIn("ann")
			other.LogIn("ann")
			revoked := s.first().CurrentSessions().Get(b.Identity().SessionID)
			require.NoError(t, revoked.Revoke(t.Context(), mojo.Revocation{}))
			return map[string]cookies{"revoked": b.Cookies(), "other": other.Cookies()}
		}, map[string]visit{"revoked": refused, "other": loggedIn}},
		"Revoke a user": {func(t *testing.T, s *site) map[string]cookies {
			b, other := s.first().browser(t), s.first().browser(t)
			b.LogIn("ann")
			other.LogIn("ann")
			moveTo(t, s.last(), b).Dial(e2e.ChatNamespace, nil)
			time.Sleep(time.Second)
			require.NoError(t, s.first().LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{}))
			time.Sleep(time.Second)
			later := s.first().browser(t)
			later.LogIn("ann")
			return map[string]cookies{"connected": b.Cookies(), "not connected": other.Cookies(), "later": later.Cookies()}
		}, map[string]visit{"connected": {refused: true}, "not connected": session, "later": loggedIn}},
		"RevokeExcept": {func(t *testing.T, s *site) map[string]cookies {
			b, other := s.first().browser(t), s.first().browser(t)
			b.LogIn("ann")
			other.LogIn("ann")
			for _, b := range []*mojotest.Browser{b, other} {
				moveTo(t, s.last(), b).Dial(e2e.ChatNamespace, nil)
			}
			time.Sleep(time.Second)
			require.NoError(t, s.first().LoggedInSessions().Get("ann").RevokeExcept(t.Context(), b.Identity().SessionID, mojo.Revocation{}))
			return map[string]cookies{"excepted": b.Cookies(), "other": other.Cookies()}
		}, map[string]visit{"excepted": loggedIn, "other": refused}},
		"a login in the second of a Revoke": {func(t *testing.T, s *site) map[string]cookies {
			require.NoError(t, s.last().LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{}))
			b := s.first().browser(t)
			b.LogIn("ann")
			return map[string]cookies{"login": b.Cookies()}
		}, map[string]visit{"login": loggedIn}},
		"Revoke with Reconnect": {func(t *testing.T, s *site) map[string]cookies {
			b := s.first().browser(t)
			b.LogIn("ann")
			require.NoError(t, s.first().LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{Reconnect: true}))
			require.NoError(t, s.first().chat.LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{}))
			return map[string]cookies{"cookies": b.Cookies()}
		}, map[string]visit{"cookies": loggedIn}},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, mojo.Options{}, func(t *testing.T, s *site) {
				s.requireVisits(t, test.want, test.run(t, s))
			})
		})
	}
}

// browser returns a browser with a session.
func (p *server) browser(t *testing.T) *mojotest.Browser {
	t.Helper()
	b := p.test.NewBrowser(t)
	b.Get("/")
	return b
}

// moveTo returns a browser with the same cookies that visits another process.
func moveTo(t *testing.T, p *server, b *mojotest.Browser) *mojotest.Browser {
	t.Helper()
	other := p.test.NewBrowser(t)
	other.SetCookies(b.Cookies()...)
	return other
}

// of returns cookies, each name=value.
func of(lines ...string) (c cookies) { return cookietest.Request(lines...).Cookies() }

// The sessions that Revalidation.Check revokes stay revoked.
func TestRevalidatedSessionAfterARestart(t *testing.T) {
	opts := mojo.Options{Revalidation: mojo.Revalidation{
		Check: func(_ context.Context, id mojo.Identity) (bool, error) { return id.UserID != "ann", nil },
	}}
	each(t, opts, func(t *testing.T, s *site) {
		b := s.first().browser(t)
		b.LogIn("ann")
		moveTo(t, s.last(), b).Dial(e2e.ChatNamespace, nil)
		time.Sleep(2 * time.Minute)

		s.requireVisits(t, map[string]visit{"ann": refused}, map[string]cookies{"ann": b.Cookies()})
	})
}

// Without Options.Ledger a restart forgets what was revoked.
func TestRestartWithoutALedger(t *testing.T) {
	start := func() *server {
		app := e2e.NewApp()
		p := &server{accepted: app.Accepted, Server: e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{})})}
		e2e.Register(t, p.Server, "Chat", app)
		p.test = mojotest.NewServer(t, p.Server, nil)
		return p
	}
	p := start()
	require.NoError(t, p.CurrentSessions().Get("s").Revoke(t.Context(), mojo.Revocation{}))
	visitor := mojo.Identity{SessionID: "s"}
	require.Empty(t, p.Identity(cookietest.Request(e2e.SessionCookie("s"))))
	p.test.Close()

	identity := start().Identity(cookietest.Request(e2e.SessionCookie("s")))

	require.Equal(t, visitor.SessionID, identity.SessionID)
}

// With Options.Identify it is not known when a session ends: what was given up
// or revoked stays so for 400 days.
func TestIdentifyAfterARestart(t *testing.T) {
	each(t, mojo.Options{Ledger: newFaulty()}, func(t *testing.T, s *site) {
		s.opts.Cookies = nil
		s.opts.ClusterKey = e2e.Key.Hash
		if !s.two {
			s.opts.ClusterKey = nil
		}
		s.opts.Identify = func(r *http.Request) (mojo.Identity, error) {
			return mojo.Identity{SessionID: r.Header.Get("Session")}, nil
		}
		s.restart(t, 0)
		require.NoError(t, s.first().CurrentSessions().Get("revoked").Revoke(t.Context(), mojo.Revocation{}))
		require.NoError(t, s.first().Rebind(t.Context(), "old", mojo.Identity{SessionID: "new"}))
		valid := func(id string) bool {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Session", id)
			return s.last().Identity(r).SessionID == id
		}
		for _, after := range []time.Duration{0, 399 * 24 * time.Hour} {
			s.restart(t, after)
			require.False(t, valid("revoked"))
			require.False(t, valid("old"))
			require.True(t, valid("new"))
		}
		s.restart(t, 2*24*time.Hour)
		require.True(t, valid("revoked"))
	})
}
