package admission

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// The server refuses a request from a foreign origin, without a CORS header: a
// handshake, and also a request with the sid and the cookies of a connection.
func TestOtherOrigins(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Origins: []string{"https://friend.example"}})
		h := e2e.NewApp()
		e2e.Register(t, srv, "Chat", h)
		site := siotest.Serve(t, n, srv)
		mine := e2e.CookieHeader(e2e.SessionCookie("s"))
		client := siotest.Dial(t, site, siotest.Options{Header: mine})
		socket := client.Connect(e2e.ChatNamespace, nil)
		url := client.Engine.URL("polling")
		urls := []struct{ method, url string }{
			{http.MethodGet, site.URL + "/socket.io/?EIO=4&transport=polling"},
			{http.MethodGet, site.URL + "/socket.io/?EIO=4&transport=websocket"},
			{http.MethodOptions, url},
			{http.MethodGet, url},
			{http.MethodPost, url},
			{http.MethodGet, client.Engine.URL("websocket")},
		}
		for _, origin := range []string{"https://evil.example", "null", site.URL + ".evil.example", "https://friend.example:8443", "http://friend.example", ""} {
			for _, u := range urls {
				header := mine.Clone()
				header.Set("Origin", origin)

				got := e2e.Do(t, site, u.method, u.url, header, "1")

				require.Equal(t, http.StatusForbidden, got.Status, "%s %s", u.method, origin)
				for name := range got.Header {
					require.False(t, strings.HasPrefix(name, "Access-Control-"), name)
				}
			}
		}
		socket.ExpectNothing()
		require.Empty(t, h.Ended)

		for _, origin := range []string{site.URL, "https://friend.example"} {
			header := mine.Clone()
			header.Set("Origin", origin)
			siotest.Dial(t, site, siotest.Options{Header: header, Transport: "upgrade"}).Connect(e2e.ChatNamespace, nil)
		}
	})
}

// OriginFunc admits or refuses an origin. If it panics, the origin is refused.
func TestOriginFunc(t *testing.T) {
	log := new(e2e.Log)
	srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger(), Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), OriginFunc: func(_ *http.Request, origin string) bool {
		if origin == "https://panics.example" {
			panic("origin")
		}
		return origin == "https://good.example"
	}})
	good := get(srv, pollURL, http.Header{"Origin": {"https://good.example"}})
	require.Equal(t, 200, good.Code)
	require.Equal(t, "https://good.example", good.Header().Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", good.Header().Get("Access-Control-Allow-Credentials"))
	for _, origin := range []string{"https://bad.example", "https://panics.example"} {
		bad := get(srv, pollURL, http.Header{"Origin": {origin}})
		require.Equal(t, 403, bad.Code)
		require.Empty(t, bad.Header().Get("Access-Control-Allow-Origin"))
	}
	require.EqualValues(t, 1, srv.Stats().HandlerPanics)
}

// New accepts the origins that browsers send, and patterns for subdomains, and
// refuses others.
func TestOriginsThatCanBeListed(t *testing.T) {
	for _, origin := range []string{
		"null", "file://", "https://*.example.com", "http://*.example.com:8080", "http://*.localhost:3000",
		"capacitor://localhost", "ionic://localhost", "tauri://localhost", "chrome-extension://abcdef", "HTTPS://Example.com",
	} {
		_, err := mojo.New(mojo.Options{Origins: []string{origin}, Cookies: e2e.NewCookies(t, mojo.CookieOptions{})})
		require.NoError(t, err, origin)
	}
	for _, origin := range []string{
		"https://*.com", "https://*", "https://*.", "https://a.*.example.com", "https://*a.example.com", "https://*.*.example.com",
		"*://example.com", "https://*.10.0.0.1", "https://*.example.com/", "https://*.u@example.com", "https://*.example..com", "null://", "FILE", "https://",
	} {
		_, err := mojo.New(mojo.Options{Origins: []string{origin}})
		require.Error(t, err, origin)
	}
}
