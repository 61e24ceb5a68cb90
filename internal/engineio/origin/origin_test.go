package origin

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAdmit(t *testing.T) {
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
		"same, port 80 in Origin":  {host: own, header: []string{"http://example.com:80"}, admitted: true},
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
		"own, others listed":       {host: own, listed: []string{"https://a.example.com"}, header: []string{"http://example.com"}, admitted: true},
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
			r.Header.Set("X-Forwarded-Host", "example.org") // such headers are not trusted
			r.Header.Set("X-Forwarded-Proto", "https")
			w := httptest.NewRecorder()
			p := New(c.listed, nil)
			require.Equal(t, c.admitted, p.Admit(w, r, c.webSocket))
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

// TestAdmitOfOtherSitesWithoutAnOrigin: a browser that sends no Origin header
// may still say that a page of another site makes the request.
func TestAdmitOfOtherSitesWithoutAnOrigin(t *testing.T) {
	for site, admitted := range map[string]bool{
		"": true, "same-origin": true, "none": true, "same-site": false, "cross-site": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		var p Policy
		require.Equal(t, admitted, p.Admit(httptest.NewRecorder(), r, false), site)
		require.True(t, p.Admit(httptest.NewRecorder(), r, true), site)
	}
}
