package gzipped

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAccepted(t *testing.T) {
	for line, accepted := range map[string]bool{
		"gzip":                          true,
		"GZIP":                          true,
		"gzip, deflate, br, zstd":       true,
		"br;q=1.0, gzip;q=0.8, *;q=0.1": true,
		" deflate ,\tgzip ; q=0.001":    true,
		"":                              false,
		"br":                            false,
		"identity":                      false,
		"*":                             false,
		"gzip;q=0":                      false,
		"gzip; q=0.000":                 false,
		"gzip;q=x":                      false,
		"gzip;q=-1":                     false,
		"gzip;q=NaN":                    false,
		"xgzip":                         false,
		"gzipx":                         false,
	} {
		require.Equal(t, accepted, Accepted(http.Header{"Accept-Encoding": {line}}), line)
	}
	require.True(t, Accepted(http.Header{"Accept-Encoding": {"br", "gzip"}}), "two lines")
	require.False(t, Accepted(http.Header{}))
}
