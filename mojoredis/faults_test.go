package mojoredis_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/internal/tcpproxy"
	"github.com/mojosocket/mojo/mojoredis"
)

// fast are options of a node that notices faults soon.
func fast(key string, text *logText) mojoredis.Options {
	return mojoredis.Options{Key: key, Ping: 200 * time.Millisecond, Timeout: time.Second, Logger: text.logger()}
}

func control(to, text string) cluster.Message {
	return cluster.Message{Control: []byte(text), To: to}
}

// A proxy stops to forward, but ends no connection.
func TestSilentConnection(t *testing.T) {
	redistest.Require(t)
	p := tcpproxy.New(t, shared.Addr)
	n := newNode(t)
	n.link = open(t, mojoredis.New(newClient(t, p.Addr()), fast("fault1", new(logText))), "a", n, n.states)
	n.mark("a")
	p.Stall()
	require.Equal(t, cluster.LinkDown, await(t, n.states))
	p.Forward()
	require.Equal(t, cluster.LinkResumed, await(t, n.states))
	n.mark("a")
}

// While nothing is forwarded, Publish ends with its context.
func TestPublishOverSilentConnection(t *testing.T) {
	redistest.Require(t)
	p := tcpproxy.New(t, shared.Addr)
	n := newNode(t)
	bus := mojoredis.New(newClient(t, p.Addr()), mojoredis.Options{Key: "fault2", Timeout: time.Hour, Logger: quiet})
	n.link = open(t, bus, "a", n, n.states)
	p.Stall()
	for _, end := range []func(context.Context) (context.Context, context.CancelFunc){
		func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Millisecond)
		},
		func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(20*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		ctx, cancel := end(t.Context())
		require.Error(t, n.link.Publish(ctx, []cluster.Message{control("a", "lost")}))
		cancel()
	}
	// Close ends one that has no deadline.
	select {
	case <-p.Held:
	default:
	}
	failed := make(chan error)
	go func() { failed <- n.link.Publish(context.Background(), []cluster.Message{control("a", "lost")}) }()
	await(t, p.Held)
	require.NoError(t, n.link.Close())
	require.Error(t, await(t, failed))
}

// Redis ends both connections. Each is made anew once, and nothing that is
// published then is refused or doubled.
func TestConnectionsAreMadeAnew(t *testing.T) {
	server := redistest.New(t)
	p := tcpproxy.New(t, server.Addr)
	n := newNode(t)
	n.link = open(t, mojoredis.New(newClient(t, p.Addr()), mojoredis.Options{Logger: quiet}), "a", n, n.states)
	require.Equal(t, 2, p.Made())
	client := newClient(t, server.Addr)

	require.NoError(t, client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
	require.Equal(t, cluster.LinkDown, await(t, n.states))
	require.Equal(t, cluster.LinkResumed, await(t, n.states))
	require.Equal(t, 3, p.Made())

	s := subscribe(t, client, "socket.io-mojo#b#")
	p.DisconnectFirst(2) // those of the first subscription and of the publisher
	n.publish(control("b", "1"), control("b", "2"))
	for _, want := range []string{"a#1", "a#2"} {
		_, payload := s.next()
		require.Equal(t, want, payload)
	}
	n.mark("a")
	require.Equal(t, 4, p.Made())
	require.Empty(t, n.states)
}

// What was given up, and is still on its way, does not arrive after what is
// published later.
func TestGivenUpMessageDoesNotArriveLater(t *testing.T) {
	redistest.Require(t)
	p := tcpproxy.New(t, shared.Addr)
	n := newNode(t)
	bus := mojoredis.New(newClient(t, p.Addr()), mojoredis.Options{Key: "fault4", Logger: quiet})
	n.link = open(t, bus, "a", n, n.states)
	s := subscribe(t, newClient(t, shared.Addr), "fault4-mojo#b#")
	p.StallFirst(2)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Error(t, n.link.Publish(ctx, []cluster.Message{control("b", "given up")}))
	n.publish(control("b", "later"))
	_, payload := s.next()
	require.Equal(t, "a#later", payload)
	p.Forward()
	_, err := s.pubsub.ReceiveTimeout(t.Context(), 100*time.Millisecond)
	require.ErrorContains(t, err, "timeout")
}

// A node is not connected before a message to itself has arrived.
func TestLinkUpAfterRoundTrip(t *testing.T) {
	servers := []*redistest.Server{redistest.New(t), redistest.New(t)}
	var dials atomic.Int32
	client := redis.NewClient(&redis.Options{Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
		// Only the first connection, which is subscribed, leads to the first.
		at := min(dials.Add(1), 2) - 1
		return new(net.Dialer).DialContext(ctx, network, servers[at].Addr)
	}})
	defer client.Close()
	n := newNode(t)
	bus := mojoredis.New(client, fast("", new(logText)))
	n.link = open(t, bus, "a", n, n.states)
	require.EqualValues(t, 1, bus.Stats().Disconnects)
	n.mark("a")
}

// The connections lead to different servers: both work, and nothing arrives.
func TestStarvingSubscription(t *testing.T) {
	one, other := redistest.New(t), redistest.New(t)
	p := tcpproxy.New(t, one.Addr)
	n, text := newNode(t), new(logText)
	n.link = open(t, mojoredis.New(newClient(t, p.Addr()), fast("", text)), "a", n, n.states)
	n.mark("a")
	// A new connection that publishes leads to the other server.
	p.Lead(other.Addr)
	require.NoError(t, newClient(t, one.Addr).ClientKillByFilter(t.Context(), "TYPE", "normal").Err())
	require.Equal(t, cluster.LinkDown, await(t, n.states))
	require.Contains(t, text.String(), "may lead to different servers")
	require.Equal(t, cluster.LinkResumed, await(t, n.states)) // both lead there
	n.mark("a")
}

