package socketio

import (
	"errors"
	"runtime"

	"github.com/mojosocket/mojo/internal/fifo"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/parser"
)

// mailbox has the calls to the App for one socket, which run in order. A
// goroutine runs them only while there are any. Socket.mu guards it.
type mailbox struct {
	tasks   fifo.Queue[task]
	running bool
	doing   taskKind // while running
	event   *Event   // of taskEvent

	mailboxByActivityMu
}

// mailboxByActivityMu is guarded by activity.mu.
type mailboxByActivityMu struct {
	next, prev *Socket // among those whose mailboxes run
}

// keptTasks is for how many tasks an idle mailbox keeps room, so that a lone
// event does not allocate any.
const keptTasks = 1

type task struct {
	kind taskKind
	arg  any // []byte, *Event, identityChange or nil, by kind
	size int // what it counts against MaxInbound until it has been run
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

// What a waiting task costs beside its bytes, roughly. To begin or end a socket
// takes a goroutine of its own, so a client that connects again and again,
// while the App is slow to answer, is not read from either.
const (
	eventCost = 256
	argCost   = 8
	lifeCost  = 4 << 10
)

// push adds a task behind earlier ones.
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

// portion is how many tasks of a mailbox run before other goroutines have their
// turn: the scheduler would let it run for 10 ms.
const portion = 32

// run runs the tasks of the mailbox until there is none, and reports whether
// the worker is kept.
func (s *Socket) run(w worker) (kept bool) {
	idle := false
	defer func() {
		if !idle { // a handler called runtime.Goexit; the other tasks run all the same
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

// next takes the first task. If there is none the mailbox is idle, and `kept`
// tells whether its worker is kept for another one.
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
	m.doing = t.kind
	m.event, _ = t.arg.(*Event)
	return t, true, false
}

// callbacks are the names of the functions that tasks call.
var callbacks = [...]string{
	taskConnect: "OnConnect", taskEvent: "OnMessage", taskIdentity: "OnIdentity", taskDisconnect: "OnDisconnect",
}

// runs returns the callback that the mailbox runs.
func (s *Socket) runs() (Running, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Running{Namespace: s.namespace.name, SocketID: s.ID(), Callback: callbacks[s.mailbox.doing]}
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
	if !s.accept() { // the client left while Connect ran; what it sent meanwhile is not handled
		server := s.namespace.server
		server.doPresenceWork(server.hub.Remove(&s.seat)) // Socket.end may not have got there yet
		s.doDisconnect()
		return
	}
	s.mu.Lock()
	leave := s.leave
	s.mu.Unlock()
	if leave {
		_ = s.Disconnect()
	}
}

func (s *Socket) doEvent(e *Event) {
	s.mu.Lock()
	deaf := s.deaf
	s.mu.Unlock()
	if !deaf {
		s.guard(callbacks[taskEvent], func() { s.namespace.app.Event(e) })
	}
}

func (s *Socket) doDisconnect() {
	s.mu.Lock()
	reason := s.reason
	s.mailbox.doing = taskDisconnect // it may follow OnConnect at once
	s.mu.Unlock()
	s.guard(callbacks[taskDisconnect], func() { s.namespace.app.Disconnect(s, reason) })
}

// guard runs user code. A panic costs the connection it happened on, by its
// transport, so that the client comes back, and nothing else. The socket
// handles no more of its events: the panic may have left the App's state for it
// incomplete.
func (s *Socket) guard(callback string, run func()) (ok bool) {
	defer func() {
		if ok {
			return
		}
		s.mu.Lock()
		s.deaf = true
		s.mu.Unlock()
		s.namespace.server.panicked(callback, recover(), "namespace", s.namespace.name)
		s.session.Close(HandlerPanic)
	}()
	run()
	return true
}

// Event is an event from a client, which owns its bytes.
type Event struct {
	Socket *Socket
	Name   string
	Args   parser.Args

	id       uint64
	wantsAck bool
	acked    bool // guarded by Socket.mu
}

// receive takes an event or ack whose bytes it may keep, or a DISCONNECT, from
// the reader.
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
		s.resolve(p.ID, reply{args: args})
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

// refuseArgs refuses an event or ack whose arguments hold data that reads as a
// placeholder. The connection stays: its page has sent unusual data, nothing
// malformed.
func (s *Socket) refuseArgs(p parser.Packet) {
	s.namespace.server.warn.Later("placeholder "+s.namespace.name,
		"mojo: refused a message whose data has a _placeholder of its own", "namespace", s.namespace.name,
		"help", "socket.io-client marks binary by objects with the keys _placeholder and num; rename them in the page's data")
	if p.Type == parser.BinaryAck {
		s.resolve(p.ID, reply{err: errAnswer})
		return
	}
	e := &Event{Socket: s, id: p.ID, wantsAck: p.HasID}
	_ = e.Ack(invalidArguments) // an error: the client has gone
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
