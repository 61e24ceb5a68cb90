package admission

import (
	"net/http"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
)

const minified = "/*!\n * Socket.IO v4.8.1\n */\nvar io;"

var release = fstest.MapFS{"socket.io.min.js": {Data: []byte(minified)}}

// Options.Client serves the client beside the protocol, also where the Server
// is mounted elsewhere.
func TestScriptIsServed(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{Client: release})
	for _, target := range []string{"/socket.io/socket.io.min.js", "/socket.io/socket.io.min.js?v=4.8.1", "/rt/socket.io.min.js"} {
		w := get(srv, target, nil)
		require.Equal(t, 200, w.Code)
		require.Equal(t, minified, w.Body.String())
	}
	require.Equal(t, 404, get(srv, "/socket.io/socket.io.js", nil).Code, "it is not in the folder")
	require.Equal(t, 200, get(srv, pollURL, nil).Code, "the protocol works")
	require.Empty(t, srv.Stats().Refused)
}

// A page of another site that may connect may import the client, too. Any other
// origin is refused.
func TestScriptForOrigins(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{Client: release, Origins: []string{"https://app.example.com"}})
	w := get(srv, "/socket.io/socket.io.min.js", http.Header{"Origin": {"https://app.example.com"}})
	require.Equal(t, 200, w.Code)
	require.Equal(t, "https://app.example.com", w.Header().Get("Access-Control-Allow-Origin"))
	require.ElementsMatch(t, []string{"Origin", "Accept-Encoding"}, w.Header().Values("Vary"))

	w = get(srv, "/socket.io/socket.io.min.js", http.Header{"Origin": {"https://evil.example"}})
	require.Equal(t, 403, w.Code)
}

// A folder without the client is the developer's mistake.
func TestClientOptionIsChecked(t *testing.T) {
	_, err := mojo.New(mojo.Options{Client: fstest.MapFS{"index.js": {Data: []byte("x")}}})
	require.ErrorContains(t, err, "mojo: Options.Client: has no socket.io.js")
	require.ErrorContains(t, err, "the folder dist of the npm package socket.io-client")
}
