package websocket

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func request(change func(r *http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Connection", "keep-alive, Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-Websocket-Version", "13")
	r.Header.Set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if change != nil {
		change(r)
	}
	return r
}

func TestCheckHandshake(t *testing.T) {
	require.NoError(t, CheckHandshake(request(nil)))
	for text, change := range map[string]func(r *http.Request){
		"WebSocket needs HTTP/1.1":        func(r *http.Request) { r.ProtoMinor = 0 },
		"Connection is not Upgrade":       func(r *http.Request) { r.Header.Set("Connection", "close") },
		"Upgrade is not websocket":        func(r *http.Request) { r.Header.Del("Upgrade") },
		"bad Sec-WebSocket-Key":           func(r *http.Request) { r.Header.Set("Sec-Websocket-Key", "short") },
		"Sec-WebSocket-Version is not 13": func(r *http.Request) { r.Header.Set("Sec-Websocket-Version", "12") },
	} {
		require.EqualError(t, CheckHandshake(request(change)), text)
	}
}

// TestAnswer uses the key and the answer of RFC 6455, section 1.3.
func TestAnswer(t *testing.T) {
	for _, subprotocol := range []string{"", "chat"} {
		answer := Answer(request(nil), subprotocol, http.Header{"X-Mine": {"a", "b"}})

		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
		require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", res.Header.Get("Sec-WebSocket-Accept"))
		require.Equal(t, subprotocol, res.Header.Get("Sec-WebSocket-Protocol"))
		require.Equal(t, []string{"a", "b"}, res.Header.Values("X-Mine"))
	}
}

func TestSubprotocols(t *testing.T) {
	r := request(func(r *http.Request) { r.Header["Sec-Websocket-Protocol"] = []string{"a, b", "c d,,e\r", "f!"} })
	require.Equal(t, []string{"a", "b", "f!"}, Subprotocols(r))
}
