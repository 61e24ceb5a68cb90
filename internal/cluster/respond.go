package cluster

import "github.com/mojosocket/mojo/cluster"

// Rooms answers servers of another kind, see cluster.Responder.
func (n receiver) Rooms(namespace string) []string { return n.config.Local.Rooms(namespace) }

// Sockets answers servers of another kind, see cluster.Responder.
func (n receiver) Sockets(a *cluster.Address) []cluster.Socket {
	sel := selector(a)
	return n.config.Local.Sockets(&sel)
}
