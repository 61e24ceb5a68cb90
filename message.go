package mojo

import (
	"cmp"
	"errors"
	"fmt"
	"iter"

	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/socketio"
)

// Binary is bytes that are sent as binary wherever they stand in an argument:
// in a struct, a slice or a map, where a []byte would become base64. In
// messages from clients it is decoded from binary, as a []byte is. A nil Binary
// is null.
type Binary = parser.Binary

// Message is an event from a client, or the answer to Conn.EmitWithAck. It owns
// its bytes and may be kept after OnMessage. Its methods are safe for
// concurrent use. The zero Message has no name and no arguments.
type Message struct {
	name  string
	args  parser.Args
	event *socketio.Event // nil for an answer
}

// Event returns the name of the event: "message" for socket.send, "" for an
// answer. A name that the client sent as a number is its decimal text.
func (m *Message) Event() string { return m.name }

// Len returns the number of arguments.
func (m *Message) Len() int { return m.args.Len() }

// Decode decodes the first len(dst) arguments, each into a pointer as
// encoding/json does. Binary is decoded into Binary and []byte at any depth,
// and into an interface as []byte. Decode returns an error if there are fewer
// arguments or if one does not fit; the arguments before it are decoded all the
// same.
func (m *Message) Decode(dst ...any) error {
	if len(dst) > m.Len() {
		return fmt.Errorf("mojo: %s has %d arguments; want at least %d", m.subject(), m.Len(), len(dst))
	}
	for i := range dst {
		if err := m.args.Decode(i, dst[i]); err != nil {
			return m.decodeError(i, dst[i], err)
		}
	}
	return nil
}

func (m *Message) decodeError(i int, dst any, err error) error {
	return fmt.Errorf("mojo: %s, argument %d into %T: %w", m.subject(), i+1, dst, err)
}

func (m *Message) subject() string {
	if m.event == nil {
		return "the answer"
	}
	return fmt.Sprintf("event %q", m.name)
}

// WantsAck reports whether the client waits for an answer.
func (m *Message) WantsAck() bool { return m.event != nil && m.event.WantsAck() }

// Ack answers the message. It may be called once, at any time: later calls
// return ErrAlreadyAcked. If the client does not wait for an answer, it does
// nothing and returns nil. It returns ErrNotConnected after the end of the
// connection, and the errors of Conn.Emit for arguments that cannot be sent.
func (m *Message) Ack(args ...any) error {
	if m.event == nil {
		return nil
	}
	return wrapError(m.event.Ack(args))
}

// Answers are the answers to Broadcast.EmitWithAck or Server.NotifyWithAck, as
// they come:
//
//	answers, err := chat.To(room).EmitWithAck(ctx, "ready?")
//	...
//	for a := range answers.All() {
//		var ready bool
//		if err := a.Decode(&ready); err == nil && ready {
//			count++
//		}
//	}
//	late := answers.Missing()
//
// The Server waits for them until each connection has answered or ended, until
// the context ends, or until a loop over All is left early, whatever comes
// first. After that it keeps nothing, and a later answer is ignored. So Answers
// need not be read, and need no Close. They have no goroutine.
//
// At most 64 MiB of answers are kept that nobody has read. One that comes above
// that has ErrTooLarge in place of its arguments.
//
// The methods are safe for concurrent use. The zero value has no answers.
type Answers struct{ collection *answers.Collection }

// All iterates over the answers that were not read yet, in the order in which
// they come, and waits for more. Each connection has one: its answer or, with
// Answer.Err, the reason why there will be none. The loop ends when all have
// come, or with the context; then Missing and Err say more. If the body leaves
// the loop, the Server waits for no more answers. Several loops share the
// answers.
func (a *Answers) All() iter.Seq[Answer] {
	return func(yield func(Answer) bool) {
		if a.collection == nil {
			return
		}
		defer a.collection.Close() // it has ended, unless the body has left the loop
		for {
			next, ok := a.collection.Next()
			if !ok || !yield(answerOf(&next)) {
				return
			}
		}
	}
}

