package relay

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIsAddress(t *testing.T) {
	for address, want := range map[string]bool{
		"http://10.0.0.5:8080": true, "https://node1.internal": true, "http://[::1]:80/": true,
		"": false, "10.0.0.5:8080": false, "ftp://10.0.0.5": false, "http://": false, "http://10.0.0.5/path": false, "http://10.0.0.5?x": false, "http://a b": false,
	} {
		require.Equal(t, want, IsAddress(address), address)
	}
}
