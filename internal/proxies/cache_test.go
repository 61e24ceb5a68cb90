package proxies

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
)

const haproxyConfig = `
global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
cache shared
  total-max-size 4
  max-age 60
  process-vary %[3]s
frontend in
  bind %[1]s
  http-request cache-use shared
  http-response cache-store shared
  default_backend site
backend site
  server one %[2]s
`

const nginxConfig = `
daemon off;
master_process off;
pid %[4]s/nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  client_body_temp_path %[4]s/body;
  proxy_temp_path %[4]s/proxy;
  fastcgi_temp_path %[4]s/fastcgi;
  uwsgi_temp_path %[4]s/uwsgi;
  scgi_temp_path %[4]s/scgi;
  proxy_cache_path %[4]s/cache keys_zone=shared:1m;
  server {
    listen %[1]s;
    location / {
      proxy_pass http://%[2]s;
      proxy_cache shared;
      %[3]s
    }
  }
}
`

// A cache in front of a site gives the cookie of a visitor to no other visitor,
// even if the site permits caching. It still stores answers without a cookie.
func TestSharedCache(t *testing.T) {
	for name, test := range map[string]struct{ program, config, variant string }{
		"haproxy":                            {"haproxy", haproxyConfig, "off"},
		"haproxy, vary":                      {"haproxy", haproxyConfig, "on"},
		"nginx":                              {"nginx", nginxConfig, ""},
		"nginx, ignores Set-Cookie":          {"nginx", nginxConfig, "proxy_ignore_headers Set-Cookie;"},
		"nginx, ignores Set-Cookie and Vary": {"nginx", nginxConfig, "proxy_ignore_headers Set-Cookie Vary;"},
	} {
		t.Run(name, func(t *testing.T) {
			program := findProgram(t, test.program)
			cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
			require.NoError(t, err)
			srv, err := mojo.New(mojo.Options{Cookies: cookies})
			require.NoError(t, err)
			var served atomic.Int64
			site := httptest.NewServer(srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "public, max-age=60")
				fmt.Fprintf(w, "answer %d", served.Add(1))
			})))
			t.Cleanup(site.Close)
			proxy := startProxy(t, program, test.config, site.Listener.Addr().String(), test.variant)

			seen := map[string]bool{}
			for range 5 {
				cookie := get(t, proxy, "document").Header.Get("Set-Cookie")
				require.NotEmpty(t, cookie)
				require.False(t, seen[cookie], "the cookie of another visitor")
				seen[cookie] = true
			}

			require.EqualValues(t, 5, served.Load())
			for range 5 {
				require.Empty(t, get(t, proxy, "image").Header.Get("Set-Cookie"))
			}
			require.EqualValues(t, 6, served.Load(), "the answer for an image has no cookie and is cached")
		})
	}
}

func get(t *testing.T, proxy, dest string) *http.Response {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+proxy+"/"+dest+".js", nil)
	require.NoError(t, err)
	r.Header.Set("Sec-Fetch-Dest", dest)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	return res
}

// findProgram returns the path of a program.
func findProgram(t *testing.T, program string) string {
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("MOJO_INTEROP") == "require" {
		t.Fatalf("%s is not installed, and MOJO_INTEROP is require", program)
	}
	t.Skipf("%s is not installed", program)
	return ""
}

// startProxy runs a proxy in front of a site and returns its address.
func startProxy(t *testing.T, program, config, site, variant string) string {
	addr := freeAddr(t)
	return run(t, program, addr, func(dir string) string {
		args := []any{addr, site, variant, dir}
		if config == haproxyConfig {
			args = args[:3]
		}
		return fmt.Sprintf(config, args...)
	})
}
