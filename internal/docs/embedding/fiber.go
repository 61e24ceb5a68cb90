package embedding

import (
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"

	"github.com/mojosocket/mojo"
)

// besideFiber serves the pages of fiber and a Server with net/http.
func besideFiber(srv *mojo.Server) http.Handler {
	app := fiber.New()
	app.Get("/me", func(c fiber.Ctx) error {
		r, err := adaptor.ConvertRequest(c, false)
		if err != nil {
			return err
		}
		return c.SendString(srv.Identity(r).UserID)
	})

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// Check the password here.
		if err := srv.LogIn(w, r, r.PostFormValue("user")); err != nil {
			http.Error(w, "log in again later", http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("/", adaptor.FiberApp(app))
	return srv.EnsureSession(mux)
}

// withFiber mounts a Server in an app of fiber, which uses fasthttp.
func withFiber(srv *mojo.Server) *fiber.App {
	app := fiber.New()
	app.Use(adaptor.HTTPMiddleware(srv.EnsureSession))
	app.Post("/login", adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Check the password here.
		if err := srv.LogIn(w, r, r.PostFormValue("user")); err != nil {
			http.Error(w, "log in again later", http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}))
	app.All("/socket.io/*", adaptor.HTTPHandler(srv))
	return app
}
