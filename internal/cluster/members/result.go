package members

import (
	"time"

	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// Send is a message to be sent.
type Send struct {
	To      string // empty: every other node
	Message wire.Message
}

// Result is what a call has changed, and what the caller has to do.
type Result struct {
	Send      []Send
	Heartbeat bool     // the caller has to publish a wire.Heartbeat
	Joined    []Member // new members; with another incarnation than before, if they were in Left
	Left      []Left   // that are no members any more
	Mutual    []string // members that have made this incarnation a member
	// Named are nodes that a member has named to this node, which joins, and
	// that are no members here yet. They become Mutual, or Unanswered.
	Named, Unanswered []string

	Reached  time.Time // when the probe was sent that has come back; zero: none has
	Isolated bool      // this node does not belong to the cluster any more
	Rejoined bool      // this node has another incarnation, under which messages are to be sealed
	// Accepted reports that the message came from a member, for the first time.
	Accepted bool
	// Current reports that this node knows what the sender had applied when it
	// sent the message. What comes for people before must be dropped.
	Current bool
}

// Member is one node of the cluster.
type Member struct {
	seal.Origin
	wire.NodeInfo
	Heard time.Time // when its latest message arrived
}

// HasWork reports whether anything was changed or is to be done, apart from
// what Accepted says.
func (r *Result) HasWork() bool {
	return len(r.Send)+len(r.Joined)+len(r.Left)+len(r.Mutual)+len(r.Named)+len(r.Unanswered) > 0 || r.Heartbeat || r.Isolated || r.Rejoined || !r.Reached.IsZero()
}

// Left is a node that is no member any more.
type Left struct {
	Member
	Goodbye bool // it has said so
}

func (r *Result) send(to string, message wire.Message) {
	r.Send = append(r.Send, Send{to, message})
}
