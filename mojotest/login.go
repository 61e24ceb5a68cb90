package mojotest

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/mojosocket/mojo"
)

// The requests of LogIn, LogOut and Identity are the test's own: they do not reach
// the site, but pass its cookies on the same way. tokenHeader has the token of the
// Server, and commandHeader says what to do.
const (
	tokenHeader   = "Mojotest-Token"
	commandHeader = "Mojotest-Command"
)

// withCommands answers the test's own requests, and passes all others to the site.
func (s *Server) withCommands(site http.Handler) http.Handler {
	if s.mojo == nil {
		return site
	}
	logIn := s.mojo.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.mojo.LogIn(w, r, r.PostFormValue("user")))
	}))
	logOut := s.mojo.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.mojo.LogOut(w, r))
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
			answer(w, json.NewEncoder(w).Encode(s.mojo.Identity(r)))
		}
	})
}

// answer tells the browser of an error.
func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// LogIn logs the browser in as a user, as the site's login form does after it has
// checked the password: by mojo.Server.LogIn, with the site's own cookies, and below
// EnsureSession. When it has returned, every tab that follows (DialOptions.NoFollow) is
// the user's. It fails the test without Options.Cookies, which the site has in place of
// Options.Identify; post to the site's own login form there.
func (b *Browser) LogIn(userID string) {
	b.t.Helper()
	b.command("log in", url.Values{"user": {userID}})
}

// LogOut logs the browser out by mojo.Server.LogOut. When it has returned, its tabs
// are nobody's.
func (b *Browser) LogOut() {
	b.t.Helper()
	b.command("log out", nil)
}

// Identity returns whom the site takes this browser for: what mojo.Server.Identity
// says of its requests. Its SessionID finds the browser in
// mojo.Server.CurrentSessions.
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
		b.t.Fatalf("mojotest: %s: %s", command, res.Body)
	}
	return res.Body
}
