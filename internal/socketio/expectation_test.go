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

// request is a request of a test, and whether it must be admitted.
type request struct {
	after   time.Duration // since the request before it
	method  string
	session string // of its identity
	ok      bool
}

// After a change, requests with the earlier identity are admitted until the
// first one with the latest identity, for half a minute at most. After that one
// more is admitted within a second, if it has the other method: the browser may
// have sent both at the same time.
func TestRequestsAfterAChange(t *testing.T) {
	const get, post = http.MethodGet, http.MethodPost
	for name, requests := range map[string][]request{
		"earlier only":       {{0, get, "old", true}, {0, post, "old", true}, {hub.CookieDelay - 1, get, "old", true}, {1, get, "old", false}, {0, get, "new", true}},
		"latest only":        {{0, get, "new", true}, {0, post, "new", true}, {time.Hour, get, "new", true}},
		"of another client":  {{0, get, "other", false}, {0, get, "", false}, {0, get, "old", true}},
		"a late poll":        {{0, post, "new", true}, {0, get, "old", true}, {0, get, "old", false}, {0, get, "new", true}},
		"a late post":        {{0, get, "new", true}, {0, post, "old", true}, {0, post, "old", false}},
		"of the same method": {{0, get, "new", true}, {0, get, "old", false}, {0, post, "old", true}},
		"too late":           {{0, post, "new", true}, {lateTime, get, "old", false}},
		"none is late":       {{0, post, "new", true}, {0, get, "new", true}, {0, post, "old", false}, {0, get, "old", false}},
		"several latest":     {{0, get, "new", true}, {lateTime / 2, get, "new", true}, {lateTime / 2, post, "old", false}},
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

// The browser has the cookies of the first change when the second change is
// made. A late request from before the first change does not use up the late
// request from before the second.
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

// After many changes in a row, only the latest of the earlier identities are
// admitted.
func TestEarlierIdentitiesAreBounded(t *testing.T) {
	app := newTestApp()
	s, _, site := serve(t, app, "/")
	dial(t, site, "websocket", "0", "").Connect("/", nil)
	c := await(t, app.connected).client()
	const changes = 10
	for i := range changes {
		require.NoError(t, s.Change(t.Context(), command.Rebind{
			From: command.Identity{Session: fmt.Sprint(i)}, To: command.Identified{Identity: command.Identity{Session: fmt.Sprint(i + 1)}},
		}))
	}
	for i := range changes {
		require.Equal(t, i >= changes-maxEarlier, c.expected.admits(command.Identity{Session: fmt.Sprint(i)}, http.MethodGet) != engineio.Refused, i)
	}
}
