package faults

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// times is how often something is done that counts full times in all.
func times(full int) int {
	if os.Getenv("MOJO_LONG") == "1" {
		return full
	}
	return max(full/50, 1)
}

// TestCrowd is the clients of other tests, in a process of their own.
func TestCrowd(t *testing.T) { crowd.Be(t) }
