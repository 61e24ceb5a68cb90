package lifecycle

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// A change of a slice in Options after New has no effect.
func TestNewCopiesOptions(t *testing.T) {
	opts := mojo.Options{Transports: []mojo.Transport{mojo.WebSocket}, Origins: []string{"https://example.com"}}
	srv := e2e.NewServer(t, opts)
	e2e.Register(t, srv, "Chat", e2e.NewApp())
	opts.Transports[0], opts.Origins[0] = mojo.Polling, "https://evil.example"
	site := siotest.Serve(t, siotest.Memory, srv)

	header := http.Header{"Origin": {"https://example.com"}}
	client := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: header})

	client.Connect(e2e.ChatNamespace, nil)
}

// The Engine.IO open packet contains the configured times and MaxPayload.
func TestOpenPacketHasTheOptions(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{Timeouts: mojo.Timeouts{PingInterval: 3 * time.Second, PingTimeout: 2 * time.Second}, Limits: mojo.Limits{MaxPayload: 4321}})

	got := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "polling").Engine.Handshake

	require.Equal(t, 3000, got.PingInterval)
	require.Equal(t, 2000, got.PingTimeout)
	require.Equal(t, 4321, got.MaxPayload)
	require.Equal(t, []string{"websocket"}, got.Upgrades)
}
