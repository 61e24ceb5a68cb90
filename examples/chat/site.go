package main

import (
	"net/http"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/examples/chat/chat"
	"github.com/mojosocket/mojo/examples/chat/status"
)

// maxForm is how many bytes a form of the site may have.
const maxForm = 64 << 10

// site is what the HTTP handlers need: the people who are connected, and the client
// for the page.
type site struct {
	sockets *mojo.Server
	client  client
}

// newSite makes the mojo.Server and registers the two apps.
//
// Its keys are made anew at each start, so logins end with the process. A site that
// is meant to stay makes its keys once and keeps them with its other secrets.
func newSite(c client) (*site, error) {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{
		Keys:     []mojo.Key{mojo.NewKey()},
		Insecure: true, // this site is served over plain HTTP; leave it out where there is HTTPS
	})
	if err != nil {
		return nil, err
	}
	sockets, err := mojo.New(mojo.Options{Cookies: cookies})
	if err != nil {
		return nil, err
	}
	if _, err := sockets.Register("Chat", chat.Handlers()); err != nil {
		return nil, err
	}
	if _, err := sockets.Register("Status", &status.Handlers{}); err != nil {
		return nil, err
	}
	return &site{sockets: sockets, client: c}, nil
}

// handler is the whole site. Every browser gets a session, forms are taken from the
// site's own pages only, and mojo checks the origin of its connections by itself.
func (s *site) handler() http.Handler {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", s.index)
	pages.HandleFunc("GET /hello", s.hello)
	pages.HandleFunc("POST /login", s.login)
	pages.HandleFunc("POST /logout", s.logout)
	pages.HandleFunc("POST /logout-everywhere", s.logoutEverywhere)
	pages.HandleFunc("POST /announce", s.announce)
	pages.HandleFunc("POST /note", s.note)
	pages.Handle("GET /static/", staticFiles())
	pages.HandleFunc("GET "+clientPath, s.client.serve)

	root := http.NewServeMux()
	root.Handle("/socket.io/", s.sockets)
	root.Handle("/", s.headers(http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(pages, maxForm))))
	return s.sockets.EnsureSession(root)
}
