package socketio

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
)

// request is one that comes with an identity, after some time, and whether it
// is let through.
type request struct {
	after   time.Duration
	method  string
	session string
	ok      bool
}

// TestRequestsAfterAChange: those with the earlier identity are good until one
// comes with the latest, and for half a minute at most; then only one of the
// other method, which may have left together with that, within a second.
func TestRequestsAfterAChange(t *testing.T) {
	const get, post = http.MethodGet, http.MethodPost
	for name, requests := range map[string][]request{
		"earlier only":   {{0, get, "old", true}, {0, post, "old", true}, {hub.CookieDelay - 1, get, "old", true}, {1, get, "old", false}, {0, get, "new", true}},
		"latest only":    {{0, get, "new", true}, {0, post, "new", true}, {time.Hour, get, "new", true}},
		"of another":     {{0, get, "other", false}, {0, get, "", false}, {0, get, "old", true}},
		"a late poll":    {{0, post, "new", true}, {0, get, "old", true}, {0, get, "old", false}, {0, get, "new", true}},
		"a late post":    {{0, get, "new", true}, {0, post, "old", true}, {0, post, "old", false}},
		"not that":       {{0, get, "new", true}, {0, get, "old", false}, {0, post, "old", true}},
		"too late":       {{0, post, "new", true}, {lateness, get, "old", false}},
		"none is late":   {{0, post, "new", true}, {0, get, "new", true}, {0, post, "old", false}, {0, get, "old", false}},
		"several latest": {{0, get, "new", true}, {lateness / 2, get, "new", true}, {lateness / 2, post, "old", false}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var e expectation
				e.latest = command.Identity{Session: "new"}
				e.earlier = []earlierIdentity{{Identity: command.Identity{Session: "old"}, until: time.Now().Add(hub.CookieDelay)}}
				for i, r := range requests {
					time.Sleep(r.after)
					require.Equal(t, r.ok, e.admits(command.Identity{Session: r.session}, r.method) != engineio.Refused, "request %d", i)
				}
			})
		})
	}
}

// TestRequestsAfterTwoChanges, of which the browser knows the first one when
// the second is made: what may be late from before the first does not count
// against what may be from before the second.
func TestRequestsAfterTwoChanges(t *testing.T) {
	const get, post = http.MethodGet, http.MethodPost
	for name, requests := range map[string][]request{
		"the first late one": {{0, get, "oldest", true}, {0, get, "old", true}, {0, post, "old", true}, {0, get, "oldest", false}, {0, get, "new", true}},
		"no late one":        {{0, get, "old", true}, {0, get, "oldest", false}, {0, post, "old", true}},
		"the latest":         {{0, get, "new", true}, {0, get, "oldest", false}, {0, post, "old", true}, {0, post, "old", false}},
		"both late":          {{0, post, "new", true}, {0, get, "oldest", true}, {0, get, "old", false}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oldest, old := command.Identity{Session: "oldest"}, command.Identity{Session: "old"}
				var e expectation
				e.latest = old
				e.earlier = []earlierIdentity{{Identity: oldest, until: time.Now().Add(hub.CookieDelay)}}
				require.NotEqual(t, engineio.Refused, e.admits(old, post))
				e.latest = command.Identity{Session: "new"}
				e.earlier = append(e.earlier, earlierIdentity{Identity: old, until: time.Now().Add(hub.CookieDelay)})
				for i, r := range requests {
					time.Sleep(r.after)
					require.Equal(t, r.ok, e.admits(command.Identity{Session: r.session}, r.method) != engineio.Refused, "request %d", i)
				}
			})
		})
	}
}

// TestEarlierIdentitiesAreBounded: of many changes in a row a browser may be
// behind a few.
func TestEarlierIdentitiesAreBounded(t *testing.T) {
	app := newTestApp()
	s, _, site := serve(t, app, "/")
	dial(t, site, "websocket", "0", "").Connect("/", nil)
	c := await(t, app.connected).client()
	const changes = 10
	for i := range changes {
		require.NoError(t, s.Change(command.Rebind{
			From: command.Identity{Session: fmt.Sprint(i)}, To: command.Identified{Identity: command.Identity{Session: fmt.Sprint(i + 1)}},
		}))
	}
	for i := range changes {
		require.Equal(t, i >= changes-maxEarlier, c.expected.admits(command.Identity{Session: fmt.Sprint(i)}, http.MethodGet) != engineio.Refused, i)
	}
}
