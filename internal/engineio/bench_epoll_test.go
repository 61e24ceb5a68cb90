//go:build linux && !mojo_noepoll

package engineio

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkShortWrite measures the overhead of a write to /dev/null.
func BenchmarkShortWrite(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(b, err)
	defer null.Close()
	fd, p := int(null.Fd()), make([]byte, 100)
	for name, write := range map[string]func(int, []byte) (int, error){"syscall.Write": syscall.Write, "shortWrite": shortWrite} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if n, err := write(fd, p); n != len(p) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
