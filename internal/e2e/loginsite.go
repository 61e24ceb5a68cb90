package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// LoginSite serves a ChatServer with a second app, News, below EnsureSession.
// It has the pages /login?user=id, /logout and /who, which answer as Who does.
func LoginSite(t testing.TB, n siotest.Network, h mojo.SocketHandler) (*mojo.Server, *siotest.Site) {
	t.Helper()
	srv, _ := ChatServer(t, h)
	Register(t, srv, "News", h)
	page := func(change func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := change(w, r); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			Who(srv, w, r)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/login", page(func(w http.ResponseWriter, r *http.Request) error {
		return srv.LogIn(w, r, r.FormValue("user"))
	}))
	mux.HandleFunc("/logout", page(srv.LogOut))
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) { Who(srv, w, r) })
	return srv, siotest.Serve(t, n, srv.EnsureSession(mux))
}

// Who answers a request with its session and its user, separated by a space.
func Who(srv *mojo.Server, w http.ResponseWriter, r *http.Request) {
	id := srv.Identity(r)
	_, _ = fmt.Fprint(w, id.SessionID, " ", id.UserID)
}
