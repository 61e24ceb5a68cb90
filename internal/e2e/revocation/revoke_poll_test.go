package revocation

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// A client that is not polling when it is revoked receives the reason with its
// next poll, although its cookies give no identity any more. A poll with
// another identity does not receive it.
func TestRevokedBetweenTwoPolls(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := e2e.NewApp()
		srv, _ := e2e.ChatServer(t, h)
		site := siotest.Serve(t, n, srv)
		cookies := e2e.CookieHeader(e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
		engine := siotest.Open(t, site, siotest.Options{Transport: "polling", ManualPoll: true, Header: cookies})
		engine.Post("40" + e2e.ChatNamespace)
		_, connected := engine.Poll()
		require.Contains(t, connected, "40"+e2e.ChatNamespace)
		url := engine.URL("polling")

		require.NoError(t, srv.LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{Code: 5001, Reason: "moderated"}))

		for name, cookies := range map[string]http.Header{
			"no cookies":    e2e.CookieHeader(),
			"other session": e2e.CookieHeader(e2e.SessionCookie("s2")),
			"other user":    e2e.CookieHeader(e2e.SessionCookie("s"), e2e.LoginCookie("bob")),
			"no session":    e2e.CookieHeader(e2e.LoginCookie("ann")),
		} {
			got := e2e.Do(t, site, http.MethodGet, url, cookies, "")
			require.Equal(t, http.StatusBadRequest, got.Status, name)
			require.Equal(t, `{"code":1,"message":"Session ID unknown"}`, got.Body, name)
		}
		_, reason := engine.Poll()
		require.Equal(t, "42"+e2e.ChatNamespace+`,["mojo:revoked",{"code":5001,"reason":"moderated","reconnect":false}]`+
			"\x1e41"+e2e.ChatNamespace+",", reason)
		_, farewell := engine.Poll()
		require.Equal(t, "1", farewell)
		require.Equal(t, mojo.Reason("moderated"), (<-h.Ended).Reason)
	})
}
