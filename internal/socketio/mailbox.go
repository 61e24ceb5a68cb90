package socketio

import (
	"errors"
	"runtime"

	"github.com/mojosocket/mojo/internal/fifo"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/parser"
)

// mailbox has the calls to the App for one socket, which run in order. It has a
// goroutine only while there are calls. Socket.mu guards it.
type mailbox struct {
	tasks   fifo.Queue[task]
	running bool
	current taskKind // the task that runs
	event   *Event   // of the task that runs; nil unless it is a taskEvent

	mailboxByActivityMu
}

// mailboxByActivityMu is guarded by activity.mu.
type mailboxByActivityMu struct {
	next, prev *Socket // in the list activity.running
}

// keptTasks is the number of tasks that an idle mailbox has memory for, so that
// a single event does not allocate any.
const keptTasks = 1

type task struct {
	kind taskKind
	arg  any // []byte, *Event, identityChange or nil, by kind
	size int // counts against MaxInbound until the task has run
}

// identityChange is the argument of a taskIdentity.
type identityChange struct{ from, to *hub.Binding }

type taskKind uint8

const (
	taskConnect taskKind = iota
	taskEvent
	taskIdentity
	taskDisconnect
)

// The cost of a waiting task beside its bytes, roughly. It counts against
// MaxInbound, so that the server also stops reading from a client that connects
// again and again to an App that is slow to answer.
const (
	eventCost     = 256
	argCost       = 8
	lifecycleCost = 4 << 10
)

// push adds a task to the mailbox.
func (s *Socket) push(t task) {
	s.session.Hold(t.size)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushLocked(t)
}

// pushLocked adds a task whose size is held already.
func (s *Socket) pushLocked(t task) {
	m := &s.mailbox
	m.tasks.Push(t)
	if m.running {
		return
	}
	m.running = true
	s.namespace.server.activity.beginMailbox(s)
}

// portion is the number of tasks of a mailbox after which other goroutines may
// run. Without it a mailbox would run for 10 ms, the time slice of the
// scheduler.
const portion = 32

// run runs the tasks of the mailbox until it is empty, and reports whether the
// worker is kept.
func (s *Socket) run(w worker) (kept bool) {
	idle := false
	defer func() {
		if !idle { // a handler called runtime.Goexit; another goroutine runs the other tasks
			go w.work(s)
		}
	}()
	for n := 1; ; n++ {
		if n%portion == 0 {
			runtime.Gosched()
		}
		t, busy, kept := s.next(w)
		if !busy {
			idle = true
			return kept
		}
		s.do(&t)
	}
}

// next takes the first task. Without a task it marks the mailbox as idle, and
// `kept` reports whether the worker is kept for another mailbox.
func (s *Socket) next(w worker) (t task, busy, kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.mailbox
	if m.tasks.Len() == 0 {
		m.running, m.event = false, nil
		if s.state == ended {
			m.tasks.Trim(0)
		} else {
			m.tasks.Trim(keptTasks)
		}
		return task{}, false, s.namespace.server.activity.endMailbox(s, w)
	}
	t = m.tasks.Pop()
	m.current = t.kind
	m.event, _ = t.arg.(*Event)
	return t, true, false
}

// callbacks are the names of the functions that tasks call.
var callbacks = [...]string{
	taskConnect: "OnConnect", taskEvent: "OnMessage", taskIdentity: "OnIdentity", taskDisconnect: "OnDisconnect",
}

// runningCallback returns the callback that the mailbox runs, and whether it
// runs one.
func (s *Socket) runningCallback() (Running, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Running{Namespace: s.namespace.name, SocketID: s.ID(), Callback: callbacks[s.mailbox.current]}
	if e := s.mailbox.event; e != nil {
		r.Event = e.Name
	}
	return r, s.mailbox.running
}

func (s *Socket) do(t *task) {
	defer s.session.Release(t.size)
	switch t.kind {
	case taskConnect:
		s.doConnect(t.arg.([]byte))
	case taskEvent:
		s.doEvent(t.arg.(*Event))
	case taskIdentity:
		c := t.arg.(identityChange)
		s.doIdentity(c.from, c.to)
	case taskDisconnect:
		s.doDisconnect()
	}
}

