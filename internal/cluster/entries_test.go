package cluster

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster/directory"
	"github.com/mojosocket/mojo/internal/command"
)

// measuringBus notes the size of the largest control message.
type measuringBus struct {
	cluster.Bus

	mu      sync.Mutex
	largest int
}

type measuringLink struct {
	cluster.Link
	bus *measuringBus
}

func (b *measuringBus) Open(name string, n cluster.Node) (cluster.Link, error) {
	link, err := b.Bus.Open(name, n)
	return measuringLink{link, b}, err
}

func (l measuringLink) Publish(ctx context.Context, messages []cluster.Message) error {
	l.bus.mu.Lock()
	for i := range messages {
		l.bus.largest = max(l.bus.largest, len(messages[i].Control))
	}
	l.bus.mu.Unlock()
	return l.Link.Publish(ctx, messages)
}

// Very many changes at once are announced in several messages: a broker refuses
// one that is too large.
func TestManyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &measuringBus{Bus: cluster.NewMemory()}
		p := []*process{start(t, bus), start(t, bus)}
		for _, q := range p {
			require.NoError(t, q.Await(t.Context()))
		}
		const many = 20_000
		for i := range many {
			p[0].local.changes = append(p[0].local.changes, directory.Entry{Key: userKey("user " + strconv.Itoa(i)), Namespace: app, Count: 1})
		}

		p[0].Changed()
		time.Sleep(announceTime)
		synctest.Wait()

		require.Equal(t, many, p[1].Directory().Len("", command.User))
		bus.mu.Lock()
		defer bus.mu.Unlock()
		require.Less(t, bus.largest, 2*entriesPart)
	})
}
