package cluster

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// roundRobin serves the sites behind one address and sends each request to the
// next of them.
func roundRobin(t *testing.T, sites []*siotest.Site) *siotest.Site {
	t.Helper()
	var requests atomic.Int64
	return siotest.Serve(t, siotest.TCP, &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			site := sites[int(requests.Add(1))%len(sites)]
			target, err := url.Parse(site.URL)
			if err != nil {
				t.Error(err)
			}
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
	})
}

// Behind a load balancer that sends each request to another node, nothing is
// lost, and the claim of a login is proven.
func TestRelay(t *testing.T) {
	for _, transport := range e2e.Transports {
		t.Run(transport, func(t *testing.T) {
			bus := cluster.NewMemory()
			h := e2e.NewWatchingApp()
			var handlers [2]atomic.Pointer[mojo.Server]
			var servers []*mojo.Server
			var sites []*siotest.Site
			for i := range handlers {
				site := siotest.Serve(t, siotest.TCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					handlers[i].Load().ServeHTTP(w, r)
				}))
				srv := e2e.NewServer(t, mojo.Options{
					Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Cluster: bus, Advertise: site.URL,
				})
				e2e.Register(t, srv, "Chat", h)
				handlers[i].Store(srv)
				servers, sites = append(servers, srv), append(sites, site)
			}
			e2e.WaitUntil(t, "both nodes know each other", func() bool {
				return len(servers[0].Nodes()) == 2 && len(servers[1].Nodes()) == 2
			})
			h.Message = func(c *mojo.Conn, m *mojo.Message) {
				var number int
				if err := m.Decode(&number); err != nil {
					t.Error(err)
				}
				_ = c.Emit("echo", number)
			}
			balancer := roundRobin(t, sites)

			client := siotest.Dial(t, balancer, siotest.Options{Transport: transport, Header: e2e.CookieHeader(e2e.SessionCookie("s"))})
			socket := client.Connect(e2e.ChatNamespace, nil)
			for i := range e2e.Rounds(10_000) {
				socket.Emit("in", i)
				socket.Expect("echo", i)
			}
			conn := e2e.Await(t, h.Accepted)
			login := servers[0]
			if login.CurrentSessions().Local().Has("s") {
				login = servers[1]
			}
			n := &node{Server: login}
			header := n.logIn(t, "ann", e2e.SessionCookie("s"))
			client.Engine.SetHeader(header)
			e2e.FollowLogin(t, balancer, header, socket)
			require.Equal(t, "ann", conn.UserID())
		})
	}
}

// When a node shuts down, the WebSockets end that it has passed on, and its
// connections to other nodes.
func TestRelayEndsWithItsNode(t *testing.T) {
	bus, app := cluster.NewMemory(), e2e.NewApp()
	var relaying, serving atomic.Pointer[mojo.Server]
	var open atomic.Int64 // connections to the site that serves
	handler := func(srv *atomic.Pointer[mojo.Server]) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { srv.Load().ServeHTTP(w, r) })
	}
	sites := []*siotest.Site{
		siotest.Serve(t, siotest.TCP, handler(&relaying)),
		siotest.ServeServer(t, siotest.TCP, &http.Server{Handler: handler(&serving), ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		}}),
	}
	for i, srv := range []*atomic.Pointer[mojo.Server]{&relaying, &serving} {
		srv.Store(e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Cluster: bus, Advertise: sites[i].URL}))
		e2e.Register(t, srv.Load(), "Chat", app)
	}
	e2e.WaitUntil(t, "both nodes know each other", func() bool {
		return len(relaying.Load().Nodes()) == 2 && len(serving.Load().Nodes()) == 2
	})
	address := sites[1].Host()
	client := siotest.Dial(t, sites[1], siotest.Options{Transport: "polling", Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}})
	client.Connect(e2e.ChatNamespace, nil)
	address = sites[0].Host()
	client.Upgrade()
	client.Barrier() // the other node has completed the upgrade
	// A poll is refused now. It leaves a connection between the nodes that is idle.
	answer := e2e.Do(t, sites[0], http.MethodGet, sites[0].URL+handshake+"&sid="+client.Engine.Handshake.SID, nil, "")
	require.Equal(t, http.StatusBadRequest, answer.Status, answer.Body)
	require.NotZero(t, open.Load())

	e2e.Shutdown(t, relaying.Load())

	client.Engine.AwaitClosed()
	e2e.WaitUntil(t, "the connections to the other node have ended", func() bool { return open.Load() == 0 })
	e2e.Await(t, app.Ended)
}

// Without Advertise, and for nodes that are gone, the answer is that of a
// Server that does not know the connection. A request is passed on once.
func TestRelayOfUnknownConnections(t *testing.T) {
	bus := cluster.NewMemory()
	a, b := start(t, bus), start(t, bus)
	e2e.WaitUntil(t, "both nodes know each other", func() bool { return len(a.Nodes()) == 2 && len(b.Nodes()) == 2 })
	for _, id := range []string{"unknown", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", b.Nodes()[0].Name + "x"} {
		answer := e2e.Do(t, a.site, http.MethodGet, a.site.URL+handshake+"&sid="+id, nil, "")
		require.Equal(t, http.StatusBadRequest, answer.Status)
		require.Contains(t, answer.Body, "Session ID unknown")
	}
}
