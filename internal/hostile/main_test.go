package hostile

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// long is set to do everything in full.
func long() bool { return os.Getenv("MOJO_LONG") == "1" }

// times is how often something is done that counts full times in all.
func times(full int) int {
	if long() {
		return full
	}
	return full / 50
}
