package mojotest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/mojosocket/mojo"
)

// LogIn, LogOut and Identity send requests with these headers, which the Server
// answers in place of the site. The value of tokenHeader is Server.token, that
// of commandHeader is the command.
const (
	tokenHeader   = "Mojotest-Token"
	commandHeader = "Mojotest-Command"
)

// withCommands returns a handler that answers the requests of LogIn, LogOut and
// Identity, and passes other requests to the site.
func (s *Server) withCommands(site http.Handler) http.Handler {
	if s.mojo == nil {
		return site
	}
	logIn := s.mojo.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		replyError(w, s.mojo.LogIn(w, r, r.PostFormValue("user")))
	}))
	logOut := s.mojo.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		replyError(w, s.mojo.LogOut(w, r))
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get(tokenHeader) != s.token:
			site.ServeHTTP(w, r)
		case r.Header.Get(commandHeader) == "log in":
			logIn.ServeHTTP(w, r)
		case r.Header.Get(commandHeader) == "log out":
			logOut.ServeHTTP(w, r)
		default:
			replyError(w, json.NewEncoder(w).Encode(s.mojo.Identity(r)))
		}
	})
}

// replyError sends an error, if there is one, to the browser.
func replyError(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// LogIn logs the browser in as a user. It calls mojo.Server.LogIn within
// EnsureSession, as the site's login form does after it has checked the
// password, and the browser stores the site's real cookies. When LogIn has
// returned, all tabs belong to the user, except those with
// DialOptions.NoFollow.
//
// It fails the test if the mojo.Server has no Options.Cookies. A test of a site
// with Options.Identify sends the site's own login form, see Post.
func (b *Browser) LogIn(userID string) {
	b.t.Helper()
	b.command("log in", url.Values{"user": {userID}})
}

// LogOut logs the browser out with mojo.Server.LogOut. When it has returned,
// its tabs have a session, but no user.
func (b *Browser) LogOut() {
	b.t.Helper()
	b.command("log out", nil)
}

// Identity returns the result of mojo.Server.Identity for a request of this
// browser: its session and its user. srv.CurrentSessions().Get(id.SessionID)
// finds its tabs.
func (b *Browser) Identity() mojo.Identity {
	b.t.Helper()
	var id mojo.Identity
	if err := json.Unmarshal([]byte(b.command("identity", nil)), &id); err != nil {
		b.t.Fatalf("mojotest: identity: %v", err)
	}
	return id
}

func (b *Browser) command(command string, form url.Values) string {
	b.t.Helper()
	if b.server.mojo == nil {
		b.t.Fatalf("mojotest: %s: NewServer was not given the site's *mojo.Server", command)
	}
	r := b.form("/", form)
	r.Header.Set(tokenHeader, b.server.token)
	r.Header.Set(commandHeader, command)
	res := b.Do(r)
	if res.Status != http.StatusOK {
		b.t.Fatalf("mojotest: %s: %s", command, strings.TrimSpace(res.Body))
	}
	return res.Body
}
