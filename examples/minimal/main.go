// Command minimal is the shortest useful program on mojo. All pages receive
// what one page sends, and what an HTTP handler sends. The example chat is a
// site with logins.
//
//	go run ./examples/minimal
//	curl -X POST http://127.0.0.1:8000/ring
package main

import (
	_ "embed"
	"io"
	"log"
	"net/http"

	"github.com/mojosocket/mojo"
)

//go:embed page.html
var page string

func main() {
	log.Println("serving http://127.0.0.1:8000/")
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", handler()))
}

func handler() http.Handler {
	srv, err := mojo.New(mojo.Options{})
	if err != nil {
		log.Fatal(err)
	}
	var ev mojo.Events
	mojo.On(&ev, "say", func(c *mojo.Conn, text string) error {
		return c.Channel().Emit("said", text)
	})
	chat, err := srv.Register("Chat", ev.Handler()) // io("/ChatSocket") in the page
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, page)
	})
	mux.HandleFunc("POST /ring", func(http.ResponseWriter, *http.Request) {
		_ = chat.Emit("said", "Somebody rings the bell.")
	})
	return mux
}
