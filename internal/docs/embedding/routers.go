package embedding

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"

	"github.com/mojosocket/mojo"
)

// withGin mounts a Server in a router of gin.
func withGin(srv *mojo.Server) http.Handler {
	router := gin.New()
	router.Use(gin.Recovery())
	router.POST("/login", func(c *gin.Context) {
		// Check the password here.
		if err := srv.LogIn(c.Writer, c.Request, c.PostForm("user")); err != nil {
			_ = c.AbortWithError(http.StatusInternalServerError, err)
			return
		}
		c.Redirect(http.StatusSeeOther, "/")
	})
	router.Any("/socket.io/*any", gin.WrapH(srv))
	return srv.EnsureSession(router)
}

// withEcho mounts a Server in a router of echo.
func withEcho(srv *mojo.Server) http.Handler {
	router := echo.New()
	router.Use(echomiddleware.Recover())
	router.POST("/login", func(c *echo.Context) error {
		// Check the password here.
		if err := srv.LogIn(c.Response(), c.Request(), c.FormValue("user")); err != nil {
			return err
		}
		return c.Redirect(http.StatusSeeOther, "/")
	})
	router.Any("/socket.io/*", echo.WrapHandler(srv))
	return srv.EnsureSession(router)
}

// withChi mounts a Server in a router of chi.
func withChi(srv *mojo.Server) http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer)
	router.Post("/login", func(w http.ResponseWriter, r *http.Request) {
		// Check the password here.
		if err := srv.LogIn(w, r, r.PostFormValue("user")); err != nil {
			http.Error(w, "log in again later", http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	router.Handle("/socket.io/*", srv)
	return srv.EnsureSession(router)
}
