package limits

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// maxPayload is the default of Options.Limits.MaxPayload.
const maxPayload = 1_000_000

// site serves an app on the main namespace.
func site(t *testing.T) *siotest.Site {
	t.Helper()
	srv, err := mojo.New(mojo.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	_, err = srv.Handle("/", new(mojo.Events).Handler())
	require.NoError(t, err)
	return siotest.Serve(t, siotest.TCP, srv)
}

// shortest returns the shortest of several times that attempt returns.
func shortest(attempt func() time.Duration) time.Duration {
	result := attempt()
	for range 9 {
		result = min(result, attempt())
	}
	return result
}

// answerTime returns the time until the answer to a request on an open
// connection, and its status.
func answerTime(t *testing.T, conn net.Conn, request string) (time.Duration, int) {
	t.Helper()
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(siotest.Limit)))
	begun := time.Now()
	_, err := io.WriteString(conn, request)
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	took := time.Since(begun)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return took, res.StatusCode
}

// postTime returns the shortest time until a POST of a connected client is
// answered.
func postTime(t *testing.T, s *siotest.Site, payload string, status int) time.Duration {
	t.Helper()
	return shortest(func() time.Duration {
		client := siotest.Dial(t, s, siotest.Options{})
		client.Connect("/", nil)
		conn, err := s.Dial(t.Context())
		require.NoError(t, err)
		path := strings.TrimPrefix(client.Engine.URL("polling"), s.URL)
		took, got := answerTime(t, conn, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(payload), payload))
		require.Equal(t, status, got)
		client.Close()
		return took
	})
}

// TestBadPayloads: a megabyte of each payload is handled within its limit. The
// time is linear in the length.
func TestBadPayloads(t *testing.T) {
	s := site(t)
	for name, c := range map[string]struct {
		begin, part, end string        // the part is repeated
		within           time.Duration // 0: the time is only required to be linear
		status           int
	}{
		"packets of one byte":      {"", "6\x1e", "6", 50 * time.Millisecond, 200},
		"and an empty packet":      {"", "6\x1e", "", 50 * time.Millisecond, 400},
		"digits as attachments":    {"45", "1", "", 10 * time.Millisecond, 400},
		"digits as an ack id":      {"42", "1", `["e"]`, 10 * time.Millisecond, 400},
		"digits as a namespace":    {"42/", "1", `,["e"]`, 10 * time.Millisecond, 400},
		"CONNECT to digits":        {"40/", "1", ",", 10 * time.Millisecond, 200},
		"digits as an event":       {"42[", "1", "]", 20 * time.Millisecond, 400},
		"brackets":                 {"42", "[", "", 20 * time.Millisecond, 400},
		"brackets as an argument":  {`42["e",`, "[", "", 20 * time.Millisecond, 400},
		"objects":                  {`42["e"`, `,{"a":`, "", 0, 400},
		"backslashes":              {`42["`, `\\`, `]`, 0, 400},
		"elements":                 {`42["e"`, ",1", "]", 0, 200},
		"placeholders":             {`451-["e"`, `,{"_placeholder":true,"num":0}`, "]\x1ebAA==", 0, 400},
		"CONNECTs to no namespace": {"40/none", "\x1e40/none", "", 0, 200},
		"CONNECTs to a namespace":  {"40", "\x1e40{}", "", 0, 200},
	} {
		t.Run(name, func(t *testing.T) {
			times := make(map[int]time.Duration)
			for _, n := range []int{maxPayload / 2, maxPayload} {
				payload := c.begin + strings.Repeat(c.part, (n-len(c.begin)-len(c.end))/len(c.part)) + c.end
				times[n] = postTime(t, s, payload, c.status)
			}
			t.Logf("%v, half of the payload %v", times[maxPayload], times[maxPayload/2])
			if c.within > 0 {
				require.Less(t, times[maxPayload], c.within)
			}
			require.LessOrEqual(t, times[maxPayload], 3*times[maxPayload/2]+time.Millisecond)
		})
	}
}

// TestLargeRequests: requests with many headers, cookies or parameters are
// answered within 50 ms.
func TestLargeRequests(t *testing.T) {
	s := site(t)
	for name, c := range map[string]struct{ query, headers string }{
		"2,000 header lines":       {"", strings.Repeat("X-A: b\r\n", 2_000)},
		"20,000 header lines":      {"", strings.Repeat("X-A: b\r\n", 20_000)},
		"20,000 header names":      {"", numbered("X-%d: b\r\n", 20_000)},
		"10,000 cookies":           {"", "Cookie: a=b" + strings.Repeat("; a=b", 10_000) + "\r\n"},
		"100,000 query parameters": {strings.Repeat("&a=b", 100_000), ""},
	} {
		t.Run(name, func(t *testing.T) {
			took := shortest(func() time.Duration {
				conn, err := s.Dial(t.Context())
				require.NoError(t, err)
				took, status := answerTime(t, conn, "GET /socket.io/?EIO=4&transport=polling"+c.query+" HTTP/1.1\r\nHost: x\r\n"+c.headers+"\r\n")
				require.Contains(t, []int{http.StatusOK, http.StatusRequestHeaderFieldsTooLarge}, status)
				return took
			})
			t.Log(took)
			require.Less(t, took, 50*time.Millisecond)
		})
	}
}

func numbered(line string, n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, line, i)
	}
	return lines.String()
}
