package proxies

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// freeAddr returns an address of this machine with a free port.
func freeAddr(t *testing.T) string {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	return free.Addr().String()
}

// run runs a proxy until the test ends. It returns addr when the proxy listens
// there. config returns the configuration for a working directory.
func run(t *testing.T, program, addr string, config func(dir string) string) string {
	dir := t.TempDir()
	file := filepath.Join(dir, "proxy.conf")
	require.NoError(t, os.WriteFile(file, []byte(config(dir)), 0o600))
	cmd := exec.Command(program, arguments(filepath.Base(program), dir, file)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
		if t.Failed() {
			t.Log(out.String())
		}
	})
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			require.NoError(t, conn.Close())
			return addr
		}
		select {
		case <-ended:
			t.Fatalf("%s has ended: %s", program, out.String())
		case <-retry.C:
		}
	}
}

func arguments(program, dir, file string) []string {
	switch program {
	case "nginx":
		return []string{"-c", file, "-p", dir, "-e", "stderr"}
	case "caddy":
		return []string{"run", "--adapter", "caddyfile", "--config", file}
	default:
		return []string{"-f", file, "-db"}
	}
}
