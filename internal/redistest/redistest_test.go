package redistest_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server that was killed is started again on the same port.
func TestRestart(t *testing.T) {
	s := redistest.New(t)
	s.Kill()
	_, err := net.Dial("tcp", s.Addr)
	require.Error(t, err)
	require.NoError(t, s.Restart())
	conn, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

// An error says what the server has logged.
func TestStartReturnsTheLog(t *testing.T) {
	redistest.Require(t)
	_, err := redistest.Start("--tls-port", "1", "--tls-cert-file", "/nowhere")
	require.ErrorContains(t, err, "tls-key-file")
}
