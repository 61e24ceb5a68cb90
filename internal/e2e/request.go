package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// Answer is an HTTP response without its Date header.
type Answer struct {
	Status int
	Body   string
	Header http.Header
}

// Do sends a request without a siotest.Client. If the URL names the transport
// websocket, it adds the headers that ask for the upgrade.
func Do(t testing.TB, site *siotest.Site, method, url string, header http.Header, body string) Answer {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	for name, values := range header {
		r.Header[name] = values
		if name == "Host" {
			r.Host = values[0]
		}
	}
	if strings.Contains(url, "transport=websocket") {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}
	resp, err := site.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Header.Del("Date")
	return Answer{resp.StatusCode, string(text), resp.Header}
}
