package cluster

import (
	"sync"
	"time"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/command"
)

// EmitWithAck asks connections for servers of another kind, see
// cluster.Responder. Connections that end are not answered for: those servers
// know no such answer.
func (n receiver) EmitWithAck(e *cluster.Event, timeout time.Duration, answer func(data []byte, attachments [][]byte)) int {
	cmd := &command.Emit{
		Selector: selector(&e.Address), JSON: e.Data, Attachments: e.Attachments,
		Delivery: command.Delivery{Volatile: e.Volatile, Latest: e.Latest, Key: e.Key},
	}
	if cmd.IsPersonal() && !n.isCurrent() {
		n.counts.stale.Add(1)
		return 0
	}
	r := &responding{}
	n.config.Local.Ask(cmd, func(q Question) { r.begin(q, timeout) }, func(_ int, a answers.Answer) {
		r.answered()
		if a.Outcome != answers.Answered {
			return
		}
		first := []byte("null")
		if a.Args.Len() > 0 {
			first = a.Args.Raw(0)
		}
		answer(first, a.Payload.Attachments)
	})
	return r.count
}

// responding is a question that is asked for a server of another kind.
type responding struct {
	count int // how many are asked; set by begin

	mu      sync.Mutex
	timer   *time.Timer // ends the question; guarded by mu
	waiting int         // guarded by mu
}

func (r *responding) begin(q Question, timeout time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count = q.Len()
	r.waiting = r.count
	if r.count > 0 {
		r.timer = time.AfterFunc(timeout, q.End)
	}
}

// answered stops the timer after the last answer, so that nothing of the question
// is kept.
func (r *responding) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting--; r.waiting == 0 {
		r.timer.Stop()
	}
}

// ServerSideEmit is a notification of a server of another kind, see
// cluster.Responder. Server.Notify is for the default namespace; nobody has a
// function in another one.
func (n receiver) ServerSideEmit(namespace string, data []byte, answer func(data []byte)) {
	if namespace != notifyNamespace {
		if answer != nil {
			answer([]byte("null"))
		}
		return
	}
	if answer == nil {
		n.config.Local.Notified(data, nil)
		return
	}
	n.config.Local.Notified(data, func(a answers.Answer) { answer(foreignAnswer(a)) })
}

// foreignAnswer returns the answer of a function as one value: null without a
// result or a function.
func foreignAnswer(a answers.Answer) []byte {
	switch json := a.Payload.JSON; {
	case a.Outcome == answers.Failed || a.Outcome == answers.TooLarge:
		return []byte(`{"error":{"message":"internal error"}}`)
	case a.Outcome == answers.Answered && len(json) > 2: // an array of one value
		return json[1 : len(json)-1]
	}
	return []byte("null")
}

var _ cluster.Responder = receiver{}
