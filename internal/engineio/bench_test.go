package engineio

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
	"github.com/mojosocket/mojo/internal/siotest"
)

func BenchmarkNewMessage(b *testing.B) {
	text := make([]byte, 100)
	for name, attachments := range map[string][][]byte{"text": nil, "attachment": {make([]byte, 1000)}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				NewMessage(len(text), func(dst []byte) []byte { return append(dst, text...) }, attachments)
			}
		})
	}
}

func BenchmarkOutQueue(b *testing.B) {
	m := NewText(make([]byte, 100))
	for _, depth := range []int{1, 16, 1000} {
		b.Run(fmt.Sprint(depth), func(b *testing.B) {
			b.ReportAllocs()
			var q outQueue
			for range depth - 1 {
				q.push(m)
			}
			for b.Loop() {
				q.push(m)
				q.pop()
			}
		})
	}
}

func BenchmarkReader(b *testing.B) {
	r := newReader(b, 1<<20)
	var scratch websocket.Scratch
	p := text("6" + string(make([]byte, 99)))
	q := make([]byte, len(p))
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		copy(q, p)
		if _, err := r.link.handleFrames(q, &scratch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBroadcast sends a message of 100 bytes to many sessions and waits
// until all have received it.
func BenchmarkBroadcast(b *testing.B) {
	for _, n := range []siotest.Network{siotest.TCP, siotest.Memory} {
		for _, clients := range []int{10, 1000} {
			b.Run(fmt.Sprintf("%s/%d", n.Name, clients), func(b *testing.B) {
				h := serve(b, n, nil)
				m := NewText(make([]byte, 100))
				var received sync.WaitGroup
				for range clients {
					conn, _ := h.rawWebSocket(b)
					go func() {
						frame := make([]byte, m.Size())
						for {
							if _, err := io.ReadFull(conn, frame); err != nil {
								return
							}
							received.Done()
						}
					}()
				}
				b.ReportAllocs()
				for b.Loop() {
					received.Add(clients)
					var batch Batch
					for _, p := range h.peers {
						_ = p.Queue(m, Delivery{}, &batch)
					}
					batch.Flush()
					received.Wait()
				}
				b.ReportMetric(float64(b.N*clients)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}

// BenchmarkPrefetch queues messages for sessions that are not in the cache,
// with Prefetch for one session and for several sessions at a time.
func BenchmarkPrefetch(b *testing.B) {
	e := New(testOptions())
	m := NewText(make([]byte, 100))
	sessions := make([]*Session, 1_000_000)
	for i := range sessions {
		sessions[i] = &Session{engine: e}
		sessions[i].queue.push(m) // so that the volatile message is dropped
	}
	rand.Shuffle(len(sessions), func(i, j int) { sessions[i], sessions[j] = sessions[j], sessions[i] })
	for _, size := range []int{1, 16} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var batch Batch
				for group := range slices.Chunk(sessions, size) {
					for _, s := range group {
						s.Prefetch()
					}
					for _, s := range group {
						_ = s.Queue(m, Delivery{Volatile: true}, &batch)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(sessions)), "ns/session")
		})
	}
}
