package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/bench/memory"
)

// millionResult is what -million measures: a Server of mojo with more sessions
// than a process may open files for, with connections in memory in place of
// sockets.
type millionResult struct {
	Machine  machine `json:"machine"`
	Sessions int     `json:"sessions"`
	Users    int     `json:"users"`

	OpenedPerSecond float64 `json:"opened_per_second"`
	// Bytes per session, all but what stands in for its socket. Of the Heap,
	// Descriptor and ReadBuffer are its goroutine's; the latter only where the
	// connection is not plain TCP. Stack is no part of it.
	Heap       float64 `json:"heap_bytes"`
	Descriptor float64 `json:"goroutine_descriptor_bytes"`
	ReadBuffer float64 `json:"read_buffer_bytes"`
	Stack      float64 `json:"stack_bytes"`

	SessionLookup float64 `json:"session_lookup_ns"`
	UserLookup    float64 `json:"user_lookup_ns"`

	// Over Window, which is one ping interval. The client's side, which is
	// little, is part of it.
	Window         float64 `json:"window_s"`
	HeartbeatCores float64 `json:"heartbeat_cores"`
	Pings          int64   `json:"pings"`
	Lost           int     `json:"lost"`
}

func million(o *options, out io.Writer) error {
	r := millionResult{Machine: thisMachine(0), Sessions: o.sessions, Users: o.users}
	srv, err := mojo.New(mojo.Options{
		Identify: memory.Identify,
		Timeouts: mojo.Timeouts{
			PingInterval: o.beat.Interval,
			PingTimeout:  o.beat.Timeout,
		},
	})
	if err != nil {
		return err
	}
	defer srv.Close()
	var ev mojo.Events
	accepted := make(chan struct{}, 1024)
	ev.Connect = func(*mojo.Conn) error {
		accepted <- struct{}{}
		return nil
	}
	ch, err := srv.Handle("/", ev.Handler())
	if err != nil {
		return err
	}

	r.Descriptor = goroutineHeap()
	crowd := memory.New(o.sessions)
	before := heapNow()
	if r.OpenedPerSecond, err = crowd.Open(srv, o.users, accepted); err != nil {
		return err
	}
	sessions, users := srv.CurrentSessions(), srv.LoggedInSessions()
	for sessions.Len() < o.sessions { // OnConnect has returned for all, but the last may not be in the index yet
		time.Sleep(time.Millisecond)
	}
	after := heapNow()
	per := func(after, before uint64) float64 { return (float64(after) - float64(before)) / float64(o.sessions) }
	r.Heap = per(after.heap, before.heap)
	r.ReadBuffer = per(after.readBuffers, before.readBuffers)
	r.Stack = per(after.stacks, before.stacks)
	if o.memProfile != "" {
		if err := writeHeapProfile(o.memProfile); err != nil {
			return err
		}
	}

	r.SessionLookup = lookups(o.sessions, memory.SessionID, func(id string) int { return sessions.Get(id).Len() })
	r.UserLookup = lookups(o.users, memory.UserID, func(id string) int { return users.Get(id).Len() })

	if err := r.watchHeartbeats(o, crowd); err != nil {
		return err
	}
	r.Lost = o.sessions - ch.Len()

	r.print(out)
	if o.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if o.json == "-" {
		_, err = out.Write(text)
		return err
	}
	return os.WriteFile(o.json, text, 0o644)
}

// watchHeartbeats looks at one interval, in which each session is pinged once.
func (r *millionResult) watchHeartbeats(o *options, crowd *memory.Crowd) error {
	if o.cpuProfile != "" {
		f, err := os.Create(o.cpuProfile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var begin, end unix.Rusage
	pings, start := crowd.Pings.Load(), time.Now()
	if err := unix.Getrusage(unix.RUSAGE_SELF, &begin); err != nil {
		return err
	}
	time.Sleep(o.beat.Interval)
	if err := unix.Getrusage(unix.RUSAGE_SELF, &end); err != nil {
		return err
	}
	r.Window = time.Since(start).Seconds()
	r.Pings = crowd.Pings.Load() - pings
	used := time.Duration(end.Utime.Nano() + end.Stime.Nano() - begin.Utime.Nano() - begin.Stime.Nano())
	r.HeartbeatCores = used.Seconds() / r.Window
	return nil
}

func (r *millionResult) print(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n%d sessions of %d users, opened at %.0f per second, %d lost\n\n",
		r.Machine, r.Sessions, r.Users, r.OpenedPerSecond, r.Lost)
	writeRows(w, [][]string{
		{"per session", "bytes"},
		{"heap without the goroutine", fmt.Sprintf("%.0f", r.Heap-r.Descriptor-r.ReadBuffer)},
		{"the goroutine's descriptor", fmt.Sprintf("%.0f", r.Descriptor)},
		{"its read buffer", fmt.Sprintf("%.0f", r.ReadBuffer)},
		{"its stack", fmt.Sprintf("%.0f", r.Stack)},
	})
	fmt.Fprintln(w)
	writeRows(w, [][]string{
		{"look-up of a", "ns"},
		{"session", fmt.Sprintf("%.0f", r.SessionLookup)},
		{"user", fmt.Sprintf("%.0f", r.UserLookup)},
	})
	fmt.Fprintf(w, "\nheartbeats: %d pings and pongs in %.1f s, %.2f of a core\n", r.Pings, r.Window, r.HeartbeatCores)
}

// lookups is the time in ns that it takes to find one of n, in no order.
func lookups(n int, id func(int) string, look func(id string) int) float64 {
	const many = 1 << 20
	random := rand.New(rand.NewPCG(1, 2))
	ids := make([]string, many)
	for i := range ids {
		ids[i] = id(random.IntN(n))
	}
	missing := 0
	begin := time.Now()
	for _, id := range ids {
		if look(id) == 0 {
			missing++
		}
	}
	took := time.Since(begin)
	if missing > 0 {
		fmt.Fprintf(os.Stderr, "bench: %d of %d look-ups found nobody\n", missing, many)
	}
	return float64(took.Nanoseconds()) / many
}

type heapState struct{ heap, readBuffers, stacks uint64 }

// readBufferSize is that of the buffer with which a goroutine waits where the
// connection is not plain TCP.
const readBufferSize = 2 << 10

func heapNow() heapState {
	for range 3 { // pools and finalizers give way in the second
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := heapState{heap: m.HeapAlloc, stacks: m.StackInuse}
	for _, class := range m.BySize {
		if class.Size == readBufferSize {
			s.readBuffers = (class.Mallocs - class.Frees) * uint64(class.Size)
		}
	}
	return s
}

// goroutineHeap is how many bytes of the heap a goroutine takes that does
// nothing.
func goroutineHeap() float64 {
	const many = 1000
	before := heapNow()
	release := make(chan struct{})
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() { <-release })
	}
	after := heapNow()
	close(release)
	wg.Wait()
	return (float64(after.heap) - float64(before.heap)) / many
}
