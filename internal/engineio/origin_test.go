package engineio

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

func TestOriginsAdmit(t *testing.T) {
	const own = "example.com"
	for name, c := range map[string]struct {
		host      string
		tls       bool
		listed    []string
		webSocket bool
		header    []string
		admitted  bool
		allowed   string // Access-Control-Allow-Origin
	}{
		"same, http":               {host: own, header: []string{"http://example.com"}, admitted: true},
		"same, port":               {host: own + ":8080", header: []string{"http://example.com:8080"}, admitted: true},
		"same, default port":       {host: own + ":80", header: []string{"http://example.com"}, admitted: true},
		"same, default written":    {host: own, header: []string{"http://example.com:80"}, admitted: true},
		"same, capitals":           {host: "Example.COM", header: []string{"http://eXample.com"}, admitted: true},
		"same, IPv6":               {host: "[::1]:80", header: []string{"http://[::1]"}, admitted: true},
		"https behind a proxy":     {host: own, header: []string{"https://example.com"}, admitted: true},
		"https, default port":      {host: own + ":443", tls: true, header: []string{"https://example.com"}, admitted: true},
		"http to TLS":              {host: own, tls: true, header: []string{"http://example.com"}},
		"https, port of http":      {host: own + ":80", header: []string{"https://example.com"}},
		"http, port of https":      {host: own + ":443", header: []string{"http://example.com"}},
		"other port":               {host: own, header: []string{"http://example.com:8080"}},
		"other host":               {host: own, header: []string{"http://example.org"}},
		"subdomain":                {host: own, header: []string{"http://a.example.com"}},
		"prefix":                   {host: own, header: []string{"http://example.com.evil.org"}},
		"user":                     {host: own, header: []string{"http://a@example.com"}},
		"path":                     {host: own, header: []string{"http://example.com/"}},
		"query":                    {host: own, header: []string{"http://example.com?x"}},
		"other scheme":             {host: own, header: []string{"ftp://example.com"}},
		"scheme missing":           {host: own, header: []string{"example.com"}},
		"null":                     {host: own, header: []string{"null"}},
		"empty":                    {host: own, header: []string{""}},
		"malformed":                {host: own, header: []string{"http://exa mple.com\x7f"}},
		"two":                      {host: own, header: []string{"http://example.com", "http://example.com"}},
		"listed":                   {host: own, listed: []string{"https://a.example.com"}, header: []string{"https://a.example.com"}, admitted: true},
		"listed with its port":     {host: own, listed: []string{"https://a.example.com:443"}, header: []string{"https://a.example.com"}, admitted: true},
		"listed in capitals":       {host: own, listed: []string{"HTTPS://A.Example.com"}, header: []string{"https://a.example.com"}, admitted: true},
		"listed, other scheme":     {host: own, listed: []string{"https://a.example.com"}, header: []string{"http://a.example.com"}},
		"listed, other port":       {host: own, listed: []string{"https://a.example.com"}, header: []string{"https://a.example.com:444"}},
		"own beside the listed":    {host: own, listed: []string{"https://a.example.com"}, header: []string{"http://example.com"}, admitted: true},
		"own, wss":                 {host: own + ":8080", header: []string{"wss://example.com:8080"}, admitted: true},
		"own, ws":                  {host: own, header: []string{"ws://example.com:80"}, admitted: true},
		"ws to TLS":                {host: own, tls: true, header: []string{"ws://example.com"}},
		"other host, wss":          {host: own, header: []string{"wss://example.org"}},
		"listed, wss":              {host: own, listed: []string{"https://a.example.com"}, header: []string{"wss://a.example.com:443"}, admitted: true},
		"listed file":              {host: own, listed: []string{"file://"}, header: []string{"file://"}, admitted: true},
		"listed null":              {host: own, listed: []string{"null"}, header: []string{"null"}, admitted: true},
		"null, file listed":        {host: own, listed: []string{"file://"}, header: []string{"null"}},
		"listed app":               {host: own, listed: []string{"capacitor://localhost"}, header: []string{"capacitor://localhost"}, admitted: true},
		"pattern":                  {host: own, listed: []string{"https://*.example.org"}, header: []string{"https://A.example.org:443"}, admitted: true},
		"pattern, its parent":      {host: own, listed: []string{"https://*.example.org"}, header: []string{"https://example.org"}},
		"pattern, two labels":      {host: own, listed: []string{"https://*.example.org"}, header: []string{"https://a.b.example.org"}},
		"pattern, no label":        {host: own, listed: []string{"https://*.example.org"}, header: []string{"https://.example.org"}},
		"pattern, an asterisk":     {host: own, listed: []string{"https://*.example.org"}, header: []string{"https://*.example.org"}},
		"pattern, a user":          {host: own, listed: []string{"https://*.example.org"}, header: []string{"https://evil.com@a.example.org"}},
		"pattern, a path":          {host: own, listed: []string{"https://*.example.org"}, header: []string{"https://a.example.org/"}},
		"pattern, other scheme":    {host: own, listed: []string{"https://*.example.org"}, header: []string{"http://a.example.org"}},
		"pattern, other port":      {host: own, listed: []string{"https://*.example.org"}, header: []string{"https://a.example.org:444"}},
		"pattern, suffix":          {host: own, listed: []string{"https://*.example.org"}, header: []string{"https://a.example.org.evil.com"}},
		"pattern with a port":      {host: own, listed: []string{"https://*.example.org:444"}, header: []string{"https://a.example.org:444"}, admitted: true},
		"any":                      {host: own, listed: []string{"*"}, header: []string{"http://example.org"}, admitted: true, allowed: "*"},
		"any, null":                {host: own, listed: []string{"*"}, header: []string{"null"}, admitted: true, allowed: "*"},
		"any, own":                 {host: own, listed: []string{"*"}, header: []string{"http://example.com"}, admitted: true},
		"any, two":                 {host: own, listed: []string{"*"}, header: []string{"http://a.org", "http://b.org"}},
		"none":                     {host: own, admitted: true},
		"none, WebSocket":          {host: own, webSocket: true, admitted: true},
		"other host, WebSocket":    {host: own, webSocket: true, header: []string{"http://example.org"}},
		"empty host, empty origin": {header: []string{"http://"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = c.host
			if c.tls {
				r.TLS = new(tls.ConnectionState)
			}
			if c.header != nil {
				r.Header["Origin"] = c.header
			}
			r.Header.Set("X-Forwarded-Host", "example.org") // which is not believed
			r.Header.Set("X-Forwarded-Proto", "https")
			w := httptest.NewRecorder()
			origins := NewOrigins(c.listed, nil)
			require.Equal(t, c.admitted, origins.admit(w, r, c.webSocket))
			require.Equal(t, []string{"Origin"}, w.Header().Values("Vary"))
			want, credentials := "", ""
			switch {
			case c.allowed != "":
				want = c.allowed
			case c.admitted && c.header != nil:
				want, credentials = c.header[0], "true"
			}
			require.Equal(t, want, w.Header().Get("Access-Control-Allow-Origin"))
			require.Equal(t, credentials, w.Header().Get("Access-Control-Allow-Credentials"))
		})
	}
}

