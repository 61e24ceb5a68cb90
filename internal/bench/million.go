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

// millionResult is the result of -million: a mojo.Server with more sessions
// than a process may have sockets. Their connections are in memory.
type millionResult struct {
	Machine  machine `json:"machine"`
	Sessions int     `json:"sessions"`
	Users    int     `json:"users"`

	OpenedPerSecond float64 `json:"opened_per_second"`
	// Bytes per session, without its memory.Crowd client. Heap includes
	// Descriptor, which is that of the goroutine of the session, and
	// ReadBuffer, which only connections have that are not plain TCP. It does
	// not include Stack.
	Heap       float64 `json:"heap_bytes"`
	Descriptor float64 `json:"goroutine_descriptor_bytes"`
	ReadBuffer float64 `json:"read_buffer_bytes"`
	Stack      float64 `json:"stack_bytes"`

	SessionLookup float64 `json:"session_lookup_ns"`
	UserLookup    float64 `json:"user_lookup_ns"`

	// Measured for the time Window, which is one ping interval. HeartbeatCores
	// includes the clients, which take little CPU time.
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
			PingInterval: o.heartbeat.Interval,
			PingTimeout:  o.heartbeat.Timeout,
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
	for sessions.Len() < o.sessions { // OnConnect has been called for all, but some may not be in the index yet
		time.Sleep(time.Millisecond)
	}
	after := heapNow()
	perSession := func(after, before uint64) float64 { return (float64(after) - float64(before)) / float64(o.sessions) }
	r.Heap = perSession(after.heap, before.heap)
	r.ReadBuffer = perSession(after.readBuffers, before.readBuffers)
	r.Stack = perSession(after.stacks, before.stacks)
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

// watchHeartbeats measures one ping interval, in which each session is pinged
// once.
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
	time.Sleep(o.heartbeat.Interval)
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

// lookups returns the average time of a look-up in ns. It looks up random ones
// of n ids.
func lookups(n int, id func(int) string, look func(id string) int) float64 {
	const count = 1 << 20
	random := rand.New(rand.NewPCG(1, 2))
	ids := make([]string, count)
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
		fmt.Fprintf(os.Stderr, "bench: %d of %d look-ups found nothing\n", missing, count)
	}
	return float64(took.Nanoseconds()) / count
}

// heapState is the memory of this process in bytes.
type heapState struct{ heap, readBuffers, stacks uint64 }

// readBufferSize is the size of the buffer that a goroutine keeps while it
// waits for a connection that is not plain TCP.
const readBufferSize = 2 << 10

// heapNow collects garbage and returns the heapState.
func heapNow() heapState {
	for range 3 { // the second collection empties pools and frees objects with finalizers
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

// goroutineHeap returns the number of bytes of the heap that an idle goroutine
// takes.
func goroutineHeap() float64 {
	const count = 1000
	before := heapNow()
	release := make(chan struct{})
	var wg sync.WaitGroup
	for range count {
		wg.Go(func() { <-release })
	}
	after := heapNow()
	close(release)
	wg.Wait()
	return (float64(after.heap) - float64(before.heap)) / count
}
