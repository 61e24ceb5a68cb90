package engineio

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/engineio/websocket"
	"github.com/mojosocket/mojo/internal/siotest"
)

// rawWebSocket opens a session on a WebSocket, and returns the connection for
// the test to read and write bytes. It has read the open packet.
func (h *host) rawWebSocket(t testing.TB) (net.Conn, *peer) {
	t.Helper()
	conn := h.rawHandshake(t, "")
	header, err := ws.ReadHeader(conn)
	require.NoError(t, err)
	open := make([]byte, header.Length)
	_, err = io.ReadFull(conn, open)
	require.NoError(t, err)
	require.Equal(t, byte('0'), open[0])
	return conn, h.next()
}

// rawProbe opens a WebSocket for the client's session and sends packets on it.
func (h *host) rawProbe(t testing.TB, client *siotest.Engine, packets ...string) net.Conn {
	t.Helper()
	conn := h.rawHandshake(t, "&sid="+client.Handshake.SID)
	for _, p := range packets {
		_, err := conn.Write(text(p))
		require.NoError(t, err)
	}
	return conn
}

// rawHandshake opens a WebSocket.
func (h *host) rawHandshake(t testing.TB, query string) net.Conn {
	t.Helper()
	conn, err := h.site.Dial(context.Background())
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*timeout)))
	_, err = fmt.Fprintf(conn, "GET /?EIO=4&transport=websocket%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", query)
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", res.Header.Get("Sec-WebSocket-Accept"))
	return bufferedConn{conn, in}
}

// bufferedConn reads from a buffer, which may hold bytes that arrived with the
// answer to the handshake.
type bufferedConn struct {
	net.Conn
	in *bufio.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// reader is a link without a connection that collects the messages it reads. It
// writes nothing.
type reader struct {
	link *link
	got  []string
	err  error
}

func newReader(t testing.TB, maxPayload int) *reader {
	r := &reader{}
	opts := testOptions()
	opts.MaxPayload = maxPayload
	opts.Open = func(*Session, *http.Request) (Handler, http.Header, error) { return r, nil, nil }
	s, _, err := New(opts).open(nil, WebSocket, codec.Revision4)
	require.NoError(t, err)
	t.Cleanup(func() { s.end(TransportClose, endBroken, websocket.StatusNormal) })
	r.link = busyLink(s)
	return r
}

// busyLink returns a link without a connection that carries the session, with
// the claim to write taken.
func busyLink(s *Session) *link {
	l := &link{session: s, conn: discard{}}
	l.writing = true
	l.carrySessionLocked()
	return l
}

// discard is a connection that ignores deadlines.
type discard struct{ net.Conn }

func (discard) Close() error                     { return nil }
func (discard) SetReadDeadline(time.Time) error  { return nil }
func (discard) SetWriteDeadline(time.Time) error { return nil }

func (r *reader) Admits(*http.Request) Admission { return Admitted }

func (r *reader) Opened()       {}
func (r *reader) Lapsed()       {}
func (r *reader) Closed(Reason) {}

func (r *reader) Message(data []byte, binary bool) error {
	r.got = append(r.got, fmt.Sprintf("%t %q", binary, data))
	clear(data) // a handler may modify it
	return nil
}

// feed handles a copy of p, because the reader may modify it.
func (r *reader) feed(p []byte) {
	if r.err == nil {
		var scratch websocket.Scratch
		p = slices.Clone(p)
		for len(p) > 0 && r.err == nil {
			p, r.err = r.link.handleFrames(p, &scratch)
		}
	}
}

// outcome returns the messages and the error.
func (r *reader) outcome() []string { return append(r.got, fmt.Sprint(r.err)) }

// stream returns frames of every kind, and then end.
func stream(end ...byte) []byte {
	return append(join(
		text("4first"),
		frame(ws.OpPing, true, "payload"),
		frame(ws.OpBinary, true, strings.Repeat("b", 126)),
		frame(ws.OpText, false, ""),
		frame(ws.OpPong, true, ""),
		frame(ws.OpContinuation, false, "4\xc3"), // within a character
		frame(ws.OpPing, true, strings.Repeat("p", 125)),
		frame(ws.OpContinuation, true, "\xa9"),
		text("3"),
		text("bAQID"),
		frame(ws.OpBinary, true, ""),
		frame(ws.OpBinary, true, strings.Repeat("c", 65536)),
		text("4last"),
	), end...)
}

// TestReaderOfSplitStreams: the pieces in which a stream arrives do not change
// the messages.
func TestReaderOfSplitStreams(t *testing.T) {
	whole := newReader(t, 1<<20)
	whole.feed(stream())
	require.NoError(t, whole.err)
	require.Len(t, whole.got, 7)

	small := append(stream()[:300], text("5")...) // ends in an error
	for _, all := range [][]byte{stream(), small} {
		want := newReader(t, 1<<20)
		want.feed(all)
		for at := 0; at < len(all); at += 1 + at/300*97 { // each byte at first
			r := newReader(t, 1<<20)
			r.feed(all[:at])
			r.feed(all[at:])
			require.Equal(t, want.outcome(), r.outcome(), "cut at %d", at)
		}
		r := newReader(t, 1<<20)
		for i := range all {
			r.feed(all[i : i+1])
		}
		require.Equal(t, want.outcome(), r.outcome(), "one byte at a time")
	}
}

func TestReaderOfRandomPieces(t *testing.T) {
	want := newReader(t, 1<<20)
	want.feed(stream())
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		r := newReader(t, 1<<20)
		for rest := stream(); len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(1<<random.IntN(14)))
			r.feed(rest[:n])
			rest = rest[n:]
		}
		require.Equal(t, want.outcome(), r.outcome(), "seed %d", seed)
	}
}

