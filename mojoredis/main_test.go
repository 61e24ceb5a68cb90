package mojoredis_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/redistest"
)

// shared is the Redis of all tests that do not stop it.
var shared *redistest.Server

func TestMain(m *testing.M) {
	redis.SetLogger(noLog{}) // it tells of each connection that fails
	logging.Disable()
	code := run(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func run(m *testing.M) int {
	var err error
	if shared, err = redistest.Start(); err != nil {
		if !errors.Is(err, exec.ErrNotFound) || os.Getenv("MOJO_INTEROP") == "require" {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Fprintln(os.Stderr, "tests with Redis are skipped:", err)
	}
	defer shared.Close()
	return m.Run()
}

type noLog struct{}

func (noLog) Printf(context.Context, string, ...any) {}