// A browser that sends no Origin may still say that another site's page asks.
func TestRequestsOfOtherSitesWithoutAnOrigin(t *testing.T) {
	for site, admitted := range map[string]bool{
		"": true, "same-origin": true, "none": true, "same-site": false, "cross-site": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		var origins Origins
		require.Equal(t, admitted, origins.admit(httptest.NewRecorder(), r, false), site)
		require.True(t, origins.admit(httptest.NewRecorder(), r, true), site)
	}
}

// Each request is checked, the later ones too, and a refusal says nothing to the
// page that asked.
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
				echoes(t, client)
			})
		}
		image := h.do("GET", "/?EIO=4&transport=polling", "", "Sec-Fetch-Site", "cross-site")
		requireError(t, image, http.StatusForbidden, codeForbidden)
		require.Empty(t, h.opened)
	})
}

// A permitted page can read every answer, errors too.
func TestPermittedOriginsSeeEveryAnswer(t *testing.T) {
	const origin = "https://app.example.org"
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, func(o *Options) { o.Origins = NewOrigins([]string{origin}, nil) })
		client, p := h.connect(siotest.Options{Header: http.Header{"Origin": {origin}}})
		require.Equal(t, origin, client.Response.Get("Access-Control-Allow-Origin"))
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
			a := h.do(c.method, "/?"+c.query, c.body, "Origin", origin)
			require.Equal(t, c.status, a.status, c.query)
			require.Equal(t, []string{origin}, a.header.Values("Access-Control-Allow-Origin"))
			require.Equal(t, "true", a.header.Get("Access-Control-Allow-Credentials"))
			require.Contains(t, a.header.Values("Vary"), "Origin")
		}
	})
}

// A preflight carries no cookies, so it cannot be asked who makes it.
func TestPreflight(t *testing.T) {
	const origin = "https://app.example.org"
	h := serve(t, siotest.TCP, func(o *Options) { o.Origins = NewOrigins([]string{origin}, nil) })
	client, _ := h.connect(siotest.Options{ManualPoll: true})
	h.admits = func(*http.Request) bool {
		t.Error("the handler was asked")
		return true
	}
	a := h.do("OPTIONS", "/?EIO=4&transport=polling&sid="+client.Handshake.SID, "", "Origin", origin,
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-mine")
	require.Equal(t, http.StatusNoContent, a.status)
	require.Equal(t, "GET, POST", a.header.Get("Access-Control-Allow-Methods"))
	require.Equal(t, "content-type,x-mine", a.header.Get("Access-Control-Allow-Headers"))
	require.Equal(t, origin, a.header.Get("Access-Control-Allow-Origin"))
}

// Whoever has the sid but is not who opened the session gets what an unknown sid
// gets, to the byte, and the owner notices nothing.
func TestSessionOfSomebodyElse(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		h.admits = func(r *http.Request) bool { return r.Header.Get("Owner") == "me" }
		mine := http.Header{"Owner": {"me"}}
		for _, transport := range []string{"polling", "upgrade"} {
			client, p := h.connect(siotest.Options{Transport: transport, Header: mine})
			if transport == "polling" {
				h.awaitPoll(p) // a second poll of the owner's would end the session
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
			echoes(t, client)
			require.True(t, p.live())
		}
	})
}
