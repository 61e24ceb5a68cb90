package crowd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// Limit is the time for which a client waits for the server.
const Limit = 30 * time.Second

// Options says how a Client connects. The zero value has the defaults.
type Options struct {
	Number     int         // the client's number; selects one of 16 local addresses
	Cookie     string      // the value of the header Cookie; Process.Connect formats it with Number
	Namespace  string      // default "/ChatSocket"
	ReadBuffer int         // the socket's read buffer, in bytes; 0: the default of the system
	Header     http.Header // more headers
}

func (o *Options) namespace() string {
	if o.Namespace == "" {
		return "/ChatSocket"
	}
	return o.Namespace
}

// Client is a Socket.IO client over a WebSocket. It ends with Close, Drop or
// Reset. One goroutine at a time may send, and another one may read.
type Client struct {
	conn      net.Conn
	in        *bufio.Reader
	namespace string
}

// Connect opens a WebSocket to the server at address, host:port, with the
// CONNECT in the same segment as the handshake. It returns when the namespace
// is connected. It fails if the server sends another packet before that.
func Connect(ctx context.Context, address string, o Options) (*Client, error) {
	c, err := Open(ctx, address, o, "40"+o.namespace()+",")
	if err != nil {
		return nil, err
	}
	if err := c.Await(ctx, "40"+o.namespace()+`,{"sid":`); err != nil {
		c.Reset()
		return nil, err
	}
	return c, nil
}

// Open opens a WebSocket, with packets in the same segment as the handshake. It
// returns when the server's open packet has arrived.
func Open(ctx context.Context, address string, o Options, early ...string) (*Client, error) {
	from := netip.AddrFrom4([4]byte{127, 0, 1, byte(1 + o.Number%16)})
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	conn, err := d.DialContext(ctx, "tcp4", address)
	if err != nil {
		return nil, err
	}
	c := &Client{conn: conn, in: bufio.NewReaderSize(conn, 512), namespace: o.namespace()}
	if o.ReadBuffer > 0 {
		_ = conn.(*net.TCPConn).SetReadBuffer(o.ReadBuffer)
	}
	if err := c.shakeHands(ctx, address, o, early); err != nil {
		c.Reset()
		return nil, err
	}
	return c, nil
}

func (c *Client) shakeHands(ctx context.Context, address string, o Options, early []string) error {
	var out strings.Builder
	fmt.Fprintf(&out, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", address)
	if o.Cookie != "" {
		fmt.Fprintf(&out, "Cookie: %s\r\n", o.Cookie)
	}
	_ = o.Header.Write(&out)
	out.WriteString("\r\n")
	for _, packet := range early {
		out.Write(Frame(packet))
	}
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	_ = c.conn.SetDeadline(time.Now().Add(Limit))
	if _, err := io.WriteString(c.conn, out.String()); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("crowd: status %d", answer.StatusCode)
	}
	if err := c.Await(ctx, "0{"); err != nil {
		return err
	}
	return c.conn.SetDeadline(time.Time{})
}

// Frame returns a text frame, masked with zeros.
func Frame(text string) []byte {
	b := []byte{0x81}
	switch n := len(text); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), text...)
}

// Event returns the packet of an event on the client's namespace. The arguments
// are JSON, with a comma before each.
func (c *Client) Event(name, args string) string {
	return fmt.Sprintf("42%s,[%q%s]", c.namespace, name, args)
}

// Send writes a packet.
func (c *Client) Send(packet string) error {
	_, err := c.conn.Write(Frame(packet))
	return err
}

// Conn returns the connection. The caller may write frames to it.
func (c *Client) Conn() net.Conn { return c.conn }

// ErrClosed says that the server has sent a Close frame.
var ErrClosed = errors.New("crowd: closed by the server")

// Next returns the next packet. It answers pings and does not return them.
func (c *Client) Next() (string, error) {
	for {
		h, err := ws.ReadHeader(c.in)
		if err != nil {
			return "", err
		}
		if h.OpCode == ws.OpClose {
			return "", ErrClosed
		}
		if h.OpCode != ws.OpText || !h.Fin || h.Length > 1<<20 {
			return "", fmt.Errorf("crowd: got a frame with opcode %d and %d bytes; want a text frame", h.OpCode, h.Length)
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(c.in, payload); err != nil {
			return "", err
		}
		if packet := string(payload); packet != "2" {
			return packet, nil
		}
		if err := c.Send("3"); err != nil {
			return "", err
		}
	}
}

// Await reads the next packet, which must begin with prefix.
func (c *Client) Await(ctx context.Context, prefix string) error {
	_ = c.conn.SetReadDeadline(time.Now().Add(Limit))
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	packet, err := c.Next()
	if err == nil && !strings.HasPrefix(packet, prefix) {
		err = fmt.Errorf("crowd: got packet %.80q; want one that begins with %q", packet, prefix)
	}
	_ = c.conn.SetReadDeadline(time.Time{})
	return err
}

// Close sends a Close frame, reads until the server's Close frame and closes
// the connection.
func (c *Client) Close() error {
	defer c.conn.Close()
	_ = c.conn.SetDeadline(time.Now().Add(Limit))
	if _, err := c.conn.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}); err != nil {
		return err
	}
	for {
		if _, err := c.Next(); errors.Is(err, ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Drop closes the connection without a Close frame.
func (c *Client) Drop() { c.conn.Close() }

// Reset closes the connection by a TCP reset. Then the port is free at once.
func (c *Client) Reset() {
	_ = c.conn.(*net.TCPConn).SetLinger(0)
	c.conn.Close()
}
