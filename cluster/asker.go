package cluster

import (
	"context"
	"time"
)

// Asker is a Link that asks servers of another kind on the broker, and their
// connections. The nodes of the cluster that are Servers of this module are asked
// by control messages, and must not be asked by an Asker as well.
//
// The methods are called as Publish is, in turn with it, so that a question stays
// behind the messages that were published before. They return soon. ctx ends
// when no more answers are wanted, and may end early.
type Asker interface {
	// EmitWithAck sends an event to the connections that it is for. Their
	// answers are wanted for a time at most.
	EmitWithAck(ctx context.Context, e *Event, timeout time.Duration, r Replies)

	// ServerSideEmit sends an event for the site's own code: a JSON array of its
	// name and arguments. r is nil if no answer is wanted.
	ServerSideEmit(ctx context.Context, namespace string, data []byte, r Replies)
}

// Replies takes what comes for a question of an Asker. Its methods may be called
// from any goroutine, also after the question has ended, and keep what they get.
type Replies interface {
	// Expect says that another n answers are waited for.
	Expect(n int)

	// Reply delivers an answer that was expected: a JSON value, with placeholders
	// for its attachments as in Event.Data.
	Reply(data []byte, attachments [][]byte)

	// Done says that Expect will not be called any more. An error says that it
	// is not known whether all other servers were asked, or that no more answers
	// will come. Later calls do nothing, except for one with an error.
	Done(err error)
}
