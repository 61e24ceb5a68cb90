package mojonats_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojonats"
)

// newServers starts a cluster of two servers. The second one reaches the first
// one through a proxy.
func newServers(t *testing.T) (one, other *natsServer, route *proxy) {
	t.Helper()
	inCluster := func(o *server.Options) {
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoAdvertise: false}
	}
	one = newServer(t, inCluster)
	route = newProxy(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(one.options.Cluster.Port)))
	other = newServer(t, inCluster, func(o *server.Options) {
		o.Routes = []*url.URL{{Scheme: "nats", Host: route.addr()}}
	})
	awaitRoutes(t, one, other)
	return one, other, route
}

// awaitRoutes waits until servers are connected.
func awaitRoutes(t *testing.T, servers ...*natsServer) {
	t.Helper()
	for _, s := range servers {
		require.Eventually(t, func() bool { return s.running.NumRoutes() > 0 }, limit, time.Millisecond)
	}
}

// meet waits until messages of two nodes reach each other: servers need a while
// to tell each other of subscriptions.
func meet(a, b *node) {
	a.tb.Helper()
	for _, pair := range [][2]*node{{a, b}, {b, a}} {
		from, to := pair[0], pair[1]
		require.Eventually(a.tb, func() bool {
			from.publish(control(to.name, "hello"))
			return len(to.controls) > 0
		}, limit, 10*time.Millisecond)
	}
	for _, pair := range [][2]*node{{a, b}, {b, a}} {
		pair[0].publish(control(pair[1].name, "met"))
		for await(a.tb, pair[1].controls) != "met" {
		}
	}
}

// Two nodes on two servers of a cluster.
func TestTwoServers(t *testing.T) {
	one, other, _ := newServers(t)
	a := openNode(t, one.addr(), "a", mojonats.Options{})
	b := openNode(t, other.addr(), "b", mojonats.Options{}, "room")
	meet(a, b)
	a.publish(event("room", `["e",1]`))
	require.Equal(t, `["e",1]`, string(await(t, b.events).Data))
}

// What is lost between two servers is reported, although each node is connected
// to its own all the time.
func TestLossBetweenServers(t *testing.T) {
	one, other, route := newServers(t)
	a := openNode(t, one.addr(), "a", mojonats.Options{})
	b := openNode(t, other.addr(), "b", mojonats.Options{}, "room")
	meet(a, b)
	a.publish(event("room", `["before"]`))
	require.Equal(t, `["before"]`, string(await(t, b.events).Data))
	a.tell(b, "before")

	route.setCut(true)
	require.Eventually(t, func() bool { return other.running.NumRoutes() == 0 }, limit, time.Millisecond)
	a.publish(event("room", `["lost"]`))
	route.setCut(false)
	awaitRoutes(t, one, other)
	require.Empty(t, b.states)
	require.Eventually(t, func() bool { // until the servers know each other's subscriptions
		a.publish(control("", "after"))
		return len(b.controls) > 0
	}, limit, 10*time.Millisecond)
	b.awaitLink(cluster.LinkResumed)
	require.Empty(t, b.events)
	require.Empty(t, a.states)
}

// A node finds another server of the cluster if its own is gone.
func TestServerIsReplacedByAnother(t *testing.T) {
	one, other, _ := newServers(t)
	conn := connect(t, one.addr())
	n := newNode(t).open(mojonats.New(conn, mojonats.Options{Logger: quiet}), "a")
	n.awaitLink(cluster.LinkUp)
	one.stop()
	n.awaitLink(cluster.LinkDown)
	n.awaitLink(cluster.LinkResumed)
	b := openNode(t, other.addr(), "b", mojonats.Options{})
	n.tell(b, "hello")
}

// The nodes connect as the site's connection does: over TLS, with its user, and
// with its dialer.
func TestTLSUserAndDialer(t *testing.T) {
	certificate := newCertificate(t)
	s := newServer(t, func(o *server.Options) {
		o.TLS, o.TLSConfig = true, &tls.Config{Certificates: []tls.Certificate{certificate}}
		o.Username, o.Password = "mojo", "right"
	})
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	dialer := new(countingDialer)
	conn := connect(t, s.addr(), nats.UserInfo("mojo", "right"), nats.Secure(&tls.Config{RootCAs: roots}), nats.SetCustomDialer(dialer))
	n := newNode(t).open(mojonats.New(conn, mojonats.Options{Logger: quiet}), "a")
	n.awaitLink(cluster.LinkUp)
	n.mark()
	require.EqualValues(t, 2, dialer.dials.Load())
	require.True(t, conn.IsConnected())

	// The end of the site's connection does not end the node's.
	conn.Close()
	n.mark()
	require.Empty(t, n.states)
}

// newCertificate returns a certificate for 127.0.0.1.
func newCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// countingDialer counts connections, and the bytes that they read.
type countingDialer struct{ dials, read atomic.Int64 }

func (d *countingDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	d.dials.Add(1)
	return countingConn{conn, d}, err
}

type countingConn struct {
	net.Conn
	dialer *countingDialer
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.dialer.read.Add(int64(n))
	return n, err
}
