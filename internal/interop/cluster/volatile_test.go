package cluster_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// shortBuffers is a listener whose connections have short buffers in the kernel,
// so that a client that does not read is soon behind.
type shortBuffers struct{ net.Listener }

func (l shortBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
	}
	return conn, err
}

// Volatile events are skipped for clients that do not read, on all servers, and
// other events are not.
func TestVolatile(t *testing.T) {
	c := start(t)
	names, witnesses := []string{"node1", "a1", "b1"}, []string{"node2", "a2", "b2"}
	const events = 30
	c.forEachSender(func(t *testing.T, s sender) {
		for _, name := range append(names, witnesses...) {
			c.connect(name, c.urlOf(name), options{})
		}
		c.node.run("pause(%s)", names)
		content := make([]byte, 400_000) // all of them exceed the buffers of a TCP connection
		for i := range events {
			s.emit(address{volatile: true}, "maybe", i, content)
		}
		s.emit(address{}, "surely")
		c.node.run(`takeAll(%s, "surely").then(() => 0)`, witnesses) // then all servers have got it
		c.node.run("resume(%s)", names)
		for _, name := range names {
			before := c.node.run(`take(%s, "surely").then((got) => got.length)`, name)
			require.Less(t, before, float64(events), name)
			require.Positive(t, before, name)
		}
		c.drop(append(names, witnesses...)...)
	})
}
