package mojonats_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojonats"
)

// BenchmarkEvent publishes events to a room, a number of them at a time, and
// waits until they have arrived at another node.
func BenchmarkEvent(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			from, to := openPair(b)
			messages := make([]cluster.Message, batch)
			for i := range messages {
				messages[i] = benchEvent()
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

// BenchmarkLatency publishes 1,000 events each second. It reports how long they
// need to another node.
func BenchmarkLatency(b *testing.B) {
	from, to := openPair(b)
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	var took []time.Duration
	for b.Loop() {
		<-ticker.C
		began := time.Now()
		from.publish(benchEvent())
		<-to.events
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}

func openPair(b *testing.B) (from, to *node) {
	b.Helper()
	s := newServer(b)
	from, to = openNode(b, s.addr(), "a", mojonats.Options{}), openNode(b, s.addr(), "b", mojonats.Options{}, "room")
	to.tell(from, "hello")
	return from, to
}

func benchEvent() cluster.Message {
	return event("room", `["said",{"user":"ada","text":"hello, world","at":1764540000}]`)
}
