package e2e

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/testhook"
)

// Main runs the tests of a package. They fail if a goroutine leaks.
func Main(m *testing.M) {
	testhook.AskTime = 5 * time.Second // slow machines need more than the default
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(siotest.Lingering))
}
