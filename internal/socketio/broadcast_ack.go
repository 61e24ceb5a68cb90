package socketio

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/cluster"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/parser"
)

// errNotAddressed is the error of Socket.queue for a message to another identity
// than the socket has now.
var errNotAddressed = errors.New("not addressed")

// question is an event that was sent to sockets of this process, with one ack id
// for all of them, so that it is encoded once. It ends by itself when each
// socket has answered or ended, and by End.
type question struct {
	id      uint64
	entries []asked
	waiting atomic.Int32 // entries without an answer
	ended   atomic.Bool  // End was called
	// answer is called once for each entry that answers or ends before End, from
	// any goroutine. No lock is held.
	answer func(number int, a answers.Answer)
}

// asked is a socket that was asked. It is in the list of its socket until that
// answers or ends, or the question ends. Socket.mu guards the list.
type asked struct {
	question *question
	number   int
	socket   *Socket
	next     *asked
}

// From returns who has a number.
func (q *question) From(number int) answers.From {
	s := q.entries[number].socket
	f := answers.From{ID: s.ID(), Identity: s.Identity()}
	if node := s.namespace.server.node; node != nil {
		f.Node = node.Name()
	}
	return f
}

// Len returns how many sockets were asked.
func (q *question) Len() int { return len(q.entries) }

// End makes the question wait for no answer.
func (q *question) End() {
	q.ended.Store(true) // before the locks: an entry is not added after it was removed
	for i := range q.entries {
		if q.waiting.Load() == 0 {
			return
		}
		q.entries[i].remove()
	}
}

// told notes an answer, or that there will be none.
func (e *asked) told(a answers.Answer) {
	e.question.waiting.Add(-1)
	e.question.answer(e.number, a)
}

// tell notes that none of a list will answer.
func (e *asked) tell(o answers.Outcome) {
	for e != nil {
		next := e.next
		e.told(answers.Answer{Outcome: o})
		e = next
	}
}

// add adds e to the list of its socket. It returns another outcome than Missing
// if it does not.
func (e *asked) add() answers.Outcome {
	s := e.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == ended || e.question.ended.Load():
		return answers.Ended
	case s.acks.countLocked() >= s.namespace.server.opts.MaxAcks:
		return answers.TooManyAcks
	}
	e.next, s.acks.asked = s.acks.asked, e
	return answers.Missing
}

// remove removes e from the list of its socket. It reports whether it was there.
func (e *asked) remove() bool {
	s := e.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acks.takeLocked(func(other *asked) bool { return other == e }) != nil
}

// takeLocked removes the entry for which is returns true, and returns it, or nil
// if there is none.
func (a *acks) takeLocked(is func(*asked) bool) *asked {
	for link := &a.asked; *link != nil; link = &(*link).next {
		if e := *link; is(e) {
			*link, e.next = e.next, nil
			return e
		}
	}
	return nil
}

// resolveBroadcast is resolve for the ack id of a broadcast.
func (s *Socket) resolveBroadcast(id uint64, r reply) {
	s.mu.Lock()
	e := s.acks.takeLocked(func(e *asked) bool { return e.question.id == id })
	s.mu.Unlock()
	if e == nil {
		return
	}
	a := answers.Answer{Outcome: answers.Answered, Args: r.args, Payload: r.payload}
	if r.err != nil {
		a = answers.Answer{Outcome: answers.Ambiguous}
	}
	e.told(a)
}

// receivers are the seats that get an event.
type receivers struct {
	seats     []*hub.Seat
	others    int               // the number of seats, at the beginning, that get it whatever their identity
	recipient *command.Selector // of the seats behind them
}

// receiversOf returns the receivers of a command.
func (s *Server) receiversOf(cmd *command.Emit) receivers {
	if rooms, people, mixed := divide(cmd); mixed {
		inRooms := s.hub.Receivers(&rooms.Selector)
		return receivers{slices.Concat(inRooms, s.hub.Receivers(&people.Selector)), len(inRooms), &people.Selector}
	}
	seats := s.hub.Receivers(&cmd.Selector)
	if cmd.IsPersonal() {
		return receivers{seats, 0, &cmd.Selector}
	}
	return receivers{seats: seats, others: len(seats)}
}

