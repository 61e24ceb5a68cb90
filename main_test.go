package mojo

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/testhook"
)

func TestMain(m *testing.M) {
	testhook.AskTime = 5 * time.Second // for slow machines
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(siotest.Lingering))
}
