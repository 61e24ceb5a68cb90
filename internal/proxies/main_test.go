package proxies

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/siotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(siotest.Lingering)) }
