package mojoprom_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojoprom"
)

// After a refused request, a scrape has the documented metrics.
func TestCollector(t *testing.T) {
	srv, err := mojo.New(mojo.Options{})
	require.NoError(t, err)
	defer srv.Close()
	_, err = srv.Register("Chat", new(mojo.Events).Handler())
	require.NoError(t, err)
	srv.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/socket.io/?EIO=3&transport=polling", nil))
	collector := mojoprom.NewCollector(srv)
	require.NoError(t, prometheus.NewPedanticRegistry().Register(collector))

	require.NoError(t, testutil.CollectAndCompare(collector, strings.NewReader(`
# HELP mojo_app_conns Connections of one app.
# TYPE mojo_app_conns gauge
mojo_app_conns{namespace="/ChatSocket"} 0
# HELP mojo_connections Connections, of any transport.
# TYPE mojo_connections gauge
mojo_connections 0
# HELP mojo_refused_total Requests that were refused.
# TYPE mojo_refused_total counter
mojo_refused_total{cause="protocol revision"} 1
`), "mojo_connections", "mojo_app_conns", "mojo_refused_total"))
	problems, err := testutil.CollectAndLint(collector)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// A Server in a cluster has the metrics of that, too.
func TestCollectorInACluster(t *testing.T) {
	srv, err := mojo.New(mojo.Options{Cluster: cluster.NewMemory(), ClusterKey: make([]byte, 32)})
	require.NoError(t, err)
	defer srv.Close()
	collector := mojoprom.NewCollector(srv)

	require.NoError(t, testutil.CollectAndCompare(collector, strings.NewReader(`
# HELP mojo_cluster_nodes Processes of the cluster that are alive, this one among them.
# TYPE mojo_cluster_nodes gauge
mojo_cluster_nodes 1
# HELP mojo_cluster_refused_total Messages from the broker that were dropped.
# TYPE mojo_cluster_refused_total counter
mojo_cluster_refused_total{cause="forged"} 0
mojo_cluster_refused_total{cause="repeated"} 0
mojo_cluster_refused_total{cause="replayed"} 0
mojo_cluster_refused_total{cause="stale"} 0
mojo_cluster_refused_total{cause="unknown"} 0
`), "mojo_cluster_nodes", "mojo_cluster_refused_total"))
	problems, err := testutil.CollectAndLint(collector)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// The package documentation lists every metric.
func TestEveryMetricIsDocumented(t *testing.T) {
	source, err := os.ReadFile("collector.go")
	require.NoError(t, err)
	doc, code, found := bytes.Cut(source, []byte("\npackage "))
	require.True(t, found)
	metrics := regexp.MustCompile(`desc\("(\w+)"`).FindAllSubmatch(code, -1)
	require.NotEmpty(t, metrics)
	for _, m := range metrics {
		require.Regexp(t, `//\t`+string(m[1])+`[{ ]`, string(doc))
	}
}
