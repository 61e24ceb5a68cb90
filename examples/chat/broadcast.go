package main

import (
	"net/http"

	"github.com/mojosocket/mojo/examples/chat/text"
)

// A message to a session or a user goes to each of its connections on each app, so a
// page has these events on both of its sockets. It listens on /StatusSocket.

// Note is the "note" event, for one user, and the "announcement" event, for
// everybody who is logged in.
type Note struct {
	From string `json:"from"`
	Text string `json:"text"`
}

// hello tells every browser that is connected, logged in or not.
func (s *site) hello(w http.ResponseWriter, r *http.Request) {
	who := s.sockets.Identity(r).UserID
	if who == "" {
		who = "Somebody"
	}
	told := 0
	for session := range s.sockets.CurrentSessions().All() {
		if err := session.Emit("joinedStatus", map[string]string{"data": who + " has joined the chat"}); err != nil {
			failed(w, "cannot say hello", err)
			return
		}
		told++
	}
	show(w, http.StatusOK, "hello.html", map[string]any{"Who": who, "Told": told})
}

// announce tells everybody who is logged in.
func (s *site) announce(w http.ResponseWriter, r *http.Request) {
	note, ok := s.readNote(w, r, "An announcement")
	if !ok {
		return
	}
	if err := s.sockets.LoggedInSessions().Emit("announcement", note); err != nil {
		failed(w, "cannot announce", err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// note tells one user, in every tab and on every device.
func (s *site) note(w http.ResponseWriter, r *http.Request) {
	note, ok := s.readNote(w, r, "A note")
	if !ok {
		return
	}
	to := s.sockets.LoggedInSessions().Get(r.PostFormValue("to"))
	if to.Len() == 0 {
		http.Error(w, "Nobody of this name is here.", http.StatusNotFound)
		return
	}
	if err := to.Emit("note", note); err != nil {
		failed(w, "cannot send a note", err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readNote reads the form of somebody who is logged in. If that cannot be, it has
// answered.
func (s *site) readNote(w http.ResponseWriter, r *http.Request, what string) (Note, bool) {
	from := s.sockets.Identity(r).UserID
	if from == "" {
		http.Error(w, "Log in first.", http.StatusForbidden)
		return Note{}, false
	}
	words, err := text.Line(what, r.PostFormValue("text"), text.Max)
	if err != nil {
		http.Error(w, err.Error()+".", http.StatusUnprocessableEntity)
		return Note{}, false
	}
	return Note{From: from, Text: words}, true
}
