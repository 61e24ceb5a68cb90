package restart

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/ledger"
)

// faulty is a ledger.Memory that can fail or hang.
type faulty struct {
	*ledger.Memory
	mu    sync.Mutex
	err   error
	hangs chan struct{} // closed to go on; nil: it does not hang
}

func newFaulty() *faulty { return &faulty{Memory: ledger.NewMemory()} }

func (f *faulty) set(err error, hangs chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.hangs = err, hangs
}

func (f *faulty) fault() error {
	f.mu.Lock()
	err, hangs := f.err, f.hangs
	f.mu.Unlock()
	if hangs != nil {
		<-hangs // whatever its context says
	}
	return err
}

func (f *faulty) Save(ctx context.Context, records []ledger.Record) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Memory.Save(ctx, records)
}

func (f *faulty) Load(ctx context.Context, yield func(ledger.Record) error) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Memory.Load(ctx, yield)
}

var errFull = errors.New("the disk is full")

// faultySite starts a Server with a ledger that can fail, and a log.
func faultySite(t *testing.T, bus cluster.Bus) (*mojo.Server, *faulty, *e2e.Log) {
	t.Helper()
	store, log := newFaulty(), new(e2e.Log)
	opts := mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Ledger: store, Logger: log.Logger()}
	if bus != nil {
		opts.Cluster = bus
	}
	return e2e.NewServer(t, opts), store, log
}

// calls are those that change what is valid.
var calls = map[string]func(ctx context.Context, srv *mojo.Server, w *httptest.ResponseRecorder) error{
	"LogIn": func(ctx context.Context, srv *mojo.Server, w *httptest.ResponseRecorder) error {
		return srv.LogIn(w, cookietest.Request(e2e.SessionCookie("s")).WithContext(ctx), "ann")
	},
	"LogOut": func(ctx context.Context, srv *mojo.Server, w *httptest.ResponseRecorder) error {
		return srv.LogOut(w, cookietest.Request(e2e.SessionCookie("s"), e2e.LoginCookie("ann")).WithContext(ctx))
	},
	"Rebind": func(ctx context.Context, srv *mojo.Server, _ *httptest.ResponseRecorder) error {
		return srv.Rebind(ctx, "s", mojo.Identity{SessionID: "s2"})
	},
	"Revoke": func(ctx context.Context, srv *mojo.Server, _ *httptest.ResponseRecorder) error {
		return srv.CurrentSessions().Get("s").Revoke(ctx, mojo.Revocation{})
	},
}

// A ledger that fails: the call says so, the log says so, and the change stands.
// It is stored as soon as the ledger works.
func TestLedgerThatFails(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, store, log := faultySite(t, nil)
				store.set(errFull, nil)
				w := httptest.NewRecorder()

				err := call(t.Context(), srv, w)

				require.ErrorIs(t, err, mojo.ErrNotStored)
				require.ErrorIs(t, err, errFull)
				require.EqualError(t, err, "mojo: the change is not stored in the ledger: the disk is full")
				require.Equal(t, name[:3] == "Log", len(w.Header()["Set-Cookie"]) > 0)
				require.Empty(t, srv.Identity(cookietest.Request(e2e.SessionCookie("s"))).SessionID, "the change stands")
				synctest.Wait()
				require.Len(t, log.Warnings(), 1)
				require.Contains(t, log.Warnings()[0], "Options.Ledger cannot store")
				require.Contains(t, log.Warnings()[0], "the disk is full")

				store.set(nil, nil)
				time.Sleep(2 * time.Second)
				require.Contains(t, log.String(), "Options.Ledger stores again")
				again := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Ledger: store})
				require.Empty(t, again.Identity(cookietest.Request(e2e.SessionCookie("s"))).SessionID)
			})
		})
	}
}