// Asked returns how many connections were asked, on this process and on those
// that have said it already: a moment later on other processes.
func (a *Answers) Asked() int {
	if a.collection == nil {
		return 0
	}
	return a.collection.Asked()
}

// Missing returns an Answer, whose Err is ErrNoAnswer or ErrNodeLost, for each
// connection that was asked and has not answered yet. One that has ended before
// is not missing.
func (a *Answers) Missing() []Answer {
	if a.collection == nil {
		return nil
	}
	var missing []Answer
	for _, m := range a.collection.Missing() {
		missing = append(missing, answerOf(&m))
	}
	return missing
}

// Err returns nil as long as All can still bring every answer, and after it has.
// It returns the error of the context if that has ended first,
// context.DeadlineExceeded after Timeouts.AckTimeout if it has no deadline. It
// returns ErrNodeLost if another process was not reached or has died before its
// connections had answered: the loop does not wait for them then. With both,
// errors.Is reports both. After a loop that its body has left it returns nil,
// although answers may be missing.
func (a *Answers) Err() error {
	if a.collection == nil {
		return nil
	}
	err := a.collection.Err()
	if a.collection.Lost() {
		err = errors.Join(err, ErrNodeLost)
	}
	return wrapError(err)
}

// Answer is the answer of one connection to Broadcast.EmitWithAck, or of one
// process to Server.NotifyWithAck.
type Answer struct {
	// ConnID is the id of the connection, see Conn.ID. It is empty for an answer
	// to NotifyWithAck, and for clients of servers of another kind.
	ConnID string
	// Node is the name of the process that has the connection, see Server.Nodes.
	// It is empty without Options.Cluster, and for servers of another kind.
	Node string
	// Identity is what the connection had when the answer came.
	Identity Identity
	// Err says why there is no answer. It is nil if there is one.
	// ErrNotConnected: the connection has ended, or was no receiver any more when
	// the event was to be queued. ErrTooManyAcks: it was not asked, see
	// Limits.MaxPendingAcks. ErrSkipped: it was not asked, because the Broadcast
	// is Volatile and the client is behind. ErrTooLarge: the answer was dropped.
	Err error

	args parser.Args
}

// Len returns the number of arguments.
func (a Answer) Len() int { return a.args.Len() }

// Decode decodes the first len(dst) arguments, as Message.Decode does. If there
// is no answer, it returns Err.
func (a Answer) Decode(dst ...any) error {
	if a.Err != nil {
		return a.Err
	}
	m := Message{args: a.args}
	return m.Decode(dst...)
}

// outcomes are the errors of answers that did not come.
var outcomes = map[answers.Outcome]error{
	answers.Answered:    nil,
	answers.Missing:     wrapError(ErrNoAnswer),
	answers.Ended:       wrapError(ErrNotConnected),
	answers.TooManyAcks: wrapError(ErrTooManyAcks),
	answers.Skipped:     wrapError(ErrSkipped),
	answers.Ambiguous:   wrapError(socketio.ErrAmbiguousAnswer),
	answers.TooLarge:    wrapError(ErrTooLarge),
	answers.Lost:        wrapError(ErrNodeLost),
	answers.NoFunction:  wrapError(ErrNoFunction),
}

func answerOf(a *answers.Answer) Answer {
	err, known := outcomes[a.Outcome]
	switch {
	case a.Outcome == answers.Failed:
		err = fmt.Errorf("mojo: the function of node %s has failed: %s", a.Node, cmp.Or(string(a.Payload.JSON), "panic"))
	case !known: // of a later version
		err = outcomes[answers.Missing]
	}
	return Answer{ConnID: a.ID, Node: a.Node, Identity: identityOf(a.Identity), Err: err, args: a.Args}
}
