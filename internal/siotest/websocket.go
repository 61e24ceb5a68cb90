package siotest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// CloseError is the Close frame that ended a WebSocket. Code is 0 if the frame
// was empty.
type CloseError struct {
	Code int
	Text string
}

func (e *CloseError) Error() string { return fmt.Sprintf("close frame %d %s", e.Code, e.Text) }

// wsConn is a WebSocket. One goroutine reads. A goroutine must call
// Engine.acquire before it writes.
type wsConn struct {
	conn net.Conn
	in   *bufio.Reader // may already hold bytes that arrived together with the handshake
	pong func(frame []byte)
}

// dialWebSocket does the WebSocket handshake. The early packets are sent in the
// same write as the request.
func (e *Engine) dialWebSocket(ctx context.Context, early []string) (*wsConn, http.Header, error) {
	conn, err := e.dialer.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	w, header, err := e.shakeHands(conn, early)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return w, header, nil
}

func (e *Engine) shakeHands(conn net.Conn, early []string) (*wsConn, http.Header, error) {
	req, err := http.NewRequest(http.MethodGet, e.URL("websocket"), nil)
	if err != nil {
		return nil, nil, err
	}
	key := base64.StdEncoding.EncodeToString([]byte(rand.Text()[:16]))
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", key)
	e.setHeader(req)
	if jar := e.opts.Jar; jar != nil {
		for _, cookie := range jar.Cookies(req.URL) {
			req.AddCookie(cookie)
		}
	}

	var out bytes.Buffer
	if err := req.Write(&out); err != nil {
		return nil, nil, err
	}
	for _, packet := range early {
		out.Write(maskedFrame(ws.OpText, []byte(packet)))
	}
	if _, err := conn.Write(out.Bytes()); err != nil {
		return nil, nil, err
	}

	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, req)
	if err != nil {
		return nil, nil, err
	}
	if e.opts.Jar != nil {
		e.opts.Jar.SetCookies(req.URL, res.Cookies())
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
		return nil, nil, &HTTPError{Status: res.StatusCode, Body: string(body), Header: res.Header}
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	switch h := res.Header; {
	case !strings.EqualFold(h.Get("Upgrade"), "websocket"), !strings.EqualFold(h.Get("Connection"), "upgrade"),
		h.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return nil, nil, violation("wrong headers in the answer 101: %v", h)
	case h.Get("Sec-WebSocket-Extensions") != "", h.Get("Sec-WebSocket-Protocol") != "":
		return nil, nil, violation("the answer 101 has an extension or a protocol that was not asked for: %v", h)
	}
	pong := func(frame []byte) { e.out.put(outgoing{control: frame}) }
	return &wsConn{conn: conn, in: in, pong: pong}, res.Header, nil
}

func (e *Engine) openWebSocket(ctx context.Context) error {
	w, header, err := e.dialWebSocket(ctx, e.opts.Early)
	if err != nil {
		return err
	}
	e.Response = header
	binary, data, err := w.readBefore(ctx)
	if err != nil {
		return err
	}
	if binary {
		return violation("a binary frame before the open packet")
	}
	open, err := parsePacket(string(data))
	if err != nil {
		return err
	}
	if err := e.readOpenPacket([]Packet{open}); err != nil {
		return err
	}
	e.ws.Store(w)
	close(e.polled)
	e.wg.Go(e.sendLoop)
	e.wg.Go(func() { e.readLoop(w) })
	return nil
}

// readLoop receives packets until the WebSocket ends.
func (e *Engine) readLoop(w *wsConn) {
	for {
		binary, data, err := w.read()
		var end *CloseError
		if errors.As(err, &end) {
			e.answerClose(w, end)
			return
		}
		var p Packet
		switch {
		case err != nil:
		case binary:
			p, err = e.opts.parseBinary(data)
		default:
			p, err = e.opts.parse(string(data))
		}
		if err != nil {
			e.finishWithError(err)
			return
		}
		if !e.receive(p) {
			return
		}
	}
}

