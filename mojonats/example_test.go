package mojonats_test

import (
	"log"

	"github.com/nats-io/nats.go"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojonats"
)

// A bus for a Server, over a cluster of two NATS servers.
func ExampleNew() {
	conn, err := nats.Connect("tls://10.0.0.1:4222,tls://10.0.0.2:4222",
		nats.UserInfo("mojo", "from the secrets of the site"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	var bus cluster.Bus = mojonats.New(conn, mojonats.Options{Prefix: "shop"})
	_ = bus // for mojo.Options.Cluster
}
