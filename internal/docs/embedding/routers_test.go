package embedding

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// In each router a user can log in, and the connections of the browser have
// that user.
func TestRouters(t *testing.T) {
	for name, mount := range map[string]func(srv *mojo.Server) http.Handler{
		"gin":         withGin,
		"echo":        withEcho,
		"chi":         withChi,
		"besideFiber": besideFiber,
		"beside":      func(srv *mojo.Server) http.Handler { return beside(srv, loginPage(srv)) },
	} {
		for _, transport := range transports {
			t.Run(name+", "+transport, func(t *testing.T) {
				t.Parallel()
				site := serve(t, mount(newServer(t, nil)))

				jar := logIn(t, site, nil, "ann")

				requireChat(t, site, siotest.Options{Transport: transport, Jar: jar}, "ann")
			})
		}
	}
}

// loginPage returns a handler that logs in every user without a password.
func loginPage(srv *mojo.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_ = srv.LogIn(w, r, r.PostFormValue("user"))
		}
	})
}

func TestFiberPageKnowsTheUser(t *testing.T) {
	site := serve(t, besideFiber(newServer(t, nil)))
	browser := *site.Client()
	browser.Jar = logIn(t, site, nil, "ann")

	res, err := browser.Get(site.URL + "/me")

	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "ann", string(body))
}

func TestServerInFiber(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			site, dial := serveFiber(t, withFiber(newServer(t, nil)))

			jar := logIn(t, site, dial, "ann")

			requireChat(t, site, siotest.Options{Transport: transport, Jar: jar, Dial: dial}, "ann")
		})
	}
}

// serveFiber runs an app on fasthttp. The client uses the Site for its options,
// and the returned function to dial.
func serveFiber(t *testing.T, app *fiber.App) (*siotest.Site, dialFunc) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
	t.Cleanup(func() {
		require.NoError(t, app.Shutdown())
		require.NoError(t, <-served)
	})
	return siotest.Serve(t, siotest.TCP, http.NotFoundHandler()), func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}
}
