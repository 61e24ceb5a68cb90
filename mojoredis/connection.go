package mojoredis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// errSpent is the error of a connection that was lost.
var errSpent = errors.New("mojoredis: the connection to Redis was lost")

// connection is a client that makes one connection to Redis and no other: a
// client that reconnects by itself would hide that messages were lost, and
// would publish twice what it sends again.
type connection struct {
	*redis.Client
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	ready   atomic.Bool // Redis has accepted it
	mu      sync.Mutex
	conn    net.Conn // nil before it is made
	dialing bool     // it was begun to be made
	spent   bool     // another was refused
	aborted bool
}

// checkClient returns an error for a client of a kind that connect does not
// know.
func checkClient(client redis.UniversalClient) error {
	switch client := client.(type) {
	case *redis.Client:
		if client != nil {
			return nil
		}
	case *redis.ClusterClient:
		if client != nil {
			return nil
		}
	}
	return fmt.Errorf("mojoredis: the client is a %T, must be a *redis.Client or *redis.ClusterClient that is not nil", client)
}

// connect returns a new connection, which is made when it is used. In a Redis
// Cluster it leads to the master of a key: a node that publishes all its
// messages there keeps their order.
func (b *Bus) connect(ctx context.Context, key string) (*connection, error) {
	var options redis.Options
	switch client := b.client.(type) {
	case *redis.Client:
		options = *client.Options()
	case *redis.ClusterClient:
		master, err := client.MasterForKey(ctx, key)
		if err != nil {
			return nil, err
		}
		options = *master.Options()
	}
	c := &connection{dial: options.Dialer}
	options.Dialer = c.dialOnce
	onConnect := options.OnConnect
	options.OnConnect = func(ctx context.Context, conn *redis.Conn) error {
		c.ready.Store(true)
		if onConnect == nil {
			return nil
		}
		return onConnect(ctx, conn)
	}
	options.DialerRetries = 1
	options.DialTimeout = b.options.Timeout
	options.ReadTimeout, options.WriteTimeout = b.options.Timeout, b.options.Timeout
	options.ContextTimeoutEnabled = true
	options.MaxRetries = -1
	options.PipelinePoolSize = -1
	options.PoolSize, options.MaxConcurrentDials = 10, 10 // one is used; an error makes a pool of one dial by itself
	options.MinIdleConns, options.MaxIdleConns, options.MaxActiveConns = 0, 0, 0
	options.ConnMaxIdleTime, options.ConnMaxLifetime = -1, -1
	options.Limiter = nil
	options.ClientSideCache, options.ClientSideCacheConfig = nil, nil
	options.PushNotificationProcessor = nil
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	c.Client = redis.NewClient(&options)
	return c, nil
}

func (c *connection) dialOnce(ctx context.Context, network, addr string) (net.Conn, error) {
	c.mu.Lock()
	if c.dialing || c.aborted {
		c.spent = true
		c.mu.Unlock()
		return nil, errSpent
	}
	c.dialing = true
	c.mu.Unlock()
	conn, err := c.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		_ = conn.Close()
		return nil, errSpent
	}
	c.conn = conn
	return conn, nil
}

// isSpent reports whether the connection was lost before a command that has
// failed, so that nothing of it was sent.
func (c *connection) isSpent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spent
}

// isReady reports whether Redis has accepted the connection.
func (c *connection) isReady() bool { return c.ready.Load() }

// isAborted reports whether abort was called.
func (c *connection) isAborted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.aborted
}

// abort ends the connection at once. What was not sent yet is never sent: it
// must not arrive after what another connection publishes later.
func (c *connection) abort() {
	c.mu.Lock()
	c.aborted = true
	conn := c.conn
	c.mu.Unlock()
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	if conn != nil {
		_ = conn.Close()
	}
	_ = c.Close()
}
