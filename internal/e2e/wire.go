package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// Wire is a WebSocket of the app Chat below all clients: bytes that nobody reads until the test does.
type Wire struct {
	net.Conn
	got []byte // by join
}

var acceptance = regexp.MustCompile(`40/ChatSocket,\{"sid":"[^"]*"\}`)

// JoinWire opens a WebSocket and connects to Chat, and returns when both were answered.
func JoinWire(conn net.Conn, cookies http.Header) (Wire, error) {
	frame := "40" + ChatNamespace + ","
	_, err := fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"+
		"Cookie: %s\r\n\r\n\x81%s\x00\x00\x00\x00%s", cookies.Get("Cookie"), []byte{0x80 | byte(len(frame))}, frame)
	if err != nil {
		return Wire{}, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(siotest.Limit))
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	var got []byte
	buf := make([]byte, 2<<10)
	for !acceptance.Match(got) {
		n, err := conn.Read(buf)
		if err != nil {
			return Wire{}, fmt.Errorf("%w, after %q", err, got)
		}
		got = append(got, buf[:n]...)
	}
	return Wire{conn, got}, nil
}

// Rest reads to the end, leaves, and returns all that has ever come.
func (w Wire) Rest() ([]byte, error) {
	defer w.Close()
	_ = w.SetReadDeadline(time.Now().Add(siotest.Limit))
	rest, err := io.ReadAll(w)
	return append(w.got, rest...), err
}

// Leave sends a Close frame, which ends what comes.
func (w Wire) Leave() { _, _ = w.Write([]byte{0x88, 0x80, 0, 0, 0, 0}) }

// NoteNumbers returns the numbers of the note events in what came.
func NoteNumbers(t testing.TB, got []byte) (numbers []int64) {
	t.Helper()
	for _, note := range noteEvents.FindAllSubmatch(got, -1) {
		n, err := strconv.ParseInt(string(note[1]), 10, 64)
		require.NoError(t, err)
		numbers = append(numbers, n)
	}
	return numbers
}

var noteEvents = regexp.MustCompile(`"note",(\d+)`)