// A ledger that hangs, even if it ignores its context: the call returns when its
// own context ends, or after two seconds. The log says so.
func TestLedgerThatHangs(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, store, log := faultySite(t, nil)
				hangs := make(chan struct{})
				store.set(nil, hangs)
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				start := time.Now()

				err := call(ctx, srv, httptest.NewRecorder())
				require.ErrorIs(t, err, mojo.ErrNotStored)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 100*time.Millisecond, time.Since(start))
				require.Empty(t, srv.Identity(cookietest.Request(e2e.SessionCookie("s"))).SessionID, "the change stands")

				start = time.Now()
				err = srv.CurrentSessions().Get("s3").Revoke(t.Context(), mojo.Revocation{})
				require.EqualError(t, err, "mojo: the change is not stored in the ledger: no answer for 2s")
				require.Equal(t, 2*time.Second, time.Since(start))
				require.Contains(t, log.Warnings()[0], "no answer for 2s")
				close(hangs)
			})
		})
	}
}

// In a cluster whose other process does not answer either, the call says both.
func TestLedgerAndClusterThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewMemory()
		srv, store, _ := faultySite(t, bus)
		other, _, _ := faultySite(t, bus)
		time.Sleep(3 * time.Second)
		name := other.Nodes()[0].Name
		store.set(errFull, nil)
		bus.Cut(name)
		start := time.Now()

		err := srv.CurrentSessions().Get("s").Revoke(t.Context(), mojo.Revocation{})

		require.Equal(t, 2*time.Second, time.Since(start))
		require.ErrorIs(t, err, mojo.ErrNotStored)
		var unconfirmed *mojo.UnconfirmedError
		require.ErrorAs(t, err, &unconfirmed)
		require.Equal(t, []string{name}, unconfirmed.Nodes)
		require.EqualError(t, err, "mojo: the change was not confirmed by the processes "+name+"; the change is not stored in the ledger: the disk is full")
	})
}

// New returns an error if the ledger cannot be read, and if it takes longer than
// ten seconds.
func TestLedgerThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		opts := mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Ledger: store, Cluster: cluster.NewMemory()}
		store.set(errFull, nil)
		_, err := mojo.New(opts)
		require.ErrorIs(t, err, errFull)
		require.EqualError(t, err, "mojo: Options.Ledger cannot be read: the disk is full")

		hangs := make(chan struct{})
		store.set(nil, hangs)
		start := time.Now()
		_, err = mojo.New(opts)
		require.ErrorContains(t, err, "Options.Ledger")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(start))
		close(hangs)
	})
}

// Shutdown stores what a Revalidation.Check has revoked, for which no call waits.
func TestShutdownStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, store, _ := faultySite(t, nil)
		hangs := make(chan struct{})
		store.set(nil, hangs)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.Error(t, srv.CurrentSessions().Get("s").Revoke(ctx, mojo.Revocation{}))
		time.AfterFunc(time.Second, func() { close(hangs) })

		start := time.Now()
		require.NoError(t, srv.Shutdown(t.Context()))

		require.GreaterOrEqual(t, time.Since(start), 900*time.Millisecond)
		n := 0
		require.NoError(t, store.Memory.Load(t.Context(), func(ledger.Record) error {
			n++
			return nil
		}))
		require.Equal(t, 1, n)
	})
}

// A broken record is skipped, and the log says so once.
func TestBrokenRecord(t *testing.T) {
	store := newFaulty()
	for _, key := range []string{"a", "b"} {
		require.NoError(t, store.Save(t.Context(), []ledger.Record{{Key: key, Value: []byte{9, 9}, Expires: time.Now().Add(time.Hour)}}))
	}
	log := new(e2e.Log)

	e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Ledger: store, Logger: log.Logger()})

	require.Len(t, log.Warnings(), 1)
	require.Contains(t, log.Warnings()[0], "records=2")
}

// Options.Ledger needs sessions.
func TestLedgerWithoutSessions(t *testing.T) {
	_, err := mojo.New(mojo.Options{Ledger: ledger.NewMemory()})
	require.EqualError(t, err, "mojo: Options.Ledger is set, but neither Cookies nor Identify, so nobody has a session")
}
