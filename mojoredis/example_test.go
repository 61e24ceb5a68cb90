package mojoredis_test

import (
	"context"
	"log"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojoredis"
)

// A bus for a Server, over a Redis Cluster. The same program works with a single
// Redis and with Sentinel, by other UniversalOptions.
func ExampleNew() {
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:    []string{"10.0.0.1:6379", "10.0.0.2:6379"},
		Password: "from the secrets of the site",
	})
	var bus cluster.Bus = mojoredis.New(client, mojoredis.Options{Key: "shop"})
	_ = bus // for mojo.Options.Cluster
}

// A worker sends events to the clients of all Servers.
func ExampleNewEmitter() {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", MaxRetries: -1})
	defer client.Close()
	chat := mojoredis.NewEmitter(client, mojoredis.EmitterOptions{Key: "shop"}).Of("/ChatSocket")

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := chat.To("lobby").Except("quiet").Volatile().Emit(ctx, "said", "hello"); err != nil {
		log.Print(err)
	}
	if err := chat.Users("42").Emit(ctx, "invoice", map[string]int{"total": 7}, []byte("%PDF-1.7")); err != nil {
		log.Print(err)
	}
	if err := chat.Sessions("ab12").Disconnect(ctx); err != nil {
		log.Print(err)
	}
}
