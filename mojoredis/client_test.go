package mojoredis_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// newClient returns a client of an address.
func newClient(tb testing.TB, addr string) *redis.Client {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr})
	tb.Cleanup(func() { client.Close() })
	return client
}
