package relay

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/cluster"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/warn"
)

// A site may have replaced http.DefaultTransport, by one that traces for
// instance.
func TestDefaultTransportOfTheSite(t *testing.T) {
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	http.DefaultTransport = http.NewFileTransport(http.Dir("."))
	log := slog.New(slog.DiscardHandler)
	node := cluster.New(cluster.Config{Name: cluster.NewName(), Secrets: []seal.Secret{seal.NewSecret(nil)}})

	require.NotPanics(t, func() { New(node, "X-Id", warn.New(log), log) })
}

func TestIsAddress(t *testing.T) {
	for address, want := range map[string]bool{
		"http://10.0.0.5:8080": true, "https://node1.internal": true, "http://[::1]:80/": true,
		"": false, "10.0.0.5:8080": false, "ftp://10.0.0.5": false, "http://": false, "http://10.0.0.5/path": false, "http://10.0.0.5?x": false, "http://a b": false,
	} {
		require.Equal(t, want, IsAddress(address), address)
	}
}
