package servers

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo/cluster"
)

// received counts what a node gets from the broker. It is a cluster.Bus.
type received struct {
	cluster.Bus
	messages, bytes atomic.Uint64
}

// dialer returns a dialer whose connections count the bytes that arrive.
func (r *received) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := redis.NewDialer(&redis.Options{})
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &countingConn{conn, &r.bytes}, err
	}
}

// countingConn is a net.Conn that counts what is read.
type countingConn struct {
	net.Conn
	bytes *atomic.Uint64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(uint64(n))
	return n, err
}

// Open implements cluster.Bus.
func (r *received) Open(name string, n cluster.Node) (cluster.Link, error) {
	return r.Bus.Open(name, &countingNode{n, &r.messages})
}

// countingNode is a cluster.Node that counts what it gets.
type countingNode struct {
	cluster.Node
	messages *atomic.Uint64
}

func (n *countingNode) Event(e *cluster.Event) {
	n.messages.Add(1)
	n.Node.Event(e)
}

func (n *countingNode) Command(c *cluster.Command) {
	n.messages.Add(1)
	n.Node.Command(c)
}

func (n *countingNode) Control(sealed []byte) {
	n.messages.Add(1)
	n.Node.Control(sealed)
}