func (s *Socket) doConnect(auth []byte) {
	app := s.namespace.app
	s.mu.Lock()
	s.version = s.seat.Conn().Binding().Version
	s.mu.Unlock()
	var refusal *Refusal
	if !s.guard(callbacks[taskConnect], func() { refusal = app.Connect(s, auth) }) {
		return
	}
	if refusal != nil {
		s.refuse(refusal)
		return
	}
	if !s.accept() { // the client has left while Connect ran; its events are not handled
		server := s.namespace.server
		server.doPresenceWork(server.hub.Remove(&s.seat)) // Socket.finish may run in another goroutine, and not have done this yet
		s.doDisconnect()
		return
	}
	s.mu.Lock()
	disconnecting := s.disconnecting
	s.mu.Unlock()
	if disconnecting {
		_ = s.Disconnect()
	}
}

func (s *Socket) doEvent(e *Event) {
	s.mu.Lock()
	ignoresEvents := s.ignoresEvents
	s.mu.Unlock()
	if !ignoresEvents {
		s.guard(callbacks[taskEvent], func() { s.namespace.app.Event(e) })
	}
}

func (s *Socket) doDisconnect() {
	s.mu.Lock()
	reason := s.reason
	s.mailbox.current = taskDisconnect // doConnect may call this
	s.mu.Unlock()
	s.guard(callbacks[taskDisconnect], func() { s.namespace.app.Disconnect(s, reason) })
}

// guard runs user code. After a panic it closes the connection by its
// transport, so that the client reconnects. The socket handles no more events,
// because the panic may have left the App's state for it incomplete.
func (s *Socket) guard(callback string, run func()) (ok bool) {
	defer func() {
		if ok {
			return
		}
		s.mu.Lock()
		s.ignoresEvents = true
		s.mu.Unlock()
		s.namespace.server.panicked(callback, recover(), "namespace", s.namespace.name)
		s.session.Close(HandlerPanic)
	}()
	run()
	return true
}

// Event is an event from a client. It owns its bytes. Its methods are safe for
// concurrent use.
type Event struct {
	Socket *Socket
	Name   string
	Args   parser.Args

	id       uint64
	wantsAck bool
	eventBySocketMu
}

// eventBySocketMu is guarded by Socket.mu.
type eventBySocketMu struct {
	acked bool
}

// receive handles a packet of the client: an event or ack, whose bytes it may
// keep, or a DISCONNECT.
func (s *Socket) receive(p parser.Packet, data []byte, attachments [][]byte) error {
	if p.Type == parser.Disconnect {
		s.end(ClientDisconnect)
		return nil
	}
	args, err := parser.SplitArgs(data, attachments)
	if errors.Is(err, parser.ErrAmbiguous) {
		s.refuseArgs(p)
		return nil
	}
	if err != nil {
		return err
	}
	if p.Type == parser.Ack || p.Type == parser.BinaryAck {
		s.resolve(p.ID, reply{args: args, payload: parser.Payload{JSON: data, Attachments: attachments}})
		return nil
	}
	name, err := parser.EventName(args.Raw(0))
	if err != nil {
		return err
	}
	if parser.Reserved(name) {
		return parser.ErrReservedEvent
	}
	e := &Event{Socket: s, Name: name, Args: args.From(1), id: p.ID, wantsAck: p.HasID}
	size := eventCost + len(data) + argCost*args.Len()
	for _, a := range attachments {
		size += len(a)
	}
	s.pushEvent(task{kind: taskEvent, arg: e, size: size})
	return nil
}

// invalidArguments is the answer to an event that is refused, in the form of
// the errors of mojo.On.
var invalidArguments = []any{map[string]any{"error": map[string]string{"message": "invalid arguments"}}}

// refuseArgs refuses an event or ack whose data looks like a placeholder for an
// attachment. The connection stays open: the data is unusual, not malformed.
func (s *Socket) refuseArgs(p parser.Packet) {
	s.namespace.server.warn.Later("placeholder "+s.namespace.name,
		"mojo: refused a message whose data has a _placeholder of its own", "namespace", s.namespace.name,
		"help", "socket.io-client marks binary by objects with the keys _placeholder and num; rename them in the page's data")
	if p.Type == parser.BinaryAck {
		s.resolve(p.ID, reply{err: ErrAmbiguousAnswer})
		return
	}
	e := &Event{Socket: s, id: p.ID, wantsAck: p.HasID}
	_ = e.Ack(invalidArguments) // fails if the client has gone
}

// pushEvent adds an event to the mailbox, unless the socket has ended.
func (s *Socket) pushEvent(t task) {
	session := s.session
	session.Hold(t.size)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == ended {
		session.Release(t.size)
		return
	}
	s.pushLocked(t)
}
