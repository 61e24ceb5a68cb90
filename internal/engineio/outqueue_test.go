package engineio

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOutQueueKeepsOrder(t *testing.T) {
	var q outQueue
	messages := make([]*Message, 10_000)
	for i := range messages {
		messages[i] = NewText(fmt.Append(nil, i))
	}
	next := 0
	for i, m := range messages { // the queue is never empty and never long
		q.push(m)
		if i > 100 {
			require.Same(t, messages[next], q.pop())
			next++
		}
	}
	for q.len() > 0 {
		require.Same(t, messages[next], q.pop())
		next++
	}
	require.Equal(t, len(messages), next)
}
