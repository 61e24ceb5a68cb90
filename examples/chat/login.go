package main

import (
	"log/slog"
	"net/http"

	"github.com/mojosocket/mojo/examples/chat/text"
)

const maxName = 40 // characters

// login believes everybody: the name is the user id. A real site checks a password
// first and has ids of its own. The other tabs of this browser lose their connection
// and come back logged in.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	name, err := text.Line("A name", r.PostFormValue("name"), maxName)
	if err != nil {
		s.showIndex(w, http.StatusUnprocessableEntity, indexPage{
			Name:    s.sockets.Identity(r).UserID,
			Tried:   r.PostFormValue("name"),
			Problem: err.Error(),
		})
		return
	}
	if err := s.sockets.LogIn(w, r, name); err != nil {
		failed(w, "cannot log in", err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.sockets.LogOut(w, r); err != nil {
		failed(w, "cannot log out", err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// failed answers a request that could not be served, and logs why.
func failed(w http.ResponseWriter, what string, err error) {
	slog.Error(what, "error", err)
	http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}
