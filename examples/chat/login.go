package main

import (
	"log/slog"
	"net/http"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/examples/chat/text"
)

const maxName = 40 // characters

// login believes everybody: the name is the user id. A real site checks a password
// first and has ids of its own. The other tabs of this browser are logged in as well,
// on the connections that they have.
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

// logoutEverywhere ends the connections of this user in all other browsers, which are
// told why and whose cookies are worth nothing from then on, and logs this one out.
func (s *site) logoutEverywhere(w http.ResponseWriter, r *http.Request) {
	me := s.sockets.Identity(r)
	why := mojo.Revocation{Reason: "logged out everywhere"}
	if err := s.sockets.LoggedInSessions().Get(me.UserID).RevokeExcept(r.Context(), me.SessionID, why); err != nil {
		failed(w, "cannot log out everywhere", err)
		return
	}
	s.logout(w, r)
}

// failed answers a request that could not be served, and logs why.
func failed(w http.ResponseWriter, what string, err error) {
	slog.Error(what, "error", err)
	http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}