// Redis ends the connection of a subscriber that is too far behind.
func TestSlowSubscriberIsDisconnected(t *testing.T) {
	server := redistest.New(t, "--client-output-buffer-limit", "pubsub 1mb 1mb 0")
	client := newClient(t, server.Addr)
	n := &stuckNode{node: newNode(t), entered: make(chan struct{}, 1), leave: make(chan struct{})}
	bus := mojoredis.New(client, mojoredis.Options{Logger: quiet})
	link := open(t, bus, "slow", n, n.states)
	m := newNode(t)
	m.link = open(t, bus, "a", m, m.states)
	m.publish(control("slow", "first"))
	await(t, n.entered)
	for range 40 {
		m.publish(control("slow", strings.Repeat("x", 1<<19)))
	}
	m.mark("a") // others are served
	close(n.leave)
	require.Equal(t, cluster.LinkDown, await(t, n.states))
	require.Equal(t, cluster.LinkResumed, await(t, n.states))
	require.NoError(t, link.Close())
}

// stuckNode is a node whose method Control does not return for a while.
type stuckNode struct {
	*node
	entered, leave chan struct{}
}

func (n *stuckNode) Control([]byte) {
	select {
	case n.entered <- struct{}{}:
	default:
	}
	<-n.leave
}

func TestWrongPassword(t *testing.T) {
	server := redistest.New(t, "--requirepass", "right")
	text := new(logText)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Password: "wrong"})
	defer client.Close()
	n := newNode(t)
	link, err := mojoredis.New(client, fast("", text)).Open("a", n)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(text.String(), "WRONGPASS") }, limit, time.Millisecond)
	require.ErrorContains(t, link.Publish(t.Context(), []cluster.Message{control("a", "x")}), "WRONGPASS")
	require.NoError(t, link.Close())
	require.Empty(t, n.states)
	require.NotContains(t, text.String(), `"wrong"`)
}

// The node waits for a server that is started later.
func TestServerIsStartedLater(t *testing.T) {
	server := redistest.New(t)
	server.Kill()
	n, text := newNode(t), new(logText)
	bus := mojoredis.New(newClient(t, server.Addr), fast("", text))
	link, err := bus.Open("a", n)
	require.NoError(t, err)
	defer link.Close()
	require.Error(t, link.Publish(t.Context(), []cluster.Message{control("a", "x")}))
	require.Eventually(t, func() bool { return bus.Stats().Disconnects >= 3 }, limit, time.Millisecond)
	require.Equal(t, 1, strings.Count(text.String(), "no connection to Redis"), "it is logged once a minute")
	require.NoError(t, server.Restart())
	require.Equal(t, cluster.LinkUp, await(t, n.states))
}

func TestTLSAndPassword(t *testing.T) {
	certificate, files := newCertificate(t)
	port, err := redistest.FreePort()
	require.NoError(t, err)
	redistest.New(t, "--requirepass", "right", "--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", files[0], "--tls-key-file", files[1], "--tls-ca-cert-file", files[0])
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: []string{net.JoinHostPort("127.0.0.1", port)}, Password: "right", TLSConfig: &tls.Config{RootCAs: roots},
	})
	defer client.Close()
	n := newNode(t)
	n.link = open(t, mojoredis.New(client, mojoredis.Options{Logger: quiet}), "a", n, n.states)
	n.mark("a")
}

// newCertificate returns a certificate for 127.0.0.1, and the files of it and of
// its key.
func newCertificate(t *testing.T) (*x509.Certificate, []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "cert"), filepath.Join(dir, "key")}
	for i, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: private}} {
		require.NoError(t, os.WriteFile(files[i], pem.EncodeToMemory(block), 0o600))
	}
	return certificate, files
}

// A message that is too large does not keep back the others.
func TestTooLarge(t *testing.T) {
	redistest.Require(t)
	n, text := newNode(t), new(logText)
	bus := mojoredis.New(newClient(t, shared.Addr), mojoredis.Options{Key: "fault3", MaxMessage: 100, Logger: text.logger()})
	n.link = open(t, bus, "a", n, n.states)
	err := n.link.Publish(t.Context(), []cluster.Message{
		control("a", "1"), control("a", strings.Repeat("x", 99)), control("a", strings.Repeat("y", 99)), control("a", strings.Repeat("z", 98)), {},
	})
	require.ErrorIs(t, err, mojoredis.ErrTooLarge)
	require.ErrorContains(t, err, "message 2 of 5")
	require.ErrorContains(t, err, "message 5 of 5: has 0 of Event, Command and Control")
	require.Equal(t, "1", await(t, n.controls))
	require.Equal(t, strings.Repeat("z", 98), await(t, n.controls))
	require.Equal(t, uint64(2), bus.Stats().TooLarge)
	require.Equal(t, 1, strings.Count(text.String(), "too large\""))
}

func TestOpenRefuses(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	ring := redis.NewRing(&redis.RingOptions{})
	defer ring.Close()
	n := newNode(t)
	for _, c := range []struct {
		bus  *mojoredis.Bus
		node cluster.Node
		want string
	}{
		{mojoredis.New(client, mojoredis.Options{}), nil, "the node is nil"},
		{mojoredis.New(client, mojoredis.Options{Key: "a#b"}), n, `Key is "a#b", must not contain "#"`},
		{mojoredis.New(nil, mojoredis.Options{}), n, "the client is a <nil>"},
		{mojoredis.New((*redis.Client)(nil), mojoredis.Options{}), n, "the client is a *redis.Client"},
		{mojoredis.New(ring, mojoredis.Options{}), n, "the client is a *redis.Ring"},
	} {
		_, err := c.bus.Open("a", c.node)
		require.ErrorContains(t, err, c.want)
	}
}
