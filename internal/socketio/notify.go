package socketio

import (
	"context"
	"errors"
	"sync"

	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/fifo"
	"github.com/mojosocket/mojo/internal/parser"
)

// NotifyFunc is a function of the site for notifications of other nodes. It
// returns the answer, which is not sent if nobody waits for it: a JSON array and
// the outcome Answered or, for an error, a text for other nodes and the outcome
// Failed.
type NotifyFunc func(args parser.Args) answers.Answer

// notifications are the notifications of other nodes, which the site's functions
// get one after another.
type notifications struct {
	mu sync.Mutex
	notificationsByMu
}

// notificationsByMu is guarded by notifications.mu.
type notificationsByMu struct {
	functions map[string]NotifyFunc
	waiting   fifo.Queue[notification]
	bytes     int
	running   bool // a goroutine calls the functions
}

type notification struct {
	function NotifyFunc
	name     string
	args     parser.Args
	size     int
	answer   func(a answers.Answer) // nil if no answer is wanted
}

// maxNotifications bounds the bytes of the notifications that wait.
const maxNotifications = 16 << 20

// OnNotify makes fn get the notifications of a name. It reports false if the name
// has a function already.
func (s *Server) OnNotify(name string, fn NotifyFunc) bool {
	if !s.addNotifyFunc(name, fn) {
		return false
	}
	if s.node != nil {
		s.node.Mount("/") // so that servers of another kind know that there is somebody to notify
	}
	return true
}

func (s *Server) addNotifyFunc(name string, fn NotifyFunc) bool {
	n := &s.notifications
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.functions == nil {
		n.functions = make(map[string]NotifyFunc)
	}
	if _, taken := n.functions[name]; taken {
		return false
	}
	n.functions[name] = fn
	return true
}

// Notify sends a notification to all other nodes. It returns cluster.ErrDown if
// it cannot. The data is a JSON array of its name and arguments.
func (s *Server) Notify(data []byte) error {
	switch {
	case s.Closed():
		return ErrServerClosed
	case s.node == nil:
		return nil
	}
	return s.node.Notify(data)
}

// NotifyWithAck is Notify for a notification that the other nodes answer.
func (s *Server) NotifyWithAck(ctx context.Context, data []byte) (*answers.Collection, error) {
	if s.Closed() {
		return nil, ErrServerClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := answers.New(ctx, s.opts.AckTimeout)
	if s.node != nil {
		s.node.NotifyWithAck(data, c)
	}
	c.Ready()
	return c, nil
}

var errNotification = errors.New("a notification has no name")

// Notified implements cluster.Local. Functions that the site has not registered
// are answered for at once.
func (l local) Notified(data []byte, answer func(a answers.Answer)) {
	s := l.server
	refuse := func(o answers.Outcome) {
		if answer != nil {
			answer(answers.Answer{Outcome: o})
		}
	}
	all, err := parser.SplitArgs(data, nil)
	if err == nil && all.Len() == 0 {
		err = errNotification
	}
	var name string
	if err == nil {
		name, err = parser.EventName(all.Raw(0))
	}
	if err != nil {
		s.warn.Warn("notification", "mojo: a notification of another node is malformed", "error", err)
		refuse(answers.NoFunction)
		return
	}
	n := notification{name: name, args: all.From(1), size: eventCost + len(data) + argCost*all.Len(), answer: answer}
	if outcome := s.queueNotification(n); outcome != answers.Missing {
		if outcome == answers.TooLarge {
			s.warn.Warn("notifications", "mojo: a notification was dropped, because too many wait", "name", name,
				"help", "the functions of mojo.OnNotify should return soon")
		}
		refuse(outcome)
	}
}

// queueNotification queues a notification. It returns another outcome than Missing
// if it does not.
func (s *Server) queueNotification(n notification) answers.Outcome {
	q := &s.notifications
	q.mu.Lock()
	defer q.mu.Unlock()
	n.function = q.functions[n.name]
	switch {
	case n.function == nil || s.Closed():
		return answers.NoFunction
	case q.bytes > 0 && q.bytes+n.size > maxNotifications:
		return answers.TooLarge
	}
	q.waiting.Push(n)
	q.bytes += n.size
	if !q.running {
		q.running = true
		s.activity.begin()
		go s.runNotifications()
	}
	return answers.Missing
}

// runNotifications calls the functions until no notification waits.
func (s *Server) runNotifications() {
	done := false
	defer func() {
		if !done { // a function called runtime.Goexit; another goroutine continues
			go s.runNotifications()
			return
		}
		s.activity.end()
	}()
	for {
		n, ok := s.notifications.next()
		if !ok {
			done = true
			return
		}
		s.notify(&n)
	}
}

// notify calls a function, and answers for it, also after a panic.
func (s *Server) notify(n *notification) {
	a := answers.Answer{Outcome: answers.Failed}
	defer func() {
		if n.answer != nil {
			n.answer(a)
		}
	}()
	s.Call("OnNotify "+n.name, func() { a = n.function(n.args) })
}

// next takes the first notification.
func (q *notifications) next() (n notification, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting.Len() == 0 {
		q.running = false
		return n, false
	}
	n = q.waiting.Pop()
	q.bytes -= n.size
	return n, true
}
