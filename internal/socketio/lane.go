package socketio

import (
	"context"
	"runtime/debug"
	"sync"

	"github.com/mojosocket/mojo/internal/parser"
)

// lane runs what the App is told about one socket, in order, in a goroutine that
// lives only while there is something to run. Socket.mu guards it.
type lane struct {
	tasks   []task
	running bool
}

type task struct {
	kind  taskKind
	auth  []byte
	event *Event
}

type taskKind uint8

const (
	taskConnect taskKind = iota
	taskEvent
	taskDisconnect
)

// taskOverhead is what a waiting event costs beside its bytes, roughly.
const taskOverhead = 256

func (s *Socket) push(t task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushLocked(t)
}

// pushLocked needs mu.
func (s *Socket) pushLocked(t task) {
	s.lane.tasks = append(s.lane.tasks, t)
	if s.lane.running {
		return
	}
	s.lane.running = true
	s.namespace.server.lanes.begin()
	go s.run()
}

func (s *Socket) run() {
	defer s.namespace.server.lanes.end()
	for {
		s.mu.Lock()
		tasks := s.lane.tasks
		s.lane.tasks = nil
		if len(tasks) == 0 {
			s.lane.running = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		for i := range tasks {
			s.do(&tasks[i])
			tasks[i] = task{}
		}
	}
}

func (s *Socket) do(t *task) {
	switch t.kind {
	case taskConnect:
		s.doConnect(t.auth)
	case taskEvent:
		s.doEvent(t.event)
	case taskDisconnect:
		s.doDisconnect()
	}
}

func (s *Socket) doConnect(auth []byte) {
	app := s.namespace.app
	var refusal *Refusal
	if !s.guard("OnConnect", func() { refusal = app.Connect(s, auth) }) {
		return
	}
	if refusal != nil {
		s.refuse(refusal)
		return
	}
	if !s.accept() {
		s.doDisconnect() // the client left while Connect ran
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
		s.guard("OnMessage", func() { s.namespace.app.Event(e) })
	}
	s.client.session.Release(e.size)
}

func (s *Socket) doDisconnect() {
	s.mu.Lock()
	reason := s.reason
	s.mu.Unlock()
	s.guard("OnDisconnect", func() { s.namespace.app.Disconnect(s, reason) })
}

// guard runs user code. A panic costs the connection it happened on, by its
// transport, so that the client comes back, and nothing else.
func (s *Socket) guard(callback string, run func()) (ok bool) {
	defer func() {
		if ok {
			return
		}
		// A nil here is runtime.Goexit, for instance a failed test's: the goroutine
		// ends, and with it the lane.
		if p := recover(); p != nil {
			s.namespace.server.log.Error("mojo: a handler panicked",
				"callback", callback, "namespace", s.namespace.name, "panic", p, "stack", string(debug.Stack()))
		}
		s.client.session.Close(HandlerPanic)
	}()
	run()
	return true
}

// Event is an event from a client, which owns its bytes.
type Event struct {
	Socket *Socket
	Name   string
	Args   parser.Args

	size     int
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
	if err != nil {
		return err
	}
	if p.Type == parser.Ack || p.Type == parser.BinaryAck {
		s.resolve(p.ID, args)
		return nil
	}
	name, err := parser.EventName(args.Raw(0))
	if err != nil {
		return err
	}
	if parser.Reserved(name) {
		return errReserved
	}
	e := &Event{Socket: s, Name: name, Args: args.From(1), size: taskOverhead + len(data), id: p.ID, wantsAck: p.HasID}
	for _, a := range attachments {
		e.size += len(a)
	}
	s.client.session.Hold(e.size)
	if !s.pushEvent(e) {
		s.client.session.Release(e.size)
	}
	return nil
}

// pushEvent has the event handled, unless the socket has ended.
func (s *Socket) pushEvent(e *Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == ended {
		return false
	}
	s.pushLocked(task{kind: taskEvent, event: e})
	return true
}

// laneCount counts the lanes that run, for Shutdown to wait for.
type laneCount struct {
	mu   sync.Mutex // guards what follows
	n    int
	none chan struct{} // closed when n falls to zero; nil if nobody waits
}

func (c *laneCount) begin() {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
}

func (c *laneCount) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.n == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

func (c *laneCount) wait(ctx context.Context) error {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return nil
	}
	if c.none == nil {
		c.none = make(chan struct{})
	}
	none := c.none
	c.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