// TestReaderIgnoresBytesBehindTheEnd: bytes behind a Close frame or a close
// packet are ignored, even if they arrive in the same read.
func TestReaderIgnoresBytesBehindTheEnd(t *testing.T) {
	for name, end := range map[string][]byte{"Close frame": frame(ws.OpClose, true, ""), "close packet": text("1")} {
		t.Run(name, func(t *testing.T) {
			r := newReader(t, 1000)
			r.feed(join(text("4a"), end, text("9"), []byte{0xff, 0xff}))
			require.Equal(t, []string{`false "a"`, "<nil>"}, r.outcome())
			require.Zero(t, r.link.decoder)
		})
	}
}

// TestReaderTakesNoMemoryForClaims: a frame takes memory for the bytes that
// have arrived, and not for the length in its header.
func TestReaderTakesNoMemoryForClaims(t *testing.T) {
	r := newReader(t, 1<<30)
	header := append(claim(ws.OpBinary, 1<<30), 0, 0, 0, 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.feed(header)
	r.feed([]byte("a"))
	runtime.ReadMemStats(&after)
	require.NoError(t, r.err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10))
}

func TestReaderOfAMessageDoesNotAllocate(t *testing.T) {
	r := newReader(t, 1<<20)
	var scratch websocket.Scratch
	p := text("6")
	q := make([]byte, len(p))
	allocs := siotest.AllocsPerRun(100, func() {
		copy(q, p)
		_, err := r.link.handleFrames(q, &scratch)
		require.NoError(t, err)
	})
	require.Zero(t, allocs)
}

func FuzzReader(f *testing.F) {
	f.Add(stream()[:500], []byte{1, 0, 7}) // small, so that the fuzzer is fast
	f.Add(append(stream()[:200], text("5")...), []byte{255})
	f.Add(join(frame(ws.OpText, false, "4"), frame(ws.OpText, true, "4a")), []byte{3})
	f.Add(append(claim(ws.OpText, 1<<63), 0, 0, 0, 0), []byte{9, 1})
	f.Add(frame(ws.OpClose, true, "\x03\xe8bye"), []byte{2})
	f.Fuzz(func(t *testing.T, p, cuts []byte) {
		want := newReader(t, 1000)
		want.feed(p)
		r := newReader(t, 1000)
		for i := 0; len(p) > 0; i++ {
			n := len(p)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			r.feed(p[:n])
			p = p[n:]
		}
		require.Equal(t, want.outcome(), r.outcome())
	})
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte("4a\x1ebAQID\x1e6\x1e3"))
	f.Add([]byte("4\x1e1\x1e4x"))
	f.Add([]byte("\x1e\x1e"))
	f.Add([]byte("4\xff"))
	f.Fuzz(func(t *testing.T, p []byte) {
		r := newReader(t, 1000)
		packets := strings.Split(string(p), "\x1e")
		err := r.link.session.receivePayload(p, false)
		if err == nil {
			for _, packet := range packets {
				require.Contains(t, "34b6", packet[:1])
			}
		}
		require.LessOrEqual(t, len(r.got), len(packets))
	})
}

