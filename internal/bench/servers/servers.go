// Package servers has the Go servers that are compared. Each is written as its
// documentation shows, and does the same:
//
//   - it accepts all clients on the main namespace, and knows their users;
//   - it answers the event "echo" with the same event, and acknowledges the
//     event "ack" with its argument;
//   - its functions Broadcast and EmitTo send the event "note" to all
//     connections, or to those of one user.
package servers

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Server is a server that is measured.
type Server struct {
	// Serve serves until the listener is closed. New sets it; by default it
	// serves Handler.
	Serve   func(net.Listener) error
	Handler http.Handler

	Broadcast func()
	EmitTo    func(user int)
	Conns     func() int // the number of connections, as the server counts them

	// The functions below are set if the server is a node of a cluster.

	Nodes func() int          // the number of nodes, this one among them
	Users func() int          // the number of users that are connected to any node
	Knows func(user int) bool // whether a user is

	// Received returns what has come from the broker.
	Received func() (messages, bytes uint64)
}

// Heartbeat has the ping interval and the ping timeout of a server.
type Heartbeat struct{ Interval, Timeout time.Duration }

// Config has what is not the same in all measurements.
type Config struct {
	Heartbeat
	Redis string // the address of the broker; "": the server is no node of a cluster
}

// Body is the argument of the events.
type Body struct {
	Data string `json:"data"`
}

// EventSize is the length of the JSON of an event, `["note",{"data":"..."}]`.
const EventSize = 100

var body = Body{strings.Repeat("x", EventSize-len(`["note",{"data":""}]`))}

// EventJSON returns the JSON of an event, which has EventSize bytes.
func EventJSON(event string) string {
	empty := fmt.Sprintf(`["%s",{"data":""}]`, event)
	return fmt.Sprintf(`["%s",{"data":"%s"}]`, event, strings.Repeat("x", EventSize-len(empty)))
}

// AckJSON returns the JSON of the acknowledgement of EventJSON("ack").
func AckJSON() string { return `[` + strings.TrimPrefix(EventJSON("ack"), `["ack",`) }

// UserQuery is the query parameter that names the user of a client, for servers
// without identities.
const UserQuery = "user"

// room returns the name of the room of a user, which is also the user id in
// mojo.
func room(user string) string { return "user-" + user }

// New makes a server. It returns false if there is no server with that name.
func New(name string, config Config) (*Server, bool, error) {
	create, ok := map[string]func(Config) (*Server, error){
		"mojo":       newMojo,
		"bare":       func(Config) (*Server, error) { return newBare(false) },
		"buffered":   func(Config) (*Server, error) { return newBare(true) },
		"zishang520": newZishang520,
		"googollee":  newGoogollee,
	}[name]
	if !ok {
		return nil, false, nil
	}
	s, err := create(config)
	if err == nil && s.Serve == nil {
		s.Serve = func(l net.Listener) error { return http.Serve(l, s.Handler) }
	}
	return s, true, err
}
