// Command scs is a site whose sessions are those of github.com/alexedwards/scs. mojo takes from them who
// is who: identity.go is all it needs.
//
//	cd examples/identity && go run ./scs
package main

import (
	"log"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/examples/identity/page"
)

const userKey = "user" // in the data of a session

func main() {
	sessions := scs.New()
	sessions.IdleTimeout = 24 * time.Hour
	sessions.Lifetime = 30 * 24 * time.Hour
	sessions.Cookie.Secure = false // this site is served over plain HTTP; true where there is HTTPS
	s, err := newSite(sessions)
	if err != nil {
		log.Fatal(err)
	}
	log.Println("serving http://127.0.0.1:8000/")
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", s.handler()))
}

type site struct {
	sessions *scs.SessionManager
	sockets  *mojo.Server
	identify func(*http.Request) (mojo.Identity, error)
}

func newSite(sessions *scs.SessionManager) (*site, error) {
	s := &site{sessions: sessions, identify: identify(sessions)}
	var err error
	if s.sockets, err = mojo.New(mojo.Options{Identify: s.identify}); err != nil {
		return nil, err
	}
	if _, err := s.sockets.Register("Notes", &mojo.Events{Connect: s.connect}); err != nil {
		return nil, err
	}
	return s, nil
}

// handler is the whole site. The sessions' middleware is around the pages and not around mojo.
func (s *site) handler() http.Handler {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", page.Serve)
	pages.HandleFunc("POST /login", s.login)
	pages.HandleFunc("POST /logout", s.logout)
	pages.HandleFunc("POST /note", s.note)

	root := http.NewServeMux()
	root.Handle("/socket.io/", s.sockets)
	root.Handle("/", http.NewCrossOriginProtection().Handler(s.sessions.LoadAndSave(pages)))
	return root
}

// connect refuses who has logged out since: a connection keeps the identity of its handshake, and its
// client could connect to an app again after logout has disconnected it.
func (s *site) connect(c *mojo.Conn) error {
	now, err := s.identify(&http.Request{Header: c.Handshake().Header()})
	if err != nil || now.UserID != c.UserID() {
		return mojo.ClientError{Message: "load the page again"}
	}
	return c.Emit("you", c.UserID())
}

// login believes everybody; a real site checks a password first. The session gets a new token, so that one
// that somebody else knew beforehand is of no use to them.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	user := r.PostFormValue("user")
	if user == "" {
		http.Error(w, "A name is needed.", http.StatusUnprocessableEntity)
		return
	}
	before := sessionID(s.sessions.Token(r.Context()))
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		failed(w, err)
		return
	}
	s.sessions.Put(r.Context(), userKey, user)
	_ = s.sockets.CurrentSessions().Get(before).Disconnect()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	before := sessionID(s.sessions.Token(r.Context()))
	if err := s.sessions.Destroy(r.Context()); err != nil {
		failed(w, err)
		return
	}
	_ = s.sockets.CurrentSessions().Get(before).Disconnect()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// note reaches every tab and device of a user.
func (s *site) note(w http.ResponseWriter, r *http.Request) {
	from := s.sessions.GetString(r.Context(), userKey)
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
