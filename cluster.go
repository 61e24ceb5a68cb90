package mojo

import (
	"errors"
	"fmt"
	"strings"
	"time"

	internal "github.com/mojosocket/mojo/internal/cluster"
	"github.com/mojosocket/mojo/internal/cluster/relay"
)

// ErrClusterDown is returned for what reached the connections of this process
// alone, because the other processes cannot be reached.
var ErrClusterDown = internal.ErrDown

// UnconfirmedError is returned by LogIn, LogOut, Rebind, Revoke and
// RevokeExcept if other processes of the cluster did not confirm the change
// within two seconds, or before the context ended. The change stands: on this
// process, in the cookies, and wherever it was confirmed. It is sent again until
// the others have confirmed it or are dead. Use errors.As. It unwraps to
// ErrClusterDown while this process is isolated, and to the error of a context
// that has ended.
type UnconfirmedError struct {
	Nodes []string // the names of the processes, see Server.Nodes; empty: this process is isolated

	err error
}

// Error implements error.
func (e *UnconfirmedError) Error() string {
	if len(e.Nodes) == 0 {
		return "mojo: the change holds here, but no other process of the cluster can be reached to confirm it"
	}
	return "mojo: the change was not confirmed by the processes " + strings.Join(e.Nodes, ", ")
}

// Unwrap returns the cause.
func (e *UnconfirmedError) Unwrap() error { return e.err }

// IsolationPolicy says what happens to handshakes while a process cannot reach
// the others of its cluster.
type IsolationPolicy uint8

const (
	// ServeIsolated admits clients. A session that was revoked meanwhile on
	// another process is admitted until the process has joined again.
	ServeIsolated IsolationPolicy = iota
	// RefuseIsolated refuses handshakes with 503, so that clients try again
	// and a load balancer sends them elsewhere. Connections stay.
	RefuseIsolated
)

// minClusterKey is the least length of Options.ClusterKey.
const minClusterKey = 32

func (o *Options) checkCluster() error {
	switch {
	case o.Cluster == nil && o.ClusterKey != nil:
		return errors.New("mojo: Options.ClusterKey is set, but not Cluster")
	case o.Cluster == nil && o.OnIsolation != ServeIsolated:
		return errors.New("mojo: Options.OnIsolation is set, but not Cluster")
	case o.Cluster == nil && o.Advertise != "":
		return errors.New("mojo: Options.Advertise is set, but not Cluster")
	case o.OnIsolation > RefuseIsolated:
		return fmt.Errorf("mojo: Options.OnIsolation is %d; want ServeIsolated or RefuseIsolated", o.OnIsolation)
	case o.Cluster == nil:
		return nil
	case o.ClusterKey == nil && o.Cookies == nil:
		return errors.New("mojo: Options.Cluster is set, but neither Cookies nor ClusterKey; want a ClusterKey that all processes share")
	case o.Advertise != "" && !relay.IsAddress(o.Advertise):
		return fmt.Errorf("mojo: Options.Advertise is %q; want the address of this process for the others, as http://10.0.0.5:8080", o.Advertise)
	case o.ClusterKey != nil && len(o.ClusterKey) < minClusterKey:
		return fmt.Errorf("mojo: Options.ClusterKey has %d bytes; want at least %d random bytes", len(o.ClusterKey), minClusterKey)
	}
	return nil
}

// Node is one process of a cluster, as this process knows it.
type Node struct {
	Name    string    // random, and another one after a restart
	Host    string    // the name of its machine
	Version string    // of mojo; empty if it is not known
	Self    bool      // whether it is this process
	Heard   time.Time // when its latest message arrived, here
}

// Nodes returns the processes of the cluster that are alive, this one first. It
// asks nobody: a process that dies is listed for another five seconds, and one
// that is isolated lists itself alone after that time. Without Options.Cluster
// the list is empty. The caller may change it.
func (s *Server) Nodes() []Node {
	node := s.sio.Node()
	if node == nil {
		return nil
	}
	var nodes []Node
	for _, m := range node.Members() {
		nodes = append(nodes, Node{Name: m.Node, Host: m.Host, Version: m.Version, Self: m.Node == node.Name(), Heard: m.Heard})
	}
	return nodes
}
