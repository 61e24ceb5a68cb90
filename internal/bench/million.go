package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mojosocket/mojo"
)

// millionResult is what -million measures: a Server of mojo with more sessions than a process may open files
// for, with connections in memory in place of sockets.
type millionResult struct {
	Machine  machine `json:"machine"`
	Sessions int     `json:"sessions"`
	Users    int     `json:"users"`

	OpenedPerSecond float64 `json:"opened_per_second"`
	// Bytes per session, all but what stands in for its socket. Of the Heap, Descriptor and ReadBuffer are its
	// goroutine's; the latter only where the connection is not plain TCP. Stack is no part of it.
	Heap       float64 `json:"heap_bytes"`
	Descriptor float64 `json:"goroutine_descriptor_bytes"`
	ReadBuffer float64 `json:"read_buffer_bytes"`
	Stack      float64 `json:"stack_bytes"`

	SessionLookup float64 `json:"session_lookup_ns"`
	UserLookup    float64 `json:"user_lookup_ns"`

	// Over Window, which is one ping interval. The client's side, which is little, is part of it.
	Window         float64 `json:"window_s"`
	HeartbeatCores float64 `json:"heartbeat_cores"`
	Pings          int64   `json:"pings"`
	Lost           int     `json:"lost"`
}

func million(o *options, out io.Writer) error {
	r := millionResult{Machine: thisMachine(0), Sessions: o.sessions, Users: o.users}
	srv, err := mojo.New(mojo.Options{
		Identify:     byHeader,
		PingInterval: o.beat.Interval,
		PingTimeout:  o.beat.Timeout,
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
	ch, err := srv.Handle("/", &ev)
	if err != nil {
		return err
	}

	r.Descriptor = goroutineHeap()
	crowd := newCrowd(o.sessions)
	before := heapNow()
	if r.OpenedPerSecond, err = crowd.open(srv, o.users, accepted); err != nil {
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

	r.SessionLookup = lookups(o.sessions, sessionID, func(id string) int { return sessions.Get(id).Len() })
	r.UserLookup = lookups(o.users, userID, func(id string) int { return users.Get(id).Len() })

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
func (r *millionResult) watchHeartbeats(o *options, crowd *crowd) error {
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
	pings, start := crowd.pings.Load(), time.Now()
	if err := unix.Getrusage(unix.RUSAGE_SELF, &begin); err != nil {
		return err
	}
	time.Sleep(o.beat.Interval)
	if err := unix.Getrusage(unix.RUSAGE_SELF, &end); err != nil {
		return err
	}
	r.Window = time.Since(start).Seconds()
	r.Pings = crowd.pings.Load() - pings
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

func sessionID(n int) string { return "session-of-the-browser-" + strconv.Itoa(n) }
func userID(n int) string    { return "user-" + strconv.Itoa(n) }

// byHeader believes what the crowd says of itself: cookies were verified elsewhere.
func byHeader(r *http.Request) (mojo.Identity, error) {
	return mojo.Identity{SessionID: r.Header.Get("X-Session"), UserID: r.Header.Get("X-User")}, nil
}

type heapState struct{ heap, readBuffers, stacks uint64 }

// readBufferSize is that of the buffer with which a goroutine waits where the connection is not plain TCP.
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

// goroutineHeap is how many bytes of the heap a goroutine takes that does nothing.
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

// crowd is clients in memory. All of them are made beforehand, so that they are in the heap from which the
// measurement begins.
type crowd struct {
	conns []memoryConn
	wake  []chan struct{}
	pings atomic.Int64
}

func newCrowd(n int) *crowd {
	c := &crowd{conns: make([]memoryConn, n), wake: make([]chan struct{}, n)}
	for i := range c.conns {
		c.wake[i] = make(chan struct{}, 1)
		c.conns[i] = memoryConn{crowd: c, wake: c.wake[i]}
	}
	return c
}

// open has all clients connect to the server.
func (c *crowd) open(srv http.Handler, users int, accepted <-chan struct{}) (perSecond float64, err error) {
	begin := time.Now()
	var wg sync.WaitGroup
	var refused atomic.Int64
	share := (len(c.conns) + runtime.NumCPU() - 1) / runtime.NumCPU()
	for from := 0; from < len(c.conns); from += share {
		wg.Go(func() {
			for i := from; i < min(from+share, len(c.conns)); i++ {
				w := &takenOver{conn: &c.conns[i]}
				srv.ServeHTTP(w, handshake(i, users))
				if w.status != 0 {
					refused.Add(1)
				}
			}
		})
	}
	for range c.conns {
		select {
		case <-accepted:
		case <-time.After(30 * time.Second):
			return 0, fmt.Errorf("the server is silent; it refused %d", refused.Load())
		}
	}
	wg.Wait()
	return float64(len(c.conns)) / time.Since(begin).Seconds(), nil
}

// handshake is the request of client n, with the headers of a browser.
func handshake(n, users int) *http.Request {
	return &http.Request{
		Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL:        &url.URL{Path: "/socket.io/", RawQuery: "EIO=4&transport=websocket"},
		RequestURI: "/socket.io/?EIO=4&transport=websocket",
		Host:       "example.org",
		RemoteAddr: "192.0.2.1:" + strconv.Itoa(1024+n%60000),
		Body:       http.NoBody,
		Header: http.Header{
			"Connection":            {"Upgrade"},
			"Upgrade":               {"websocket"},
			"Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key":     {"dGhlIHNhbXBsZSBub25jZQ=="},
			"Origin":                {"http://example.org"},
			"Pragma":                {"no-cache"},
			"Cache-Control":         {"no-cache"},
			"User-Agent":            {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
			"Accept-Encoding":       {"gzip, deflate, br, zstd"},
			"Accept-Language":       {"en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7"},
			"X-Session":             {sessionID(n)},
			"X-User":                {userID(n % users)},
		},
	}
}

// takenOver is a ResponseWriter whose connection is taken over.
type takenOver struct {
	conn   *memoryConn
	header http.Header
	status int
}

func (w *takenOver) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

func (w *takenOver) WriteHeader(status int)      { w.status = status }
func (w *takenOver) Write(p []byte) (int, error) { return len(p), nil }

func (w *takenOver) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReaderSize(w.conn, 16), bufio.NewWriter(w.conn)), nil
}

// memoryConn is the server's end of a connection to a client that connects to a namespace and then answers
// pings.
type memoryConn struct {
	crowd  *crowd
	wake   chan struct{} // for a pong to read
	said   bool          // the client's CONNECT was read; for the reading goroutine
	closed atomic.Bool
}

var (
	connectPacket = []byte("\x81\x82\x00\x00\x00\x0040")
	pongPacket    = []byte("\x81\x81\x00\x00\x00\x003")
	pingPacket    = "\x81\x012"
)

func (c *memoryConn) Read(p []byte) (int, error) {
	if !c.said {
		c.said = true
		return copy(p, connectPacket), nil
	}
	<-c.wake
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	return copy(p, pongPacket), nil
}

func (c *memoryConn) Write(p []byte) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	if string(p) == pingPacket {
		c.crowd.pings.Add(1)
		c.signal()
	}
	return len(p), nil
}

func (c *memoryConn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *memoryConn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return errors.New("closed twice")
	}
	c.signal()
	return nil
}

type memoryAddress struct{}

func (memoryAddress) Network() string { return "memory" }
func (memoryAddress) String() string  { return "192.0.2.1:80" }

func (c *memoryConn) LocalAddr() net.Addr              { return memoryAddress{} }
func (c *memoryConn) RemoteAddr() net.Addr             { return memoryAddress{} }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }
