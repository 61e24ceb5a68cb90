package mojotest_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/testhook"
)

func TestMain(m *testing.M) {
	testhook.AskTime = 5 * time.Second // slow machines need more than the default
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(siotest.Lingering))
}
