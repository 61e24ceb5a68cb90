package proxies

import (
	"context"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// documented is a proxy whose configuration docs/embedding.md shows.
type documented struct {
	program string
	listen  string // the line of the configuration with port 80
	address string // replaces listen; contains ADDRESS
	sticky  string // the line for sticky sessions
	spread  string // replaces sticky; selects the processes in turn
	around  string // the rest of the configuration; contains DOCUMENTED
}

var proxies = map[string]documented{
	"nginx": {
		program: "nginx", listen: "listen 80;", address: "listen ADDRESS;", sticky: "ip_hash;",
		around: nginxAround,
	},
	"haproxy": {
		program: "haproxy", listen: "bind :80", address: "bind ADDRESS", sticky: "cookie process insert indirect nocache",
		around: "DOCUMENTED",
	},
	"caddy": {
		program: "caddy", listen: ":80 {", address: "http://ADDRESS {", sticky: "lb_policy cookie process", spread: "lb_policy round_robin",
		around: "{\n\tadmin off\n\tauto_https off\n}\nDOCUMENTED",
	},
}

const pingInterval = 300 * time.Millisecond

const nginxAround = `
daemon off;
master_process off;
pid DIR/nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  client_body_temp_path DIR/body;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi;
  scgi_temp_path DIR/scgi;
  DOCUMENTED
}
`

// A page of the site reaches the same process through each proxy, with each
// transport.
func TestDocumentedProxies(t *testing.T) {
	for name, proxy := range proxies {
		for _, transport := range []string{"polling", "websocket", "upgrade"} {
			t.Run(name+", "+transport, func(t *testing.T) {
				page := openPage(t, startDocumented(t, proxy, proxy.config(t)))
				for range 3 {
					client := siotest.Dial(t, page.site, page.options(transport))
					chat := client.Connect("/ChatSocket", nil)
					chat.Emit("say", "hello")
					chat.Expect("said", "hello")
					client.Engine.NextPing()
					client.Close()
				}
			})
		}
	}
}

// Without sticky sessions the other process refuses the requests of a polling
// client.
func TestDocumentedProxiesWithoutStickySessions(t *testing.T) {
	for name, proxy := range proxies {
		t.Run(name, func(t *testing.T) {
			page := openPage(t, startDocumented(t, proxy, replace(t, proxy.config(t), proxy.sticky, proxy.spread)))
			engine := siotest.Open(t, page.site, page.options("polling"))

			siotest.NewClient(engine).SendConnect("/ChatSocket", nil)

			require.Equal(t, siotest.ReasonError, engine.AwaitClosed())
			var refusal *siotest.HTTPError
			require.ErrorAs(t, engine.Err(), &refusal)
			require.Equal(t, http.StatusBadRequest, refusal.Status)
		})
	}
}

// config returns the configuration that the page shows for the program.
func (d documented) config(t *testing.T) string {
	text, err := os.ReadFile("../../docs/embedding.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n```"+d.program+"\n")
	require.True(t, found, "docs/embedding.md has no configuration for %s", d.program)
	config, _, _ := strings.Cut(rest, "```")
	return config
}

// replace replaces old, which the configuration must contain exactly once.
func replace(t *testing.T, config, old, now string) string {
	require.Equal(t, 1, strings.Count(config, old), "%q in %s", old, config)
	return strings.Replace(config, old, now, 1)
}

// startDocumented runs a proxy in front of two processes of a site, and returns
// the address of the proxy.
func startDocumented(t *testing.T, d documented, config string) string {
	program := findProgram(t, d.program)
	addr := freeAddr(t)
	config = replace(t, config, d.listen, strings.Replace(d.address, "ADDRESS", addr, 1))
	for _, process := range []string{"127.0.0.1:8001", "127.0.0.1:8002"} {
		config = replace(t, config, process, siotest.Serve(t, siotest.TCP, newChat(t)).Host())
	}
	return run(t, program, addr, func(dir string) string {
		return strings.NewReplacer("DIR", dir, "DOCUMENTED", config).Replace(d.around)
	})
}

// newChat returns the Server of a process of the site.
func newChat(t *testing.T) *mojo.Server {
	srv, err := mojo.New(mojo.Options{Timeouts: mojo.Timeouts{PingInterval: pingInterval}})
	require.NoError(t, err)
	var chat mojo.Events
	mojo.On(&chat, "say", func(c *mojo.Conn, text string) error { return c.Emit("said", text) })
	_, err = srv.Register("Chat", chat.Handler())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return srv
}

// page is a page of the site behind a proxy, in a browser with cookies.
type page struct {
	site *siotest.Site // gives the origin; the connections use dial
	dial func(ctx context.Context) (net.Conn, error)
	jar  http.CookieJar
}

func openPage(t *testing.T, proxy string) page {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return page{
		site: siotest.Serve(t, siotest.TCP, http.NotFoundHandler()),
		dial: func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", proxy) },
		jar:  jar,
	}
}

func (p page) options(transport string) siotest.Options {
	return siotest.Options{
		Transport: transport,
		Header:    http.Header{"Origin": {p.site.URL}},
		Jar:       p.jar,
		Dial:      p.dial,
	}
}
