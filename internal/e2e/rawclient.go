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

// RawClient is a WebSocket client of the app Chat. It reads nothing before Rest
// is called, and needs less memory than a siotest.Client.
type RawClient struct {
	net.Conn
	got []byte // the bytes that ConnectRaw has read
}

var accepted = regexp.MustCompile(`40/ChatSocket,\{"sid":"[^"]*"\}`)

// ConnectRaw opens a WebSocket on conn and connects to Chat.
func ConnectRaw(conn net.Conn, cookies http.Header) (RawClient, error) {
	frame := "40" + ChatNamespace + ","
	_, err := fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"+
		"Cookie: %s\r\n\r\n\x81%s\x00\x00\x00\x00%s", cookies.Get("Cookie"), []byte{0x80 | byte(len(frame))}, frame)
	if err != nil {
		return RawClient{}, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(siotest.Limit))
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	var got []byte
	buf := make([]byte, 2<<10)
	for !accepted.Match(got) {
		n, err := conn.Read(buf)
		if err != nil {
			return RawClient{}, fmt.Errorf("%w, after %q", err, got)
		}
		got = append(got, buf[:n]...)
	}
	return RawClient{conn, got}, nil
}

// Rest reads until the connection ends, closes it, and returns all bytes that
// were ever received.
func (c RawClient) Rest() ([]byte, error) {
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(siotest.Limit))
	rest, err := io.ReadAll(c)
	return append(c.got, rest...), err
}

// Leave sends a Close frame, so that the server ends the connection.
func (c RawClient) Leave() { _, _ = c.Write([]byte{0x88, 0x80, 0, 0, 0, 0}) }

var noteEvents = regexp.MustCompile(`"note",(\d+)`)

// NoteNumbers returns the arguments of the note events in got, which are
// numbers.
func NoteNumbers(t testing.TB, got []byte) (numbers []int64) {
	t.Helper()
	for _, note := range noteEvents.FindAllSubmatch(got, -1) {
		n, err := strconv.ParseInt(string(note[1]), 10, 64)
		require.NoError(t, err)
		numbers = append(numbers, n)
	}
	return numbers
}
