package mojo

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestRevokedBetweenTwoPolls: a client that does not poll at the moment gets the reason, although the login that its
// next poll brings does not count any more. Nobody else does.
func TestRevokedBetweenTwoPolls(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := newApp()
		srv, _ := chatServer(t, h)
		site := siotest.Serve(t, n, srv)
		mine := as(inSession("s"), asUser("ann"))
		engine := siotest.Open(t, site, siotest.Options{Transport: "polling", ManualPoll: true, Header: mine})
		engine.Post("40" + chatNamespace)
		_, connected := engine.Poll()
		require.Contains(t, connected, "40"+chatNamespace)
		url := engine.URL("polling")

		require.NoError(t, srv.LoggedInSessions().Get("ann").Revoke(t.Context(), Revocation{Code: 5001, Reason: "moderated"}))

		for name, cookies := range map[string]http.Header{
			"nobody":        as(),
			"other session": as(inSession("s2")),
			"other user":    as(inSession("s"), asUser("bob")),
			"no session":    as(asUser("ann")),
		} {
			got := ask(t, site, http.MethodGet, url, cookies, "")
			require.Equal(t, http.StatusBadRequest, got.status, name)
			require.Equal(t, `{"code":1,"message":"Session ID unknown"}`, got.body, name)
		}
		_, reason := engine.Poll()
		require.Equal(t, "42"+chatNamespace+`,["mojo:revoked",{"code":5001,"reason":"moderated","reconnect":false}]`+
			"\x1e41"+chatNamespace+",", reason)
		_, farewell := engine.Poll()
		require.Equal(t, "1", farewell)
		require.Equal(t, Reason("moderated"), (<-h.ended).reason)
	})
}
