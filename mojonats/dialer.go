package mojonats

import (
	"context"
	"net"
	"sync"

	"github.com/nats-io/nats.go"
)

// dialer makes the network connections of one session, so that abort can end
// them at once, also while something is written.
type dialer struct {
	ctx     context.Context
	options *nats.Options

	mu      sync.Mutex
	conns   []net.Conn
	aborted bool
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	if custom := d.options.CustomDialer; custom != nil {
		return d.keep(custom.Dial(network, address))
	}
	var standard net.Dialer
	if d.options.Dialer != nil {
		standard = *d.options.Dialer
	}
	ctx, cancel := context.WithTimeout(d.ctx, d.options.Timeout)
	defer cancel()
	return d.keep(standard.DialContext(ctx, network, address))
}

// SkipTLSHandshake passes on what the dialer of the site says.
func (d *dialer) SkipTLSHandshake() bool {
	custom, ok := d.options.CustomDialer.(interface{ SkipTLSHandshake() bool })
	return ok && custom.SkipTLSHandshake()
}

// InProcessConn implements nats.InProcessConnProvider.
func (d *dialer) InProcessConn() (net.Conn, error) {
	return d.keep(d.options.InProcessServer.InProcessConn())
}

func (d *dialer) keep(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.aborted {
		_ = conn.Close()
		return nil, errClosed
	}
	d.conns = append(d.conns, conn)
	return conn, nil
}

// abort ends all connections, and those that are made later.
func (d *dialer) abort() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.aborted = true
	for _, conn := range d.conns {
		_ = conn.Close()
	}
}
