package limits

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// floodOrder is an order to the process of the flooders. The flooders run until
// the next order.
type floodOrder struct {
	Address string
	Kind    int // an index of floods
	Count   int // the number of flooders
	TLS     bool
	Sink    bool          // Address is a sink, which only reads
	Pace    time.Duration // the time between two rounds of a flooder; 0: none
}

// floodReport is the work of the flooders of an order. A round is a connection,
// a POST, or one write.
type floodReport struct {
	Rounds int
	Took   time.Duration
}

// pace returns the time between two rounds of each of count flooders.
func (r floodReport) pace(count int) time.Duration {
	return r.Took * time.Duration(count) / time.Duration(max(r.Rounds, 1))
}

const floodVariable = "MOJO_FLOODERS"

// TestFlooders runs the flooders of other tests in a separate process.
func TestFlooders(t *testing.T) {
	if os.Getenv(floodVariable) == "" {
		t.Skip("other tests run this in a separate process")
	}
	orders, reports := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o floodOrder
		if orders.Decode(&o) != nil {
			return
		}
		r := flood{floodOrder: o, stop: make(chan struct{})}
		begun := time.Now()
		var all sync.WaitGroup
		for range o.Count {
			all.Go(func() { r.run(floods[o.Kind]) })
		}
		_ = reports.Encode(floodReport{})
		_ = orders.Decode(&o)
		close(r.stop)
		took := time.Since(begun)
		all.Wait()
		_ = reports.Encode(floodReport{Rounds: int(r.n.Load()), Took: took})
	}
}

// flood is the state of the flooders of one order.
type flood struct {
	floodOrder
	stop chan struct{} // closed at the next order
	n    atomic.Int64  // rounds
}

// next waits until a round is due and counts it. It returns false when the
// flooders must stop.
func (r *flood) next(due *time.Time) bool {
	if r.Pace > 0 {
		timer := time.NewTimer(time.Until(*due))
		defer timer.Stop()
		select {
		case <-r.stop:
		case <-timer.C:
		}
		*due = due.Add(r.Pace)
	}
	select {
	case <-r.stop:
		return false
	default:
		r.n.Add(1)
		return true
	}
}

// run is one flooder. It sends one kind, over one connection after another,
// until stop is closed.
func (r *flood) run(kind floodKind) {
	due := time.Now()
	for r.next(&due) {
		r.connect(kind, &due)
	}
}

// connect sends on one connection until the connection ends.
func (r *flood) connect(kind floodKind, due *time.Time) {
	raw, err := net.Dial("tcp4", r.Address)
	if err != nil {
		return
	}
	defer raw.Close()
	if kind.dial || r.Sink {
		_ = raw.(*net.TCPConn).SetLinger(0) // otherwise all ports are soon in use
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-r.stop:
			raw.Close()
		case <-done:
		}
	}()
	conn := raw
	switch {
	case r.Sink:
	case kind.tls:
		conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	}
	var reader sync.WaitGroup
	defer reader.Wait()
	defer raw.Close()
	if kind.post != "" && !r.Sink {
		r.post(conn, kind.post, due)
		return
	}
	if !r.Sink && upgradeTo(conn) != nil {
		return
	}
	reader.Go(func() { _, _ = io.Copy(io.Discard, conn) })
	if kind.dial {
		if _, err := conn.Write(kind.bytes); err == nil && kind.bytes != nil && !r.Sink {
			reader.Wait() // the server ends the connection
		}
		return
	}
	chunk := bytes.Repeat(kind.bytes, max(1, 32<<10/max(len(kind.bytes), 1)))
	if kind.post != "" {
		chunk = []byte(kind.post)
	}
	for r.next(due) {
		if _, err := conn.Write(chunk); err != nil {
			return
		}
	}
}

// upgradeTo opens a WebSocket and connects to the namespace.
func upgradeTo(conn net.Conn) error {
	_, err := io.WriteString(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"+string(crowd.Frame("40"+floodNamespace+",")))
	if err != nil {
		return err
	}
	return readUntil(conn, "40"+floodNamespace)
}

// readUntil reads until it has received a text.
func readUntil(conn net.Conn, text string) error {
	var b [4096]byte
	for got := ""; !strings.Contains(got, text); {
		n, err := conn.Read(b[:])
		if err != nil {
			return err
		}
		got += string(b[:n])
	}
	return nil
}

// post sends POSTs one after another.
func (r *flood) post(conn net.Conn, payload string, due *time.Time) {
	fmt.Fprint(conn, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
	var b [4096]byte
	n, err := conn.Read(b[:])
	_, rest, ok := strings.Cut(string(b[:n]), `"sid":"`)
	if err != nil || !ok {
		return
	}
	sid, _, _ := strings.Cut(rest, `"`)
	send := func(payload string) error {
		_, err := fmt.Fprintf(conn, "POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", sid, len(payload), payload)
		if err != nil {
			return err
		}
		return readUntil(conn, "\r\n\r\nok")
	}
	if send("40"+floodNamespace+",") != nil {
		return
	}
	for r.next(due) {
		if send(payload) != nil {
			return
		}
	}
}

// flooders controls the process of the flooders.
type flooders struct {
	t       *testing.T
	orders  *json.Encoder
	reports *json.Decoder
}

func startFlooders(t *testing.T) *flooders {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFlooders$", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), floodVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close() // the process ends when its input ends
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	return &flooders{t, json.NewEncoder(in), json.NewDecoder(out)}
}

// send sends an order. Every second order only stops the flooders of the order
// before it; it returns their report.
func (f *flooders) send(o floodOrder) (report floodReport) {
	f.t.Helper()
	require.NoError(f.t, f.orders.Encode(o))
	require.NoError(f.t, f.reports.Decode(&report))
	return report
}
