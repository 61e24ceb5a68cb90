package cluster

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/parser"
)

// asked is a question to connections whose ids are numbers. It implements
// Question.
type asked struct {
	count  int
	answer func(number int, a answers.Answer)
	ended  chan struct{}
}

func (a *asked) Len() int                 { return a.count }
func (a *asked) From(n int) answers.From  { return answers.From{ID: strconv.Itoa(n)} }
func (a *asked) End()                     { close(a.ended) }
func (a *asked) reply(n int, json string) { a.answer(n, answerOf(json)) }

func answerOf(json string) answers.Answer {
	return answers.Answer{Outcome: answers.Answered, Payload: parser.Payload{JSON: []byte(json)}}
}

func (l *local) Ask(_ *command.Emit, begin func(Question), answer func(int, answers.Answer)) {
	q := &asked{count: l.conns, answer: answer, ended: make(chan struct{})}
	l.asked = append(l.asked, q)
	begin(q)
}

// askAll asks the room of all processes but the first one.
func askAll(t *testing.T, ctx context.Context, p *process) *answers.Collection {
	t.Helper()
	c := answers.New(ctx, time.Minute)
	p.Ask(emitToRoom("room", `["e"]`), c)
	c.Ready()
	synctest.Wait()
	return c
}

// questions returns how many questions of its own, and of others, a node keeps.
func (p *process) questions() (own, others int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asks.byID), len(p.serving)
}

func requireNoQuestions(t *testing.T, processes []*process) {
	t.Helper()
	synctest.Wait()
	for _, p := range processes {
		own, others := p.questions()
		require.Zero(t, own)
		require.Zero(t, others)
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// No node keeps a question that has ended, in whatever way.
func TestQuestionsAreForgotten(t *testing.T) {
	virtual(t, 3, func(t *testing.T, _ *cluster.Memory, p []*process) {
		for name, end := range map[string]func(q []*asked, c *answers.Collection, cancel func()){
			"all have answered": func(q []*asked, _ *answers.Collection, _ func()) {
				for i := range 2 {
					q[0].reply(i, `[]`)
					q[1].reply(i, `[]`)
				}
				time.Sleep(answerTime)
			},
			"context": func(_ []*asked, _ *answers.Collection, cancel func()) { cancel() },
			"closed":  func(_ []*asked, c *answers.Collection, _ func()) { c.Close() },
			"timeout": func([]*asked, *answers.Collection, func()) { time.Sleep(time.Minute) },
		} {
			func() {
				p[1].local.asked, p[2].local.asked = nil, nil
				p[1].local.conns, p[2].local.conns = 2, 2
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c := askAll(t, ctx, p[0])
				require.Equal(t, 4, c.Asked())
				q := []*asked{p[1].local.asked[0], p[2].local.asked[0]}

				end(q, c, cancel)

				requireNoQuestions(t, p)
				require.Equal(t, name != "all have answered", isClosed(q[0].ended), name)
				q[0].reply(0, `["late"]`)
				time.Sleep(answerTime)
				requireNoQuestions(t, p)
			}()
		}
	})
}

// If the node that asks is gone, the others wait for no more answers.
func TestQuestionsOfANodeThatDies(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		p[1].local.conns = 1
		askAll(t, t.Context(), p[0])
		bus.Cut(p[0].Name())
		time.Sleep(members.DeadAfter + members.Period)
		requireNoQuestions(t, p[1:])
		require.True(t, isClosed(p[1].local.asked[0].ended))
	})
}

// Answers wait while the outbox is full.
func TestAnswersWaitForRoom(t *testing.T) {
	virtual(t, 2, func(t *testing.T, bus *cluster.Memory, p []*process) {
		p[1].local.conns = 1
		c := askAll(t, t.Context(), p[0])
		p[1].out.mu.Lock()
		p[1].out.size += p[1].out.limit
		p[1].out.mu.Unlock()
		p[1].local.asked[0].reply(0, `["x"]`)
		time.Sleep(3 * againTime)
		synctest.Wait()
		require.Len(t, c.Missing(), 1)
		p[1].out.mu.Lock()
		p[1].out.size -= p[1].out.limit
		p[1].out.mu.Unlock()

		a, ok := c.Next()

		require.True(t, ok)
		require.Equal(t, "0", a.ID)
		require.Equal(t, p[1].Name(), a.Node)
		requireNoQuestions(t, p)
	})
}

// What a member says about a question that it was not asked, about connections
// that it has not named, or twice, counts for nothing. What is no JSON array is
// an answer that cannot be read.
func TestAnswersThatAreWrong(t *testing.T) {
	virtual(t, 3, func(t *testing.T, _ *cluster.Memory, p []*process) {
		p[1].local.conns = 2
		c := askAll(t, t.Context(), p[0])
		id := uint64(1)
		for _, m := range []wire.Message{
			&wire.Acks{ID: id + 1, Acks: []wire.Ack{{Outcome: 1, JSON: []byte(`[]`)}}},
			&wire.Acks{ID: id, Acks: []wire.Ack{{Number: 2, Outcome: 1, JSON: []byte(`[]`)}, {Number: 1 << 31, Outcome: 1}}},
			&wire.Asked{ID: id, Last: true}, &wire.Asked{ID: id + 1, Conns: make([]wire.AskedConn, 3)},
			&wire.EndAsk{ID: id},
		} {
			p[1].send(p[0].Name(), m)
			p[2].send(p[0].Name(), m)
		}
		synctest.Wait()
		require.Len(t, c.Missing(), 2)
		for range 2 {
			p[1].send(p[0].Name(), &wire.Acks{ID: id, Acks: []wire.Ack{{Number: 1, Outcome: 1, JSON: []byte(`{`)}}})
		}
		p[1].send(p[0].Name(), &wire.Acks{ID: id, Acks: []wire.Ack{{Number: 0, Outcome: 1, JSON: []byte(`["x"]`)}}})
		a, _ := c.Next()
		require.Equal(t, answers.Ambiguous, a.Outcome)
		require.Equal(t, "1", a.ID)
		a, _ = c.Next()
		require.Equal(t, answers.Answered, a.Outcome)
		_, more := c.Next()
		require.False(t, more)
	})
}
