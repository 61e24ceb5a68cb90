package embedding

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/csrf"
	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

const otherSite = "https://other.example"

func ginMiddleware(m gin.HandlerFunc) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		router := gin.New()
		router.Use(m)
		router.Any("/socket.io/*any", gin.WrapH(h))
		return router
	}
}

func echoMiddleware(m echo.MiddlewareFunc) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		router := echo.New()
		router.Use(m)
		router.Any("/socket.io/*", echo.WrapHandler(h))
		return router
	}
}

func chiMiddleware(m func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		router := chi.NewRouter()
		router.Use(m)
		router.Handle("/socket.io/*", h)
		return router
	}
}

// This middleware may wrap the Server, even for a client that asks for
// compression.
func TestMiddlewareThatMayWrapTheServer(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"gin.Recovery":               ginMiddleware(gin.Recovery()),
		"gzip of gin-contrib":        ginMiddleware(gzip.Gzip(gzip.DefaultCompression)),
		"Gzip of echo":               echoMiddleware(echomiddleware.Gzip()),
		"Secure of echo":             echoMiddleware(echomiddleware.Secure()),
		"Compress of chi":            chiMiddleware(middleware.Compress(5)),
		"gzhttp":                     func(h http.Handler) http.Handler { return gzhttp.GzipHandler(h) },
		"http.CrossOriginProtection": http.NewCrossOriginProtection().Handler,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := serve(t, wrap(newServer(t, nil)))
			o := siotest.Options{Transport: "websocket", Header: http.Header{"Accept-Encoding": {"gzip"}}}

			requireChat(t, site, o, "")

			requireHandshake(t, site)
		})
	}
}

// requireHandshake requires that a polling handshake with Accept-Encoding: gzip
// succeeds.
func requireHandshake(t *testing.T, site *siotest.Site) {
	transport := &http.Transport{} // sends Accept-Encoding: gzip
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(site.URL + "/socket.io/?EIO=4&transport=polling")
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	require.Equal(t, http.StatusOK, res.StatusCode)
	packet := make([]byte, len(`0{"sid":`))
	_, err = res.Body.Read(packet)
	require.NoError(t, err)
	require.Equal(t, `0{"sid":`, string(packet))
}

// This middleware must not wrap the Server: it refuses requests of clients.
func TestMiddlewareThatMustNotWrapTheServer(t *testing.T) {
	for name, test := range map[string]struct {
		wrap      func(http.Handler) http.Handler
		transport string
		status    int
	}{
		"http.TimeoutHandler": {
			wrap:      func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "too slow") },
			transport: "websocket", status: http.StatusInternalServerError,
		},
		"http.TimeoutHandler, polling": {
			wrap:      func(h http.Handler) http.Handler { return http.TimeoutHandler(h, timeout, "too slow") },
			transport: "polling", status: http.StatusServiceUnavailable,
		},
		"Timeout of chi":         {wrap: chiMiddleware(middleware.Timeout(timeout)), transport: "polling", status: http.StatusBadRequest},
		"ContextTimeout of echo": {wrap: echoMiddleware(echomiddleware.ContextTimeout(timeout)), transport: "polling", status: http.StatusBadRequest},
		"gorilla/csrf":           {wrap: csrf.Protect(make([]byte, 32), csrf.Secure(false)), transport: "polling", status: http.StatusForbidden},
		"CSRF of echo":           {wrap: echoMiddleware(echomiddleware.CSRF()), transport: "polling", status: http.StatusBadRequest},
		"http.MaxBytesHandler":   {wrap: func(h http.Handler) http.Handler { return http.MaxBytesHandler(h, 1) }, transport: "polling", status: http.StatusBadRequest},
		"BodyLimit of echo":      {wrap: echoMiddleware(echomiddleware.BodyLimit(1)), transport: "polling", status: http.StatusRequestEntityTooLarge},
		"StripSlashes of chi":    {wrap: chiMiddleware(middleware.StripSlashes), transport: "polling", status: http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := siotest.Serve(t, siotest.TCP, test.wrap(newServer(t, nil)))

			err := connectUntilRefused(t, site, siotest.Options{Transport: test.transport})

			require.Equal(t, test.status, err.Status, err)
		})
	}
}

// connectUntilRefused connects and waits until a request is refused. It returns
// that refusal.
func connectUntilRefused(t *testing.T, site *siotest.Site, o siotest.Options) *siotest.HTTPError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), siotest.Limit)
	defer cancel()
	engine, err := siotest.TryOpen(ctx, site, o)
	if err == nil {
		siotest.NewClient(engine).SendConnect("/ChatSocket", nil)
		engine.AwaitClosed()
		err = engine.Err()
	}
	var refusal *siotest.HTTPError
	require.True(t, errors.As(err, &refusal), "%v", err)
	return refusal
}

// Throttle counts a poll as a request in progress.
func TestThrottleCountsPolls(t *testing.T) {
	polls := make(chan struct{}, 1)
	srv := newServer(t, nil)
	site := serve(t, middleware.Throttle(1)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("sid") {
			polls <- struct{}{}
		}
		srv.ServeHTTP(w, r)
	})))
	siotest.Dial(t, site, siotest.Options{Transport: "polling"})
	<-polls

	err := connectUntilRefused(t, site, siotest.Options{Transport: "polling"})

	require.Equal(t, http.StatusTooManyRequests, err.Status)
}

// A CrossOriginProtection around the Server refuses the origins in
// Options.Origins, which it does not know.
func TestCrossOriginProtectionRefusesListedOrigins(t *testing.T) {
	list := func(o *mojo.Options) { o.Origins = []string{otherSite} }
	page := siotest.Options{Transport: "polling", Header: http.Header{"Origin": {otherSite}, "Sec-Fetch-Site": {"cross-site"}}}
	requireChat(t, serve(t, newServer(t, list)), page, "")
	site := serve(t, http.NewCrossOriginProtection().Handler(newServer(t, list)))

	err := connectUntilRefused(t, site, page)

	require.Equal(t, http.StatusForbidden, err.Status)
}

// CSRF middleware around the pages alone does not affect the Server.
func TestServerBesideCSRFMiddleware(t *testing.T) {
	pages := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, mount := range map[string]func(srv *mojo.Server) http.Handler{
		"gorilla/csrf":               func(srv *mojo.Server) http.Handler { return besideCSRF(srv, pages, make([]byte, 32)) },
		"http.CrossOriginProtection": func(srv *mojo.Server) http.Handler { return besideCrossOriginProtection(srv, pages) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := serve(t, mount(newServer(t, nil)))

			requireChat(t, site, siotest.Options{Transport: "polling"}, "")

			res, err := site.Client().Do(crossSitePost(t, site))
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusForbidden, res.StatusCode)
		})
	}
}

func crossSitePost(t *testing.T, site *siotest.Site) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site.URL+"/form", nil)
	require.NoError(t, err)
	r.Header.Set("Origin", otherSite)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return r
}
