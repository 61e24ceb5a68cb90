package mojoredis_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/ledger"
	"github.com/mojosocket/mojo/ledger/ledgertest"
	"github.com/mojosocket/mojo/mojoredis"
	"github.com/mojosocket/mojo/mojotest"
)

// TestLedger runs the suite of stores. A Redis that does not answer, and one that
// has ended, are broken.
func TestLedger(t *testing.T) {
	for name, breaks := range map[string]func(t *testing.T, s *redistest.Server){
		"hangs": func(t *testing.T, s *redistest.Server) {
			require.NoError(t, newClient(t, s.Addr).Do(t.Context(), "CLIENT", "PAUSE", 60_000, "ALL").Err())
		},
		"ends": func(_ *testing.T, s *redistest.Server) { s.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			redistest.Require(t)
			ledgertest.Run(t, func(t *testing.T) ledgertest.Backend {
				server := shared
				if strings.HasSuffix(t.Name(), "/Break") {
					server = redistest.New(t)
				}
				return backend(t, newClient(t, server.Addr), func() { breaks(t, server) })
			})
		})
	}
}

// backend returns a Ledger for one case, whose keys no other case has.
func backend(t *testing.T, client redis.UniversalClient, breaks func()) ledgertest.Backend {
	t.Helper()
	options := mojoredis.LedgerOptions{Key: t.Name()}
	return ledgertest.Backend{
		Store:  mojoredis.NewLedger(client, options),
		Other:  mojoredis.NewLedger(client, mojoredis.LedgerOptions{Key: t.Name() + "/2"}),
		Reopen: func() ledger.Store { return mojoredis.NewLedger(client, options) },
		Break:  breaks,
	}
}

// A Ledger has a bound: of too many records those are removed that expire first.
func TestLedgerIsBounded(t *testing.T) {
	redistest.Require(t)
	client := newClient(t, shared.Addr)
	l := mojoredis.NewLedger(client, mojoredis.LedgerOptions{Key: t.Name()})
	expires, batch := time.Now().Add(time.Hour), make([]ledger.Record, 1<<14)
	for n := 0; n < ledger.MaxRecords+len(batch); {
		for i := range batch {
			batch[i] = ledger.Record{Key: fmt.Sprint(n), Value: []byte{1}, Expires: expires.Add(time.Duration(n) * time.Millisecond)}
			n++
		}
		require.NoError(t, l.Save(t.Context(), batch))
	}

	require.Equal(t, int64(ledger.MaxRecords), client.ZCard(t.Context(), t.Name()).Val())
	first := client.ZRange(t.Context(), t.Name(), 0, 0).Val()
	require.Equal(t, fmt.Sprint(len(batch), ":\x01"), first[0])
}

// A member that is no record is left out.
func TestLedgerWithOtherMembers(t *testing.T) {
	redistest.Require(t)
	client := newClient(t, shared.Addr)
	later := float64(time.Now().Add(time.Hour).UnixMilli())
	require.NoError(t, client.ZAdd(t.Context(), t.Name(), redis.Z{Score: later, Member: "other"}, redis.Z{Score: later, Member: "key:value"}).Err())
	var values []string
	l := mojoredis.NewLedger(client, mojoredis.LedgerOptions{Key: t.Name()})

	require.NoError(t, l.Load(t.Context(), func(r ledger.Record) error {
		values = append(values, r.Key+" "+string(r.Value))
		return nil
	}))

	require.Equal(t, []string{"key value"}, values)
	require.NoError(t, client.Set(t.Context(), t.Name(), "text", 0).Err())
	require.ErrorContains(t, l.Load(t.Context(), nil), "mojoredis: ledger: WRONGTYPE")
}

// Two Servers share a ledger. After all have ended, two others refuse what was
// given up or revoked, and accept the cookies that are valid.
func TestServersAfterARestart(t *testing.T) {
	redistest.Require(t)
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	require.NoError(t, err)
	start := func() (servers []*mojo.Server, sites []*mojotest.Server) {
		for range 2 {
			client := newClient(t, shared.Addr)
			srv, err := mojo.New(mojo.Options{
				Cookies: cookies, Logger: quiet, Cluster: mojoredis.New(client, mojoredis.Options{Key: t.Name(), Logger: quiet}),
				Ledger: mojoredis.NewLedger(client, mojoredis.LedgerOptions{Key: t.Name()}),
			})
			require.NoError(t, err)
			_, err = srv.Register("Chat", new(mojo.Events).Handler())
			require.NoError(t, err)
			servers, sites = append(servers, srv), append(sites, mojotest.NewServer(t, srv, nil))
		}
		for _, srv := range servers {
			require.Eventually(t, func() bool { return len(srv.Nodes()) == 2 }, limit, 10*time.Millisecond)
		}
		return servers, sites
	}
	servers, sites := start()
	users := make(map[string]*mojotest.Browser)
	for i, user := range []string{"ann", "bob", "eve"} {
		users[user] = sites[i%2].NewBrowser(t)
		users[user].Get("/")
		users[user].LogIn(user)
	}
	before := sites[1].NewBrowser(t)
	before.SetCookies(users["bob"].Cookies()...)
	users["bob"].LogOut()
	eve := sites[0].NewBrowser(t)
	eve.SetCookies(users["eve"].Cookies()...)
	eve.Dial("/ChatSocket", nil)
	require.Eventually(t, func() bool { return servers[1].LoggedInSessions().Has("eve") }, limit, 10*time.Millisecond)
	require.NoError(t, servers[1].LoggedInSessions().Get("eve").Revoke(context.Background(), mojo.Revocation{}))
	for _, site := range sites {
		site.Close()
	}

	_, sites = start()

	for _, site := range sites {
		for name, want := range map[string]struct {
			browser  *mojotest.Browser
			user     string
			connects bool
		}{
			"logged in":         {users["ann"], "ann", true},
			"logged out":        {users["bob"], "", true},
			"before the logout": {before, "", true}, // as nobody
			"revoked":           {users["eve"], "", false},
		} {
			visitor := site.NewBrowser(t)
			visitor.SetCookies(want.browser.Cookies()...)
			_, err := visitor.TryDial("/ChatSocket", nil)
			require.Equal(t, want.connects, err == nil, name)
			require.Equal(t, want.user, visitor.Identity().UserID, name)
		}
	}
}
