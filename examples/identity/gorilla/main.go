// Command gorilla is a site whose sessions are those of
// github.com/gorilla/sessions, kept in a cookie. mojo takes from them who is
// who: identity.go is all it needs.
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
	s, err := newSite(newStore(mojo.NewKey())) // a site that is meant to stay keeps its key
	if err != nil {
		log.Fatal(err)
	}
	log.Println("serving http://127.0.0.1:8000/")
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", s.handler()))
}

// newStore signs and encrypts. Without the second key visitors could read what
// is in their session.
func newStore(key mojo.Key) *sessions.CookieStore {
	store := sessions.NewCookieStore(key.Hash, key.Block)
	store.Options = &sessions.Options{
		Path:     "/",
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
		Secure:   false, // this site is served over plain HTTP; true where there is HTTPS
	}
	store.MaxAge(int(lifetime.Seconds())) // of the cookie and of the date that is signed
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

// index gives every browser a session, by which its connections are found when
// it logs in.
func (s *site) index(w http.ResponseWriter, r *http.Request) {
	if s.sockets.Identity(r).SessionID == "" {
		if _, err := s.begin(w, r, ""); err != nil {
			failed(w, err)
			return
		}
	}
	page.Serve(w, r)
}

// login believes everybody; a real site checks a password first.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	user := r.PostFormValue("user")
	if user == "" {
		http.Error(w, "A name is needed.", http.StatusUnprocessableEntity)
		return
	}
	s.become(w, r, user)
}

// A CookieStore keeps no sessions, so pages accept a copy of the old cookie
// until it expires; a store that keeps sessions avoids that. mojo has given up
// its id.
func (s *site) logout(w http.ResponseWriter, r *http.Request) { s.become(w, r, "") }

// become makes a browser a user's, or nobody's, and the connections of all its
// tabs with it.
func (s *site) become(w http.ResponseWriter, r *http.Request, user string) {
	before := s.sockets.Identity(r).SessionID
	now, err := s.begin(w, r, user)
	if err == nil && before != "" {
		err = s.sockets.Rebind(r.Context(), before, now)
	}
	if err != nil {
		failed(w, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// begin writes a session with a new id, so that an id that an attacker knew
// before the login is worthless.
func (s *site) begin(w http.ResponseWriter, r *http.Request, user string) (mojo.Identity, error) {
	now := mojo.Identity{SessionID: rand.Text(), UserID: user, Expires: time.Now().Add(lifetime)}
	session, _ := s.store.Get(r, sessionName) // with an error it is a new one
	session.Values = map[any]any{idKey: now.SessionID, userKey: user, untilKey: now.Expires.Unix()}
	return now, session.Save(r, w)
}

// note reaches every tab and device of a user.
func (s *site) note(w http.ResponseWriter, r *http.Request) {
	from := s.sockets.Identity(r).UserID
	if from == "" {
		http.Error(w, "Log in first.", http.StatusForbidden)
		return
	}
	to := s.sockets.LoggedInSessions().Get(r.PostFormValue("to"))
	if err := to.Emit("note", from, r.PostFormValue("text")); err != nil {
		failed(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func failed(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}
