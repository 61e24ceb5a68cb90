// Package servers is the Go servers that are measured beside each other. Each
// does the same with its own means, as its documentation shows it:
//
//   - it accepts everybody on the root namespace, and knows who is user n;
//   - it answers the event "echo" with the same event, and acknowledges "ack" with what it brought;
//   - told to, it sends the event "note" to all connections, or to those of one user.
package servers

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Server is a server under measurement.
type Server struct {
	// Serve serves until the listener is closed. Where it is nil, Handler is
	// served.
	Serve   func(net.Listener) error
	Handler http.Handler

	Broadcast func()
	EmitTo    func(user int)
	Conns     func() int // connections there are, by the server's own count
}

// Heartbeat is the same for every server.
type Heartbeat struct{ Interval, Timeout time.Duration }

// Body is the argument of the events.
type Body struct {
	Data string `json:"data"`
}

// EventSize is the length of the JSON of an event, `["note",{"data":"..."}]`.
const EventSize = 100

var body = Body{strings.Repeat("x", EventSize-len(`["note",{"data":""}]`))}

// EventJSON is an event of EventSize bytes, as it is on the wire behind the
// packet type.
func EventJSON(event string) string {
	empty := fmt.Sprintf(`["%s",{"data":""}]`, event)
	return fmt.Sprintf(`["%s",{"data":"%s"}]`, event, strings.Repeat("x", EventSize-len(empty)))
}

// AckJSON is what acknowledges EventJSON("ack").
func AckJSON() string { return `[` + strings.TrimPrefix(EventJSON("ack"), `["ack",`) }

// UserQuery is the query parameter in which a client says who it is, for
// servers without identities.
const UserQuery = "user"

func room(user string) string { return "user-" + user }

// New returns a server by name, or false.
func New(name string, beat Heartbeat) (*Server, bool, error) {
	create, ok := map[string]func(Heartbeat) (*Server, error){
		"mojo":       newMojo,
		"bare":       func(Heartbeat) (*Server, error) { return newBare(false) },
		"buffered":   func(Heartbeat) (*Server, error) { return newBare(true) },
		"zishang520": newZishang520,
		"googollee":  newGoogollee,
	}[name]
	if !ok {
		return nil, false, nil
	}
	s, err := create(beat)
	if err == nil && s.Serve == nil {
		s.Serve = func(l net.Listener) error { return http.Serve(l, s.Handler) }
	}
	return s, true, err
}
