// Command scs is a site with the sessions of github.com/alexedwards/scs. The
// file identity.go tells mojo the session and the user of a request.
//
//	cd examples/identity && go run ./scs
package main

import (
	"errors"
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
	sessions.Cookie.Secure = false // this site uses plain HTTP; true for HTTPS
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
}

func newSite(sessions *scs.SessionManager) (*site, error) {
	sockets, err := mojo.New(mojo.Options{Identify: identify(sessions)})
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
	return &site{sessions, sockets}, nil
}

// handler returns the handler of the whole site. The middleware LoadAndSave
// wraps the pages, but not mojo; see identify.
func (s *site) handler() http.Handler {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", s.index)
	pages.HandleFunc("POST /login", s.login)
	pages.HandleFunc("POST /logout", s.logout)
	pages.HandleFunc("POST /note", s.note)

	root := http.NewServeMux()
	root.Handle("/socket.io/", s.sockets)
	root.Handle("/", http.NewCrossOriginProtection().Handler(s.sessions.LoadAndSave(pages)))
	return root
}

// index begins a session for every browser. At a login the connections of the
// session get the user.
func (s *site) index(w http.ResponseWriter, r *http.Request) {
	if s.sessions.Token(r.Context()) == "" {
		s.sessions.Put(r.Context(), userKey, "")
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

func (s *site) logout(w http.ResponseWriter, r *http.Request) { s.setUser(w, r, "") }

// setUser sets the user of the session, "" for none. The session gets a new
// token, so a token that an attacker knew before is not valid any more. The
// connections of all tabs change to the new session.
func (s *site) setUser(w http.ResponseWriter, r *http.Request, user string) {
	ctx := r.Context()
	before := sessionID(s.sessions.Token(ctx))
	if err := errors.Join(s.sessions.Clear(ctx), s.sessions.RenewToken(ctx)); err != nil {
		serverError(w, err)
		return
	}
	s.sessions.Put(ctx, userKey, user)
	if before != "" {
		now := mojo.Identity{SessionID: sessionID(s.sessions.Token(ctx)), UserID: user, Expires: s.sessions.Deadline(ctx)}
		if err := s.sockets.Rebind(ctx, before, now); err != nil {
			serverError(w, err)
			return
		}
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// note sends a message to all tabs and devices of a user.
func (s *site) note(w http.ResponseWriter, r *http.Request) {
	from := s.sessions.GetString(r.Context(), userKey)
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
