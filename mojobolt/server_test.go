package mojobolt_test

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojobolt"
	"github.com/mojosocket/mojo/mojotest"
)

// process is a process of a site with a ledger in a file.
type process struct {
	ledger *mojobolt.Ledger
	*mojo.Server
	site *mojotest.Server
}

func start(t testing.TB, path string, cookies *mojo.Cookies) *process {
	t.Helper()
	p := &process{ledger: open(t, path)}
	var err error
	p.Server, err = mojo.New(mojo.Options{Cookies: cookies, Ledger: p.ledger, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(t, err)
	_, err = p.Register("Chat", new(mojo.Events).Handler())
	require.NoError(t, err)
	p.site = mojotest.NewServer(t, p.Server, nil)
	return p
}

// end ends a process, without Shutdown.
func (p *process) end(t testing.TB) {
	t.Helper()
	p.site.Close()
	require.NoError(t, p.ledger.Close())
}

// visit returns the user of a browser with the cookies of another one, and
// whether it can connect.
func (p *process) visit(t testing.TB, b *mojotest.Browser) (user string, connects bool) {
	t.Helper()
	again := p.site.NewBrowser(t)
	again.SetCookies(b.Cookies()...)
	_, err := again.TryDial("/ChatSocket", nil)
	return again.Identity().UserID, err == nil
}

// What was given up or revoked is refused by the next process as by this one, and
// the cookies that are valid still are.
func TestServerAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	require.NoError(t, err)
	p := start(t, path, cookies)
	browser := func() *mojotest.Browser {
		b := p.site.NewBrowser(t)
		b.Get("/")
		return b
	}
	copyOf := func(b *mojotest.Browser) *mojotest.Browser {
		c := p.site.NewBrowser(t)
		c.SetCookies(b.Cookies()...)
		return c
	}

	ann := browser()
	beforeLogIn := copyOf(ann)
	ann.LogIn("ann")
	bob := browser()
	bob.LogIn("bob")
	beforeLogOut := copyOf(bob)
	bob.LogOut()
	moderated := browser()
	moderated.LogIn("eve")
	require.NoError(t, p.CurrentSessions().Get(moderated.Identity().SessionID).Revoke(t.Context(), mojo.Revocation{}))
	phone, laptop := browser(), browser()
	phone.LogIn("dan")
	laptop.LogIn("dan")
	phone.Dial("/ChatSocket", nil)
	require.NoError(t, p.LoggedInSessions().Get("dan").RevokeExcept(t.Context(), laptop.Identity().SessionID, mojo.Revocation{}))

	for range 2 {
		p.end(t)
		p = start(t, path, cookies)
		for name, want := range map[string]struct {
			browser  *mojotest.Browser
			user     string
			connects bool
		}{
			"logged in":              {ann, "ann", true},
			"before the login":       {beforeLogIn, "", true}, // as nobody
			"logged out":             {bob, "", true},
			"before the logout":      {beforeLogOut, "", true},
			"revoked":                {moderated, "", false},
			"revoked with the user":  {phone, "", false},
			"excepted from the user": {laptop, "dan", true},
		} {
			user, connects := p.visit(t, want.browser)
			require.Equal(t, want.user, user, name)
			require.Equal(t, want.connects, connects, name)
		}
	}
	p.end(t)
}

// If the file is closed too early, calls say so.
func TestServerWithAClosedLedger(t *testing.T) {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	require.NoError(t, err)
	p := start(t, filepath.Join(t.TempDir(), "ledger"), cookies)
	require.NoError(t, p.ledger.Close())

	err = p.CurrentSessions().Get("s").Revoke(context.Background(), mojo.Revocation{})

	require.ErrorIs(t, err, mojo.ErrNotStored)
	require.ErrorContains(t, err, "mojobolt: ")
	_, err = mojo.New(mojo.Options{Cookies: cookies, Ledger: p.ledger})
	require.ErrorContains(t, err, "mojo: Options.Ledger cannot be read: mojobolt: ")
}
