package cluster

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// Question is an event that was sent to connections of this node, see Local.Ask.
type Question interface {
	Len() int                     // how many connections were asked
	From(number int) answers.From // one of them
	End()                         // no answer is waited for any more
}

// The sizes and times of answers for other nodes.
const (
	answerTime   = 2 * time.Millisecond  // for which answers are collected
	againTime    = 50 * time.Millisecond // before answers are sent again that found no room
	answersPart  = 256 << 10             // bytes of answers that are sent together
	maxAnswer    = 512 << 10             // bytes of one answer
	askedPart    = 2000                  // connections of one Asked
	maxAskedTime = 7 * 24 * time.Hour
)

// questionID is a question of another node.
type questionID struct {
	origin seal.Origin
	id     uint64
}

// serving is a question of another node that connections of this node are asked.
type serving struct {
	node *Node
	questionID
	expiry *time.Timer // ends it

	mu sync.Mutex
	servingByMu
}

// servingByMu is guarded by serving.mu.
type servingByMu struct {
	question Question // nil before it was asked
	waiting  int      // for connections that have not answered
	answers  []wire.Ack
	flusher  *time.Timer // flushes the answers; nil while there are none
	ended    bool
}

// serve asks connections of this node for another one.
func (n *Node) serve(from seal.Origin, m *wire.Ask) {
	if m.IsPersonal() && !n.isCurrent() {
		n.counts.stale.Add(1)
		n.send(from.Node, &wire.Asked{ID: m.ID, Last: true})
		return
	}
	s := &serving{node: n, questionID: questionID{from, m.ID}}
	timeout := min(time.Duration(min(m.Timeout, uint64(maxAskedTime/time.Millisecond)))*time.Millisecond, maxAskedTime)
	s.expiry = time.AfterFunc(timeout, s.end)
	n.mu.Lock()
	n.serving[s.questionID] = s
	n.mu.Unlock()
	n.config.Local.Ask(&m.Emit, s.begin, s.answer)
}

// begin tells the other node who is asked. It is called before any answer, also
// if nobody is asked.
func (s *serving) begin(q Question) {
	s.mu.Lock()
	ended := s.ended
	s.question, s.waiting = q, q.Len()
	s.mu.Unlock()
	if ended {
		q.End()
		return
	}
	for next := 0; ; {
		m := &wire.Asked{ID: s.id}
		for ; next < q.Len() && len(m.Conns) < askedPart; next++ {
			f := q.From(next)
			m.Conns = append(m.Conns, wire.AskedConn{ID: f.ID, Identity: f.Identity})
		}
		m.Last = next == q.Len()
		s.node.send(s.origin.Node, m)
		if m.Last {
			break
		}
	}
	if q.Len() == 0 {
		s.end()
	}
}

// answer is called with each answer.
func (s *serving) answer(number int, a answers.Answer) {
	out := wire.Ack{Number: uint32(number), Outcome: uint8(a.Outcome), JSON: a.Payload.JSON, Attachments: a.Payload.Attachments}
	if sizeOf(&out) > maxAnswer {
		out.Outcome, out.JSON, out.Attachments = uint8(answers.TooLarge), nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	out.Identity = s.question.From(number).Identity
	s.answers = append(s.answers, out)
	s.waiting--
	switch {
	case s.flusher == nil:
		s.flusher = time.AfterFunc(answerTime, s.flush)
	case s.waiting == 0:
		s.flusher.Reset(0)
	}
}

func sizeOf(a *wire.Ack) int {
	const base = 64
	size := base + len(a.JSON)
	for _, attachment := range a.Attachments {
		size += len(attachment)
	}
	return size
}

// flush sends the answers. If there is no room for them, it tries again later.
func (s *serving) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flusher == nil {
		return
	}
	for len(s.answers) > 0 && !s.ended {
		size, n := 0, 0
		for n < len(s.answers) && (n == 0 || size+sizeOf(&s.answers[n]) <= answersPart) {
			size += sizeOf(&s.answers[n])
			n++
		}
		m := wire.Encode(&wire.Acks{ID: s.id, Acks: s.answers[:n]})
		if !s.node.out.putEvent(outgoing{plain: m, to: s.origin.Node}) {
			s.flusher.Reset(againTime)
			return
		}
		s.answers = s.answers[n:]
	}
	s.answers, s.flusher = nil, nil
	if s.waiting == 0 {
		s.forgetLocked()
	}
}

// endServing ends a question of another node.
func (n *Node) endServing(id questionID) {
	n.mu.Lock()
	s := n.serving[id]
	n.mu.Unlock()
	if s != nil {
		s.end()
	}
}

// flushServing sends the answers that are there for other nodes.
func (n *Node) flushServing() {
	n.mu.Lock()
	all := slices.Collect(maps.Values(n.serving))
	n.mu.Unlock()
	for _, s := range all {
		s.flush()
	}
}

// end drops what was not sent, and waits for no more answers.
func (s *serving) end() {
	s.mu.Lock()
	q, ended := s.question, s.ended
	s.forgetLocked()
	s.mu.Unlock()
	if q != nil && !ended {
		q.End()
	}
}

// forgetLocked makes the node forget s. serving.mu must be held.
func (s *serving) forgetLocked() {
	if s.ended {
		return
	}
	s.ended = true
	s.answers = nil
	s.expiry.Stop()
	if s.flusher != nil {
		s.flusher.Stop()
	}
	s.node.mu.Lock()
	defer s.node.mu.Unlock()
	delete(s.node.serving, s.questionID)
}
