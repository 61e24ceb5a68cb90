package hostile

import (
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// What the runtime opens for the first socket, and keeps, is in no test's footprint.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		_ = l.Close()
	}
	goleak.VerifyTestMain(m)
}

// long is set to do everything in full.
func long() bool { return os.Getenv("MOJO_LONG") == "1" }

// times is how often something is done that counts full times in all.
func times(full int) int {
	if long() {
		return full
	}
	return full / 50
}
