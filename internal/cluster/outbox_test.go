package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster/seal"
)

// slowLink is a Link that publishes when it is allowed to.
type slowLink struct {
	proceed   chan error // the results of Publish
	mu        sync.Mutex
	published []cluster.Message
}

func (l *slowLink) Publish(ctx context.Context, messages []cluster.Message) error {
	select {
	case err := <-l.proceed:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.published = append(l.published, messages...)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *slowLink) Close() error { return nil }

// runOutbox runs an outbox of 10,000 bytes that is not down.
func runOutbox(t *testing.T) (*outbox, *slowLink) {
	t.Helper()
	o := newOutbox(10_000, seal.NewSealer(secret, seal.Origin{Node: "n", Incarnation: 1}))
	link := &slowLink{proceed: make(chan error)}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.run(ctx, link)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return o, link
}

func event(bytes int) outgoing {
	return outgoing{event: &cluster.Event{Data: make([]byte, bytes)}}
}

// The queue for events is bounded, that for other messages is twice as long, and
// a message that is larger than the bound is sent if it is the only one.
func TestOutboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, link := runOutbox(t)
		require.True(t, o.putEvent(event(100_000)))
		synctest.Wait() // it is being published
		events := 0
		for o.putEvent(event(800)) {
			events++
		}
		require.Equal(t, 10, events)
		for range 10 {
			require.True(t, o.put(outgoing{plain: make([]byte, 800)}))
		}
		require.False(t, o.put(outgoing{plain: make([]byte, 800)}))
		size, lost := o.stats()
		require.Equal(t, 20_000, size)
		require.Equal(t, uint64(2), lost)

		link.proceed <- nil
		link.proceed <- errors.New("the connection is lost")
		synctest.Wait()

		require.Len(t, link.published, 21)
		size, lost = o.stats()
		require.Zero(t, size)
		require.Equal(t, uint64(22), lost)
		require.True(t, o.putEvent(event(1)))
	})
}

// Nothing is kept while the link is down, and queued messages are dropped.
func TestOutboxKeepsNothingWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, link := runOutbox(t)
		require.True(t, o.put(event(1)))
		synctest.Wait()
		require.True(t, o.put(event(2)))
		o.setDown(true)
		require.False(t, o.put(event(3)))
		o.setDown(false)
		require.True(t, o.put(event(4)))
		link.proceed <- nil
		link.proceed <- nil
		synctest.Wait()
		require.Len(t, link.published, 2)
		require.Len(t, link.published[1].Event.Data, 4)
	})
}

// drain returns when the messages before it are published, or after the time.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, link := runOutbox(t)
		began := time.Now()
		require.True(t, o.put(event(1)))
		o.drain(time.Second)
		require.Equal(t, time.Second, time.Since(began))
		link.proceed <- nil
		o.drain(time.Second)
		require.Equal(t, time.Second, time.Since(began))
	})
}
