// Command chat is a site on mojo: people log in with any name, chat in a room, see
// who is here, and are reached by ordinary HTTP handlers, as browser sessions and as
// users with all their tabs and devices.
//
//	go run ./examples/chat
//
// The apps are in folders of their own: chat is the room (/ChatSocket), status the
// list of who is here (/StatusSocket). login.go logs people in and out, broadcast.go
// is what HTTP handlers send, pages.go serves the pages, and client.go finds the
// socket.io-client that the page loads.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// patience is how long connections may take to end when the program does.
const patience = 5 * time.Second

func main() {
	addr := flag.String("addr", "127.0.0.1:8000", "the address to serve on; port 0 picks a free one")
	client := flag.String("client", "", "the folder that holds "+clientName+"; empty: an installed one, or npm's, or the CDN's")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *client); err != nil {
		log.Fatal(err)
	}
}

// run serves the site until ctx ends.
func run(ctx context.Context, addr, clientDir string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	client, err := findClient(ctx, clientDir, thisMachine())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	site, err := newSite(client)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Println("socket.io-client:", client)
	fmt.Printf("serving http://%s/\n", listener.Addr())

	server := &http.Server{Handler: site.handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return errors.Join(err, site.sockets.Close())
	case <-ctx.Done():
	}

	// Both at once: the http.Server stops accepting, and mojo closes the WebSockets,
	// which http.Server.Shutdown does not know of. The pages come back by themselves
	// when the site does.
	limited, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(limited) }()
	return errors.Join(site.sockets.Shutdown(limited), <-stopped)
}
