// Command chat is a site on mojo. Users log in with any name, chat in a room
// and see who is online. Ordinary HTTP handlers send messages to browser
// sessions, and to users on all their tabs and devices.
//
//	go run ./examples/chat
//
// Each app has a folder of its own: chat is the room (/ChatSocket), status is
// the list of users who are online (/StatusSocket). The folder site has the
// HTTP handlers and the pages, and client finds the socket.io-client that the
// page loads.
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

	"github.com/mojosocket/mojo/examples/chat/client"
	"github.com/mojosocket/mojo/examples/chat/site"
)

// shutdownTimeout is the time that connections may take to end.
const shutdownTimeout = 5 * time.Second

func main() {
	addr := flag.String("addr", "127.0.0.1:8000", "the address to serve on; port 0 picks a free one")
	folder := flag.String("client", "", "the folder that holds "+client.FileName+"; empty: an installed one, or npm's, or the CDN's")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *folder); err != nil {
		log.Fatal(err)
	}
}

// run serves the site until ctx ends.
func run(ctx context.Context, addr, clientFolder string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	source, err := client.Find(ctx, clientFolder)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	chatSite, err := site.New(source)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Println("socket.io-client:", source)
	fmt.Printf("serving http://%s/\n", listener.Addr())

	server := &http.Server{Handler: chatSite.Handler(), ReadHeaderTimeout: 10 * time.Second}
	serveError := make(chan error, 1)
	go func() { serveError <- server.Serve(listener) }()
	select {
	case err := <-serveError:
		return errors.Join(err, chatSite.Sockets.Close())
	case <-ctx.Done():
	}

	// Both shut down at the same time: the http.Server stops accepting, and
	// mojo closes the WebSockets, which http.Server.Shutdown does not. The
	// pages reconnect when the site is up again.
	shutdownCtx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	shutdownError := make(chan error, 1)
	go func() { shutdownError <- server.Shutdown(shutdownCtx) }()
	return errors.Join(chatSite.Sockets.Shutdown(shutdownCtx), <-shutdownError)
}
