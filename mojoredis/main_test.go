package mojoredis_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

// shared is the Redis of all tests that do not stop it.
var shared *server

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
	if shared, err = startServer(); err != nil {
		if os.Getenv("MOJO_INTEROP") == "require" {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Fprintln(os.Stderr, "tests with Redis are skipped:", err)
	}
	defer shared.close()
	return m.Run()
}

type noLog struct{}

func (noLog) Printf(context.Context, string, ...any) {}