// answerClose answers the server's Close frame, unless we sent one first, and
// ends the connection.
func (e *Engine) answerClose(w *wsConn, end *CloseError) {
	if !e.closing.Load() {
		ctx, cancel := context.WithTimeout(e.ctx, time.Second)
		defer cancel()
		e.out.put(outgoing{control: closeFrame(end.Code, "")})
		if e.flush(ctx) == nil {
			w.conn.Close()
		}
	}
	e.finish(ReasonCloseFrame, end)
}

// WriteRaw writes bytes to the connection below the WebSocket, after everything
// that was sent before. It fails the test if the transport is polling.
func (e *Engine) WriteRaw(b []byte) {
	e.t.Helper()
	ctx, cancel := e.site.WithLimit(context.Background())
	defer cancel()
	w := e.ws.Load()
	if w == nil {
		e.t.Fatalf("WriteRaw needs a WebSocket")
	}
	err := e.flush(ctx)
	if err == nil {
		err = e.acquire(ctx)
	}
	if err == nil {
		_, err = w.conn.Write(b)
		e.release()
	}
	if err != nil {
		e.t.Fatalf("WriteRaw: %v%s", err, e.endText())
	}
}

// writePart sends a part in a single write.
func (w *wsConn) writePart(part []outgoing, o *Options) error {
	var out []byte
	for _, item := range part {
		switch {
		case item.control != nil:
			out = append(out, item.control...)
		case item.binary == nil:
			out = append(out, maskedFrame(ws.OpText, []byte(item.text))...)
		case o.usesBase64():
			out = append(out, maskedFrame(ws.OpText, []byte(o.text(item)))...)
		case o.EIO3:
			out = append(out, maskedFrame(ws.OpBinary, append([]byte{4}, item.binary...))...)
		default:
			out = append(out, maskedFrame(ws.OpBinary, item.binary)...)
		}
	}
	_, err := w.conn.Write(out)
	return err
}

func maskedFrame(op ws.OpCode, payload []byte) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, true, payload)))
}

func closeFrame(code int, text string) []byte {
	if code == 0 {
		return maskedFrame(ws.OpClose, nil)
	}
	return maskedFrame(ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), text))
}

// readBefore is read, but returns when the context ends.
func (w *wsConn) readBefore(ctx context.Context) (binary bool, data []byte, err error) {
	stop := context.AfterFunc(ctx, func() { w.conn.Close() })
	binary, data, err = w.read()
	if !stop() && err != nil {
		err = context.Cause(ctx)
	}
	return binary, data, err
}

// maxFrame is the largest size of a frame, in bytes. No test sends as many.
const maxFrame = 64 << 20

// read returns the next message, assembled from its fragments. It handles the
// control frames in between; a Close frame is the error *CloseError.
func (w *wsConn) read() (binary bool, data []byte, err error) {
	state := ws.StateClientSide
	for {
		h, err := ws.ReadHeader(w.in)
		if err != nil {
			return false, nil, err
		}
		if err := ws.CheckHeader(h, state); err != nil {
			return false, nil, violation("frame %+v: %v", h, err)
		}
		if h.Length > maxFrame {
			return false, nil, violation("a frame of %d bytes", h.Length)
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(w.in, payload); err != nil {
			return false, nil, err
		}
		switch h.OpCode {
		case ws.OpPing:
			w.pong(maskedFrame(ws.OpPong, payload))
			continue
		case ws.OpPong:
			continue
		case ws.OpClose:
			return false, nil, parseClose(payload)
		case ws.OpBinary:
			binary = true
		}
		data = append(data, payload...)
		if !h.Fin {
			state = state.Set(ws.StateFragmented)
			continue
		}
		if !binary && !utf8.Valid(data) {
			return false, nil, violation("a text message is not UTF-8: %.60q", data)
		}
		return binary, data, nil
	}
}

func parseClose(payload []byte) error {
	if len(payload) == 0 {
		return &CloseError{}
	}
	if len(payload) < 2 {
		return violation("close frame with a payload of one byte")
	}
	code, text := ws.ParseCloseFrameData(payload)
	if err := ws.CheckCloseFrameData(code, text); err != nil {
		return violation("close frame %d %q: %v", code, text, err)
	}
	return &CloseError{Code: int(code), Text: text}
}
