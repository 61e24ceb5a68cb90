package engineio

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/engineio/origin"
	"github.com/mojosocket/mojo/internal/siotest"
)

// TestForbiddenOrigins: the origin of each request is checked, also after the
// handshake. A page cannot read the refusal.
func TestForbiddenOrigins(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{})
		for name, c := range map[string]struct {
			method, query string
			header        []string
		}{
			"handshake": {"GET", "EIO=4&transport=polling", nil},
			"WebSocket": {"GET", "EIO=4&transport=websocket", upgradeHeaders},
			"poll":      {"GET", "EIO=4&transport=polling&sid=" + p.ID(), nil},
			"POST":      {"POST", "EIO=4&transport=polling&sid=" + p.ID(), nil},
			"upgrade":   {"GET", "EIO=4&transport=websocket&sid=" + p.ID(), upgradeHeaders},
			"preflight": {"OPTIONS", "EIO=4&transport=polling", nil},
			"nonsense":  {"GET", "", nil},
		} {
			t.Run(name, func(t *testing.T) {
				a := h.do(c.method, "/?"+c.query, "", append([]string{"Origin", "http://evil.org"}, c.header...)...)
				requireError(t, a, http.StatusForbidden, codeForbidden)
				for name := range a.header {
					require.NotContains(t, name, "Access-Control")
				}
				requireEcho(t, client)
			})
		}
		image := h.do("GET", "/?EIO=4&transport=polling", "", "Sec-Fetch-Site", "cross-site")
		requireError(t, image, http.StatusForbidden, codeForbidden)
		require.Empty(t, h.opened)
	})
}

// TestPermittedOriginsCanReadEveryAnswer: a page of a listed origin can read
// all answers, also errors.
func TestPermittedOriginsCanReadEveryAnswer(t *testing.T) {
	const site = "https://app.example.org"
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, func(o *Options) { o.Origins = origin.New([]string{site}, nil) })
		client, p := h.connect(siotest.Options{Header: http.Header{"Origin": {site}}})
		require.Equal(t, site, client.Response.Get("Access-Control-Allow-Origin"))
		for _, c := range []struct {
			method, query, body string
			status              int
		}{
			{"GET", "EIO=4", "", 400},
			{"GET", "EIO=3&transport=polling", "", 400},
			{"GET", "EIO=4&transport=polling&sid=x", "", 400},
			{"GET", "EIO=4&transport=websocket&sid=" + p.ID(), "", 400},
			{"PUT", "EIO=4&transport=polling&sid=" + p.ID(), "", 400},
			{"OPTIONS", "EIO=4&transport=polling&sid=" + p.ID(), "", 204},
			{"POST", "EIO=4&transport=polling&sid=" + p.ID(), "4a", 200},
			{"POST", "EIO=4&transport=polling&sid=" + p.ID(), "9", 400},
		} {
			a := h.do(c.method, "/?"+c.query, c.body, "Origin", site)
			require.Equal(t, c.status, a.status, c.query)
			require.Equal(t, []string{site}, a.header.Values("Access-Control-Allow-Origin"))
			require.Equal(t, "true", a.header.Get("Access-Control-Allow-Credentials"))
			require.Contains(t, a.header.Values("Vary"), "Origin")
		}
	})
}

// TestPreflight: a preflight request has no cookies, so Handler.Admits is not
// called.
func TestPreflight(t *testing.T) {
	const site = "https://app.example.org"
	h := serve(t, siotest.TCP, func(o *Options) { o.Origins = origin.New([]string{site}, nil) })
	client, _ := h.connect(siotest.Options{ManualPoll: true})
	h.admits = func(*http.Request) bool {
		t.Error("Admits was called")
		return true
	}
	a := h.do("OPTIONS", "/?EIO=4&transport=polling&sid="+client.Handshake.SID, "", "Origin", site,
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-mine")
	require.Equal(t, http.StatusNoContent, a.status)
	require.Equal(t, "GET, POST", a.header.Get("Access-Control-Allow-Methods"))
	require.Equal(t, "content-type,x-mine", a.header.Get("Access-Control-Allow-Headers"))
	require.Equal(t, site, a.header.Get("Access-Control-Allow-Origin"))
}

// TestSessionOfAnotherClient: the answer to a request with the sid of another
// client is byte for byte that to an unknown sid. The session goes on.
func TestSessionOfAnotherClient(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		h.admits = func(r *http.Request) bool { return r.Header.Get("Owner") == "me" }
		ownerHeader := http.Header{"Owner": {"me"}}
		for _, transport := range []string{"polling", "upgrade"} {
			client, p := h.connect(siotest.Options{Transport: transport, Header: ownerHeader})
			if transport == "polling" {
				h.awaitPoll(p) // the owner polls; a second poll of the owner would end the session
			}
			for _, c := range []struct {
				method, transport, body string
				header                  []string
			}{
				{"GET", "polling", "", nil},
				{"POST", "polling", "4stolen", nil},
				{"POST", "polling", "1", nil},
				{"GET", "websocket", "", upgradeHeaders},
				{"PUT", "polling", "", nil},
			} {
				query := "/?EIO=4&transport=" + c.transport + "&sid="
				unknown := h.do(c.method, query+"AAAAAAAAAAAAAAAAAAAAAAAA", c.body, c.header...)
				foreign := h.do(c.method, query+p.ID(), c.body, c.header...)
				requireError(t, foreign, http.StatusBadRequest, codeUnknownSID)
				unknown.header.Del("Date")
				foreign.header.Del("Date")
				require.Equal(t, unknown, foreign)
			}
			requireEcho(t, client)
			require.True(t, p.live())
		}
	})
}
