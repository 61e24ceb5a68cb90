// Command gorilla is a site with the sessions of github.com/gorilla/sessions,
// in cookies. The file identity.go tells mojo the session and the user of a
// request.
//
//	cd examples/identity && go run ./gorilla
package main

import (
	"crypto/rand"
	"log"
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/examples/identity/page"
)

const lifetime = 30 * 24 * time.Hour // of a session

func main() {
	s, err := newSite(newStore(mojo.NewKey())) // a site in production stores its key
	if err != nil {
		log.Fatal(err)
	}
	log.Println("serving http://127.0.0.1:8000/")
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", s.handler()))
}

// newStore returns a store that signs and encrypts cookies. Without the second
// key visitors could read the data of their session.
func newStore(key mojo.Key) *sessions.CookieStore {
	store := sessions.NewCookieStore(key.Hash, key.Block)
	store.Options = &sessions.Options{
		Path:     "/",
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
		Secure:   false, // this site uses plain HTTP; true for HTTPS
	}
	store.MaxAge(int(lifetime.Seconds())) // sets the age of the cookie and of its signature
	return store
}

type site struct {
	store   sessions.Store
	sockets *mojo.Server
}

func newSite(store sessions.Store) (*site, error) {
	sockets, err := mojo.New(mojo.Options{Identify: identify(store)})
	if err != nil {
		return nil, err
	}
	notes := &mojo.Events{
		Connect:  func(c *mojo.Conn) error { return c.Emit("you", c.UserID()) },
		Identity: func(c *mojo.Conn, _, now mojo.Identity) error { return c.Emit("you", now.UserID) },
	}
	if _, err := sockets.Register("Notes", notes.Handler()); err != nil {
		return nil, err
	}
	return &site{store, sockets}, nil
}

func (s *site) handler() http.Handler {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", s.index)
	pages.HandleFunc("POST /login", s.login)
	pages.HandleFunc("POST /logout", s.logout)
	pages.HandleFunc("POST /note", s.note)

	root := http.NewServeMux()
	root.Handle("/socket.io/", s.sockets)
	root.Handle("/", http.NewCrossOriginProtection().Handler(pages))
	return root
}

// index begins a session for every browser. At a login the connections of the
// session get the user.
func (s *site) index(w http.ResponseWriter, r *http.Request) {
	if s.sockets.Identity(r).SessionID == "" {
		if _, err := s.beginSession(w, r, ""); err != nil {
			serverError(w, err)
			return
		}
	}
	page.Serve(w, r)
}

// login checks no password; a real site checks one first.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	user := r.PostFormValue("user")
	if user == "" {
		http.Error(w, "A name is needed.", http.StatusUnprocessableEntity)
		return
	}
	s.setUser(w, r, user)
}

// logout gives the session a new id, and mojo refuses the old one. But the
// pages accept a copy of the old cookie until it expires, because a CookieStore
// does not store sessions on the server. Another store avoids that.
func (s *site) logout(w http.ResponseWriter, r *http.Request) { s.setUser(w, r, "") }

// setUser sets the user of a browser, "" for none, and of the connections of
// all its tabs.
func (s *site) setUser(w http.ResponseWriter, r *http.Request, user string) {
	before := s.sockets.Identity(r).SessionID
	now, err := s.beginSession(w, r, user)
	if err == nil && before != "" {
		err = s.sockets.Rebind(r.Context(), before, now)
	}
	if err != nil {
		serverError(w, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// beginSession writes a session with a new id. So an id that an attacker knew
// before the login is not valid after it.
func (s *site) beginSession(w http.ResponseWriter, r *http.Request, user string) (mojo.Identity, error) {
	now := mojo.Identity{SessionID: rand.Text(), UserID: user, Expires: time.Now().Add(lifetime)}
	session, _ := s.store.Get(r, sessionName) // after an error it is a new session
	session.Values = map[any]any{idKey: now.SessionID, userKey: user, expiresKey: now.Expires.Unix()}
	return now, session.Save(r, w)
}

// note sends a message to all tabs and devices of a user.
func (s *site) note(w http.ResponseWriter, r *http.Request) {
	from := s.sockets.Identity(r).UserID
	if from == "" {
		http.Error(w, "Log in first.", http.StatusForbidden)
		return
	}
	to := s.sockets.LoggedInSessions().Get(r.PostFormValue("to"))
	if err := to.Emit("note", from, r.PostFormValue("text")); err != nil {
		serverError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func serverError(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}
