// Package site has the HTTP handlers of the chat example: its pages, login and
// logout, and messages that ordinary HTTP requests send to connected browsers.
package site

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/examples/chat/chat"
	"github.com/mojosocket/mojo/examples/chat/client"
	"github.com/mojosocket/mojo/examples/chat/status"
	"github.com/mojosocket/mojo/examples/chat/text"
)

const (
	maxForm = 64 << 10 // bytes of a form
	maxName = 40       // characters of a user's name
)

// Site is the whole site.
type Site struct {
	Sockets *mojo.Server
	client  client.Source
}

// New makes the mojo.Server and registers the two apps.
//
// The keys of the cookies are new at each start, so logins end with the
// process. A site in production makes its keys once and stores them with its
// other secrets.
func New(source client.Source) (*Site, error) {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{
		Keys:     []mojo.Key{mojo.NewKey()},
		Insecure: true, // this site uses plain HTTP; do not set it for HTTPS
	})
	if err != nil {
		return nil, err
	}
	sockets, err := mojo.New(mojo.Options{Cookies: cookies, Client: source.Files})
	if err != nil {
		return nil, err
	}
	if _, err := sockets.Register("Chat", chat.Handlers()); err != nil {
		return nil, err
	}
	if _, err := sockets.Register("Status", &status.Handlers{}); err != nil {
		return nil, err
	}
	return &Site{Sockets: sockets, client: source}, nil
}

// Handler returns the handler of the whole site. EnsureSession gives every
// browser a session. CrossOriginProtection refuses forms that other sites send;
// mojo itself checks the origin of its connections.
func (s *Site) Handler() http.Handler {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", s.index)
	pages.HandleFunc("GET /hello", s.hello)
	pages.HandleFunc("POST /login", s.login)
	pages.HandleFunc("POST /logout", s.logout)
	pages.HandleFunc("POST /logout-everywhere", s.logoutEverywhere)
	pages.HandleFunc("POST /announce", s.announce)
	pages.HandleFunc("POST /note", s.note)
	pages.Handle("GET /static/", staticFiles())

	root := http.NewServeMux()
	root.Handle("/socket.io/", s.Sockets)
	root.Handle("/", s.setHeaders(http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(pages, maxForm))))
	return s.Sockets.EnsureSession(root)
}

// login checks no password: the name is the user id. A real site checks a
// password first and has its own user ids. The other tabs of this browser are
// logged in as well, on their existing connections.
func (s *Site) login(w http.ResponseWriter, r *http.Request) {
	name, err := text.Line("A name", r.PostFormValue("name"), maxName)
	if err != nil {
		s.showIndex(w, http.StatusUnprocessableEntity, indexPage{
			Name:        s.Sockets.Identity(r).UserID,
			RefusedName: r.PostFormValue("name"),
			Problem:     err.Error(),
		})
		return
	}
	if err := s.Sockets.LogIn(w, r, name); err != nil {
		serverError(w, "cannot log in", err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Site) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.Sockets.LogOut(w, r); err != nil {
		serverError(w, "cannot log out", err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// logoutEverywhere logs the user out in this browser and in all others. The
// connections of the others end, with the reason, and their cookies are not
// valid any more.
func (s *Site) logoutEverywhere(w http.ResponseWriter, r *http.Request) {
	id := s.Sockets.Identity(r)
	revocation := mojo.Revocation{Reason: "logged out everywhere"}
	if err := s.Sockets.LoggedInSessions().Get(id.UserID).RevokeExcept(r.Context(), id.SessionID, revocation); err != nil {
		serverError(w, "cannot log out everywhere", err)
		return
	}
	s.logout(w, r)
}

// A message to a session or a user goes to each of its connections on each app.
// So a page receives the events below on both of its sockets. It listens for
// them on /StatusSocket.

// Note is the argument of the events "note" and "announcement".
type Note struct {
	From string `json:"from"`
	Text string `json:"text"`
}

// hello sends a message to every connected browser, logged in or not.
func (s *Site) hello(w http.ResponseWriter, r *http.Request) {
	user := s.Sockets.Identity(r).UserID
	if user == "" {
		user = "Somebody"
	}
	browsers := 0
	for session := range s.Sockets.CurrentSessions().All() {
		if err := session.Emit("joinedStatus", map[string]string{"data": user + " has joined the chat"}); err != nil {
			serverError(w, "cannot say hello", err)
			return
		}
		browsers++
	}
	show(w, http.StatusOK, "hello.html", map[string]any{"User": user, "Browsers": browsers})
}

// announce sends a message to every user who is logged in.
func (s *Site) announce(w http.ResponseWriter, r *http.Request) {
	note, ok := s.readNote(w, r, "An announcement")
	if !ok {
		return
	}
	if err := s.Sockets.LoggedInSessions().Emit("announcement", note); err != nil {
		serverError(w, "cannot announce", err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// note sends a message to one user, in every tab and on every device.
func (s *Site) note(w http.ResponseWriter, r *http.Request) {
	note, ok := s.readNote(w, r, "A note")
	if !ok {
		return
	}
	to := s.Sockets.LoggedInSessions().Get(r.PostFormValue("to"))
	if to.Len() == 0 {
		http.Error(w, "No user of this name is online.", http.StatusNotFound)
		return
	}
	if err := to.Emit("note", note); err != nil {
		serverError(w, "cannot send a note", err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readNote reads a note from a form. If the form is not valid or the user is
// not logged in, it answers the request with an error and returns false.
func (s *Site) readNote(w http.ResponseWriter, r *http.Request, what string) (Note, bool) {
	from := s.Sockets.Identity(r).UserID
	if from == "" {
		http.Error(w, "Log in first.", http.StatusForbidden)
		return Note{}, false
	}
	line, err := text.Line(what, r.PostFormValue("text"), text.Max)
	if err != nil {
		http.Error(w, err.Error()+".", http.StatusUnprocessableEntity)
		return Note{}, false
	}
	return Note{From: from, Text: line}, true
}

//go:embed web
var web embed.FS

var templates = template.Must(template.ParseFS(web, "web/*.html"))

// indexPage is the data of index.html. Everything else on the page comes over
// the sockets.
type indexPage struct {
	Client      client.Source
	Name        string // of the user who is logged in, "" if there is none
	RefusedName string // the name that the login form refused
	Problem     string // the reason
}

func (s *Site) index(w http.ResponseWriter, r *http.Request) {
	s.showIndex(w, http.StatusOK, indexPage{Name: s.Sockets.Identity(r).UserID})
}

func (s *Site) showIndex(w http.ResponseWriter, code int, page indexPage) {
	page.Client = s.client
	show(w, code, "index.html", page)
}

// show renders a template. Its content depends on the visitor, so it is not
// cached.
func show(w http.ResponseWriter, code int, name string, data any) {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, data); err != nil {
		serverError(w, "cannot render "+name, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = body.WriteTo(w) // it fails only if the browser has disconnected
}

// serverError logs the cause of an internal error and answers the request.
func serverError(w http.ResponseWriter, message string, err error) {
	slog.Error(message, "error", err)
	http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}

// staticFiles serves the files of web/static.
func staticFiles() http.Handler {
	files, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // fs.Sub fails only for an invalid path
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}

// setHeaders adds headers to all pages. The policy allows only the site's own
// scripts, and the client from the CDN if the page uses it. 'self' covers the
// WebSocket, too.
func (s *Site) setHeaders(next http.Handler) http.Handler {
	policy := "default-src 'none'; script-src 'self' " + s.client.ScriptSource() +
		"; style-src 'self'; img-src 'self'; connect-src 'self'" +
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
