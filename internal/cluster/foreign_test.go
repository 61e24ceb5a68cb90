package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/answers"
)

// askingBus is a bus with servers of another kind, for one node.
type askingBus struct {
	*cluster.Memory
	asked chan foreignQuestion
}

// foreignQuestion is what the servers of another kind are asked.
type foreignQuestion struct {
	ctx       context.Context
	data      string
	timeout   time.Duration
	published int // messages before
	cluster.Replies
}

type askingLink struct {
	cluster.Link
	bus       *askingBus
	published int // events
}

func (b *askingBus) Open(name string, n cluster.Node) (cluster.Link, error) {
	link, err := b.Memory.Open(name, n)
	return &askingLink{Link: link, bus: b}, err
}

func (l *askingLink) Publish(ctx context.Context, messages []cluster.Message) error {
	for _, m := range messages {
		if m.Event != nil {
			l.published++
		}
	}
	return l.Link.Publish(ctx, messages)
}

func (l *askingLink) EmitWithAck(ctx context.Context, e *cluster.Event, timeout time.Duration, r cluster.Replies) {
	l.bus.asked <- foreignQuestion{ctx, string(e.Data), timeout, l.published, r}
}

func (l *askingLink) ServerSideEmit(ctx context.Context, namespace string, data []byte, r cluster.Replies) {
	l.bus.asked <- foreignQuestion{ctx, namespace + string(data), 0, l.published, r}
}

// virtualForeign runs a test with a node on a bus with servers of another kind.
func virtualForeign(t *testing.T, run func(t *testing.T, bus *askingBus, p *process)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bus := &askingBus{cluster.NewMemory(), make(chan foreignQuestion, 9)}
		p := start(t, bus)
		require.NoError(t, p.Await(t.Context()))
		run(t, bus, p)
	})
}

func collect(c *answers.Collection) (all []answers.Answer) {
	for a, ok := c.Next(); ok; a, ok = c.Next() {
		all = append(all, a)
	}
	return all
}

// Servers of another kind are asked behind what was emitted before. Their answers
// are those that they have promised, without ids.
func TestForeignAnswers(t *testing.T) {
	virtualForeign(t, func(t *testing.T, bus *askingBus, p *process) {
		for range 3 {
			require.NoError(t, p.Emit(emitToRoom("room", `["before"]`)))
		}
		c := askAll(t, t.Context(), p)
		q := <-bus.asked
		require.Equal(t, `["e"]`, q.data)
		require.Equal(t, time.Minute, q.timeout)
		require.Equal(t, 3, q.published)
		q.Reply([]byte(`"not expected"`), nil)
		q.Expect(-1)
		q.Expect(1 << 40)
		q.Expect(2)
		q.Expect(1)
		q.Done(nil)
		q.Reply([]byte(`{"_placeholder":true,"num":0}`), [][]byte{{7}})
		q.Reply([]byte(`{`), nil)
		q.Reply([]byte(`null`), nil)
		q.Reply([]byte(`"too many"`), nil)

		all := collect(c)

		require.Len(t, all, 3)
		var b []byte
		require.NoError(t, all[0].Args.Decode(0, &b))
		require.Equal(t, []byte{7}, b)
		require.Equal(t, answers.From{}, all[0].From)
		require.Equal(t, answers.Ambiguous, all[1].Outcome)
		require.Equal(t, answers.Answered, all[2].Outcome)
		require.Equal(t, 3, c.Asked())
		require.False(t, c.Lost())
		require.ErrorIs(t, q.ctx.Err(), context.Canceled)
	})
}

// People are known to nodes alone, so servers of another kind are not asked.
func TestForeignServersKnowNoPeople(t *testing.T) {
	virtualForeign(t, func(t *testing.T, bus *askingBus, p *process) {
		c := answers.New(t.Context(), time.Minute)
		p.Ask(emitToUser("ann", `["e"]`), c)
		c.Ready()
		require.Empty(t, collect(c))
		require.Empty(t, bus.asked)
	})
}

// If the servers cannot be asked, or their answers do not come any more, they are
// lost.
func TestForeignServersAreLost(t *testing.T) {
	virtualForeign(t, func(t *testing.T, bus *askingBus, p *process) {
		c := askAll(t, t.Context(), p)
		q := <-bus.asked
		q.Expect(1)
		q.Done(nil)
		q.Done(errors.New("the connection is lost"))
		require.Empty(t, collect(c))
		require.True(t, c.Lost())
		require.Len(t, c.Missing(), 1)

		bus.Cut(p.Name())
		synctest.Wait()
		c = askAll(t, t.Context(), p)
		require.Empty(t, collect(c))
		require.True(t, c.Lost())
	})
}

// Notifications go to servers of another kind, too.
func TestForeignNotifications(t *testing.T) {
	virtualForeign(t, func(t *testing.T, bus *askingBus, p *process) {
		require.NoError(t, p.Notify([]byte(`["e",1]`)))
		q := <-bus.asked
		require.Equal(t, `/["e",1]`, q.data)
		require.Nil(t, q.Replies)

		c := answers.New(t.Context(), time.Minute)
		p.NotifyWithAck([]byte(`["e",2]`), c)
		c.Ready()
		q = <-bus.asked
		require.Equal(t, `/["e",2]`, q.data)
		q.Expect(1)
		q.Done(nil)
		q.Reply([]byte(`5`), nil)
		all := collect(c)
		require.Len(t, all, 1)
		require.Equal(t, "5", string(all[0].Args.Raw(0)))
	})
}
