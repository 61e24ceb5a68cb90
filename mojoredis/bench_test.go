package mojoredis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mojosocket/mojo/cluster"
)

// BenchmarkEvent publishes events to a room, a number of them at a time, and
// waits until they have arrived at another node.
func BenchmarkEvent(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			key := strings.ReplaceAll(b.Name(), "#", "")
			from, to := openNode(b, key, "a"), openNode(b, key, "b")
			message := cluster.Message{Event: &cluster.Event{
				Address: cluster.Address{Namespace: "/", Rooms: []string{"room"}}, Data: []byte(`["said",{"user":"ada","text":"hello, world","at":1764540000}]`),
			}}
			messages := make([]cluster.Message, batch)
			for i := range messages {
				messages[i] = message
			}
			var arrival time.Duration
			published := 0
			for b.Loop() {
				began := time.Now()
				from.publish(messages...)
				published += batch
				for range batch {
					await(b, to.events)
				}
				arrival += time.Since(began)
			}
			b.ReportMetric(float64(published)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(arrival.Microseconds())*float64(batch)/float64(published), "µs/round")
		})
	}
}