// readFrame reads a frame from the server.
func readFrame(t *testing.T, conn net.Conn) (op ws.OpCode, payload string) {
	t.Helper()
	h, err := ws.ReadHeader(conn)
	require.NoError(t, err)
	p := make([]byte, h.Length)
	_, err = io.ReadFull(conn, p)
	require.NoError(t, err)
	return h.OpCode, string(p)
}

// TestOnlyTheLatestPingIsAnswered: of pings that arrive together, the latest is
// answered, and not each of them.
func TestOnlyTheLatestPingIsAnswered(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		const pings = 1000
		h := serve(t, n, nil)
		conn, p := h.rawWebSocket(t)
		var sent bytes.Buffer
		for i := range pings {
			sent.Write(frame(ws.OpPing, true, fmt.Sprint(i)))
		}
		go func() { _, _ = conn.Write(sent.Bytes()) }() // may block until the answers are read
		last, answers := -1, 0
		for last < pings-1 {
			op, payload := readFrame(t, conn)
			require.Equal(t, ws.OpPong, op)
			var i int
			_, err := fmt.Sscan(payload, &i)
			require.NoError(t, err)
			require.Greater(t, i, last)
			last = i
			answers++
		}
		require.LessOrEqual(t, answers, pings/4)
		p.Close(ForcedClose)
	})
}

// TestPortionsAreBounded: a portion has a bounded number of frames, of any
// kind, and no frame is lost between two portions.
func TestPortionsAreBounded(t *testing.T) {
	for name, p := range map[string][]byte{
		"pings":           bytes.Repeat(frame(ws.OpPing, true, ""), 1000),
		"pongs":           bytes.Repeat(frame(ws.OpPong, true, ""), 1000),
		"messages":        bytes.Repeat(text("4"), 1000),
		"noops":           bytes.Repeat(text("6"), 1000),
		"base64":          bytes.Repeat(text("bAQID"), 1000),
		"empty fragments": append(frame(ws.OpText, false, "4"), bytes.Repeat(frame(ws.OpContinuation, false, ""), 999)...),
		"byte fragments":  append(frame(ws.OpText, false, "4"), bytes.Repeat(frame(ws.OpContinuation, false, "x"), 999)...),
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(t, 1<<20)
			var scratch websocket.Scratch
			size, portions := len(p)/1000, 0
			for len(p) > 0 {
				rest, err := r.link.handleFrames(p, &scratch)
				require.NoError(t, err)
				require.LessOrEqual(t, len(p)-len(rest), (portionFrames+2)*(size+1))
				p = rest
				portions++
			}
			require.GreaterOrEqual(t, portions, 1000/portionFrames)
		})
	}
}

// TestAnswersToAPortionLeaveTogether: messages that are sent while a portion is
// handled are written after it, in one write and in order. Large messages are
// written earlier.
func TestAnswersToAPortionLeaveTogether(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		const messages = 300
		h := serve(t, n, func(o *Options) {
			if n == siotest.TCP { // on other networks another goroutine writes, which may be late
				o.MaxQueue = 64 << 10
			}
		})
		padding := strings.Repeat("x", 1000) // in all more than MaxQueue
		h.message = func(p *peer, data []byte, _ bool) error {
			return p.Send(NewText([]byte(string(data) + padding)))
		}
		conn, _ := h.rawWebSocket(t)
		var sent bytes.Buffer
		for i := range messages {
			sent.Write(text(fmt.Sprint("4", i)))
		}
		go func() { _, _ = conn.Write(sent.Bytes()) }()
		for i := range messages {
			_, payload := readFrame(t, conn)
			require.True(t, fmt.Sprint("4", i, padding) == payload, i)
		}
	})
}
