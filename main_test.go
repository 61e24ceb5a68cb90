package mojo

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/siotest"
)

func TestMain(m *testing.M) {
	askTime = 5 * time.Second
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(siotest.Lingering))
}
