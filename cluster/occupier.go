package cluster

// Occupier is a Link that subscribes to what its node has connections for, and
// to no more. If its Link is an Occupier, the Server calls Occupy
//
//   - for each namespace with an empty room, when the namespace is registered,
//   - for each room of a namespace, when the first connection of this node has
//     joined the room, and when the last one has left it.
//
// It is not called for the rooms of users and sessions (see [Address]) nor for
// those that [Address.IDs] speaks of: events to these have to reach all nodes
// that the namespace is registered on. So have events to a whole namespace.
// Commands reach all nodes.
//
// What the Link knows of its rooms stays when the connection to the broker is
// lost and made anew.
type Occupier interface {
	// Occupy says whether connections of this node are in a room. It is called
	// from any goroutine, by one at a time, and may say what is known already.
	// It does not wait for the broker, and may be called during Publish and after
	// Close. An event that another node publishes after it has got a message that
	// this node has published after Occupy arrives at this node.
	Occupy(namespace, room string, occupied bool)
}
