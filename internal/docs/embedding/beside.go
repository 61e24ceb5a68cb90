package embedding

import (
	"net/http"

	"github.com/gorilla/csrf"

	"github.com/mojosocket/mojo"
)

// beside mounts a Server beside a router.
func beside(srv *mojo.Server, router http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.Handle("/", router)
	return srv.EnsureSession(mux)
}

// besideCSRF guards the pages by a token in each form.
func besideCSRF(srv *mojo.Server, pages http.Handler, csrfKey []byte) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.Handle("/", csrf.Protect(csrfKey)(pages))
	return srv.EnsureSession(mux)
}

// besideCrossOriginProtection guards the pages by what browsers say of where a
// request comes from.
func besideCrossOriginProtection(srv *mojo.Server, pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.Handle("/", http.NewCrossOriginProtection().Handler(pages))
	return srv.EnsureSession(mux)
}
