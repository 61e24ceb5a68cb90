package embedding

import (
	"net/http"

	"github.com/gorilla/csrf"

	"github.com/mojosocket/mojo"
)

// beside mounts a Server and a router in the same mux.
func beside(srv *mojo.Server, router http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.Handle("/", router)
	return srv.EnsureSession(mux)
}

// besideCSRF protects the pages with a token in each form.
func besideCSRF(srv *mojo.Server, pages http.Handler, csrfKey []byte) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.Handle("/", csrf.Protect(csrfKey)(pages))
	return srv.EnsureSession(mux)
}

// besideCrossOriginProtection protects the pages with the browser's headers
// about the origin of a request.
func besideCrossOriginProtection(srv *mojo.Server, pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.Handle("/", http.NewCrossOriginProtection().Handler(pages))
	return srv.EnsureSession(mux)
}
