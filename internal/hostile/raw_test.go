package hostile

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// Error codes of Engine.IO, in the body of a response.
const (
	codeTransport  = 0
	codeUnknownSID = 1
	codeMethod     = 2
	codeBadRequest = 3
	codeForbidden  = 4
	codeProtocol   = 5
)

// handshake returns the request target of a handshake.
func handshake(transport string) string { return "/socket.io/?EIO=4&transport=" + transport }

// target returns the request target of a later request.
func (a attacker) target(transport string) string {
	return handshake(transport) + "&sid=" + a.Engine.Handshake.SID
}

// dial opens a TCP or TLS connection.
func (s *testSite) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := s.site.Dial(context.Background())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(siotest.Limit)))
	return conn
}

// request returns the text of a request without a body. Each header ends with
// "\r\n".
func request(method, target string, headers ...string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: mojo.test\r\n%s\r\n", method, target, strings.Join(headers, ""))
}

// upgrade returns the text of a request for a WebSocket.
func upgrade(target string, headers ...string) string {
	return request("GET", target, append(headers, upgradeHeaders)...)
}

const upgradeHeaders = "Connection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// answer is the response to a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends the bytes of a request on a new connection and reads until the
// server closes it. The server must send exactly one answer.
func (s *testSite) ask(t *testing.T, text string) answer {
	t.Helper()
	conn := s.dial(t)
	defer conn.Close()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	method, _, _ := strings.Cut(text, " ")
	return readAnswer(t, conn, method)
}

// readAnswer reads until the connection ends. The server must have sent exactly
// one answer.
func readAnswer(t *testing.T, conn net.Conn, method string) answer {
	t.Helper()
	in := bufio.NewReader(conn)
	a := readResponse(t, in, method)
	rest, err := io.ReadAll(in)
	require.NoError(t, err)
	require.Empty(t, string(rest), "more than one answer")
	return a
}

// askPartial is ask for a request that the client does not complete. The server
// must answer it.
func (s *testSite) askPartial(t *testing.T, text string) answer {
	t.Helper()
	conn := s.dial(t)
	defer conn.Close()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	method, _, _ := strings.Cut(text, " ")
	return readResponse(t, bufio.NewReader(conn), method)
}

// closing asks the server to close the connection after its answer.
const closing = "Connection: close\r\n"

func readResponse(t *testing.T, in *bufio.Reader, method string) answer {
	t.Helper()
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	require.NoError(t, err)
	body := ""
	if res.StatusCode != http.StatusSwitchingProtocols {
		all, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		body = string(all)
	}
	return answer{res.StatusCode, res.Header, body}
}

// requireRefused requires an answer with this status and this Engine.IO error
// code.
func requireRefused(t *testing.T, a answer, status, code int) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	var body struct {
		Code *int `json:"code"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &body), a.body)
	require.NotNil(t, body.Code, a.body)
	require.Equal(t, code, *body.Code, a.body)
}

// webSocket is a WebSocket on which the test writes and reads raw bytes.
type webSocket struct {
	net.Conn
	in *bufio.Reader
}

// webSocket asks for a WebSocket and sends frames in the same write.
func (s *testSite) webSocket(t *testing.T, target string, frames ...[]byte) webSocket {
	t.Helper()
	w := webSocket{Conn: s.dial(t)}
	w.in = bufio.NewReader(w.Conn)
	all := []byte(upgrade(target))
	for _, f := range frames {
		all = append(all, f...)
	}
	_, err := w.Write(all)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, readResponse(t, w.in, http.MethodGet).status)
	return w
}

// connected returns a WebSocket after the connect answer of the main namespace.
func (s *testSite) connected(t *testing.T) webSocket {
	t.Helper()
	w := s.webSocket(t, handshake("websocket"), text("40"))
	for range 2 {
		_, _ = w.readFrame(t)
	}
	return w
}

func (w webSocket) readFrame(t *testing.T) (ws.OpCode, []byte) {
	t.Helper()
	header, err := ws.ReadHeader(w.in)
	require.NoError(t, err)
	payload := make([]byte, header.Length)
	_, err = io.ReadFull(w.in, payload)
	require.NoError(t, err)
	return header.OpCode, payload
}

// frames reads until the WebSocket ends, and returns the payloads of the frames
// and the status of the last frame, which must be a Close frame.
func (w webSocket) frames(t *testing.T) (payloads []string, status int) {
	t.Helper()
	for {
		op, payload := w.readFrame(t)
		if op == ws.OpClose {
			require.Len(t, payload, 2)
			_, err := w.in.ReadByte()
			require.ErrorIs(t, err, io.EOF)
			return payloads, int(payload[0])<<8 | int(payload[1])
		}
		payloads = append(payloads, string(payload))
	}
}

// frame returns a masked frame.
func frame(op ws.OpCode, fin bool, payload string) []byte {
	return ws.MustCompileFrame(ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(payload)), [4]byte{1, 2, 3, 4}))
}

// text returns a masked text frame.
func text(payload string) []byte { return frame(ws.OpText, true, payload) }
