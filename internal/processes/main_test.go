package processes

import (
	"context"
	"flag"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/mojosocket/mojo/internal/e2e"
)

func TestMain(m *testing.M) {
	redis.SetLogger(noLog{}) // it tells of each connection that fails
	logging.Disable()
	if text, is := os.LookupEnv(nodeVariable); is {
		os.Exit(runNode(text))
	}
	flag.Parse()
	// The parallel tests wait most of the time.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	e2e.Main(m)
}

type noLog struct{}

func (noLog) Printf(context.Context, string, ...any) {}