// ask sends a command to sockets of this process, as emit does. It returns an
// error if nothing was sent. Otherwise it calls begin, before the first answer,
// with the question.
func (s *Server) ask(
	cmd *command.Emit, r receivers, observe func(*Socket), begin func(*question), answer func(int, answers.Answer),
) error {
	seats := r.seats
	q := &question{id: firstBroadcastID + uint64(s.lastQuestion.Add(1)%firstBroadcastID), entries: make([]asked, len(seats)), answer: answer}
	messages, err := s.frame(cmd, seats, q.id)
	if err != nil {
		return err
	}
	if messages.observed() {
		for _, seat := range seats {
			observe(socketOf(seat))
		}
	}
	for i, seat := range seats {
		q.entries[i] = asked{question: q, number: i, socket: socketOf(seat)}
	}
	q.waiting.Store(int32(len(seats)))
	begin(q)
	var b engineio.Batch
	type unasked struct {
		entry   *asked
		outcome answers.Outcome
	}
	var not []unasked // they are told when nothing waits to be flushed
	for i := range q.entries {
		e := &q.entries[i]
		recipient := r.recipient
		if i < r.others {
			recipient = nil
		}
		if outcome := e.add(); outcome != answers.Missing {
			not = append(not, unasked{e, outcome})
			continue
		}
		// Other errors end the socket, which then answers for it.
		switch err := e.socket.queue(messages.messageFor(e.socket.namespace), cmd.Delivery, recipient, &b); {
		case errors.Is(err, errNotAddressed) && e.remove():
			not = append(not, unasked{e, answers.Ended})
		case errors.Is(err, engineio.ErrBehind) && e.remove():
			not = append(not, unasked{e, answers.Skipped})
		}
	}
	b.Flush()
	for _, u := range not {
		u.entry.told(answers.Answer{Outcome: u.outcome})
	}
	return nil
}

// EmitWithAck sends an event to the sockets that a selector matches, on all nodes
// unless local is set, and returns their answers. It returns the errors of Emit, except
// for cluster.ErrDown, and has sent nothing then.
func (s *Server) EmitWithAck(
	ctx context.Context, sel command.Selector, d command.Delivery, local bool, event string, args []any,
) (*answers.Collection, error) {
	cmd := command.Emit{Selector: sel, Delivery: d}
	return s.emitWithAck(ctx, &cmd, s.receiversOf(&cmd), local, event, args)
}

// EmitWithAcks is Server.EmitWithAck for one socket.
func (s *Socket) EmitWithAcks(ctx context.Context, d command.Delivery, event string, args []any) (*answers.Collection, error) {
	if !s.Connected() {
		return nil, ErrNotConnected
	}
	cmd := command.Emit{Selector: command.Selector{Namespace: s.namespace.name}, Delivery: d}
	return s.namespace.server.emitWithAck(ctx, &cmd, receivers{seats: []*hub.Seat{&s.seat}, others: 1}, true, event, args)
}

func (s *Server) emitWithAck(
	ctx context.Context, cmd *command.Emit, r receivers, local bool, event string, args []any,
) (*answers.Collection, error) {
	if s.Closed() {
		return nil, ErrServerClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	payload, err := parser.EncodeEvent(event, args)
	if err != nil {
		return nil, err
	}
	cmd.JSON, cmd.Attachments = payload.JSON, payload.Attachments
	c := answers.New(ctx, s.opts.AckTimeout)
	here := c.AddPart()
	begin := func(q *question) {
		here.Ask(q.Len(), q.From)
		here.Told()
		c.OnEnd(q.End)
	}
	err = s.ask(cmd, r, func(socket *Socket) { socket.observe(event, args) }, begin,
		func(number int, a answers.Answer) { here.Answer(number, a) })
	if err != nil {
		c.Close()
		return nil, err
	}
	if s.node != nil && !local {
		s.node.Ask(cmd, c)
	}
	c.Ready()
	return c, nil
}

// Ask implements cluster.Local.
func (l local) Ask(cmd *command.Emit, begin func(cluster.Question), answer func(number int, a answers.Answer)) {
	s := l.server
	err := s.ask(cmd, s.receiversOf(cmd), observeDecoded(cmd), func(q *question) { begin(q) }, answer)
	if err != nil {
		s.warnOfEmit(err)
		begin(new(question))
	}
}
