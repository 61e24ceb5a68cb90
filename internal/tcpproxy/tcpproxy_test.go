package tcpproxy_test

import (
	"bufio"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/tcpproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo serves lines, each preceded by a prefix, until the end of the test.
func echo(t *testing.T, prefix string) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for in := bufio.NewReader(conn); ; {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					_, _ = io.WriteString(conn, prefix+line)
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func dial(t *testing.T, p *tcpproxy.Proxy) net.Conn {
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func say(t *testing.T, conn net.Conn, line string) {
	_, err := io.WriteString(conn, line+"\n")
	require.NoError(t, err)
}

func expect(t *testing.T, conn net.Conn, line string) {
	got := make([]byte, len(line)+1)
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, line+"\n", string(got))
}

// What was sent during a stall arrives after it.
func TestStall(t *testing.T) {
	p := tcpproxy.New(t, echo(t, "1"))
	first := dial(t, p)
	say(t, first, "a")
	expect(t, first, "1a")
	p.StallFirst(1)
	say(t, first, "b")
	<-p.Held
	second := dial(t, p)
	say(t, second, "c")
	expect(t, second, "1c")
	p.Forward()
	expect(t, first, "1b")
	require.Equal(t, 2, p.Made())
}

// Answers to one client are held, and what it sends is not.
func TestStallAnswers(t *testing.T) {
	p := tcpproxy.New(t, echo(t, "1"))
	one, other := dial(t, p), dial(t, p)
	p.StallAnswers("subscribe")
	say(t, one, "subscribe")
	<-p.Held
	say(t, other, "a")
	expect(t, other, "1a")
	p.Forward()
	expect(t, one, "1subscribe")
}

// A cut ends the connections and refuses others.
func TestSetCut(t *testing.T) {
	p := tcpproxy.New(t, echo(t, "1"))
	before := dial(t, p)
	say(t, before, "a")
	expect(t, before, "1a")
	p.SetCut(true)
	_, err := before.Read(make([]byte, 1))
	require.Error(t, err)
	_, err = dial(t, p).Read(make([]byte, 1))
	require.Error(t, err)
	p.SetCut(false)
	p.Lead(echo(t, "2"))
	after := dial(t, p)
	say(t, after, "b")
	expect(t, after, "2b")
}
