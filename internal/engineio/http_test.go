package engineio

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestSiteWithShortTimeouts: timeouts that a site sets for its pages do not end
// a poll, a POST that waits, or a WebSocket.
func TestSiteWithShortTimeouts(t *testing.T) {
	const short = time.Second // the TLS handshake and the headers must arrive in this time, also on a slow machine
	for name, c := range map[string]struct {
		network siotest.Network
		options siotest.Options
	}{
		"polling":             {siotest.TCP, siotest.Options{}},
		"polling over TLS":    {siotest.TLS, siotest.Options{}},
		"polling over HTTP/2": {siotest.TLS, siotest.Options{HTTP2: true}},
		"WebSocket":           {siotest.TCP, siotest.Options{Transport: "websocket"}},
		"WebSocket over TLS":  {siotest.TLS, siotest.Options{Transport: "websocket"}},
		"upgrade":             {siotest.TCP, siotest.Options{Transport: "upgrade"}},
		"upgrade from HTTP/2": {siotest.TLS, siotest.Options{Transport: "upgrade", HTTP2: true}},
		"polling in memory":   {siotest.Memory, siotest.Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, func(o *Options) {
				o.PingInterval = 3 * short
				o.PingTimeout = timeout
				o.MaxInbound = 1
			})
			h.site = siotest.ServeServer(t, c.network, &http.Server{Handler: h, ReadTimeout: short, WriteTimeout: short})
			h.message = func(p *peer, data []byte, _ bool) error {
				p.Hold(2)
				time.AfterFunc(3*short, func() { p.Release(2) }) // the POST is answered then
				return p.Send(NewText(data))
			}
			client, _ := h.connect(c.options)
			for range 2 {
				client.NextPing() // after three times the timeout
				requireEcho(t, client)
				client.Flush()
			}
		})
	}
}

// TestDeadlinesDoNotStayOnAConnection: the deadline of an answer of the engine
// does not apply to the site's pages, which may use the same connection.
func TestDeadlinesDoNotStayOnAConnection(t *testing.T) {
	for name, c := range map[string]string{"poll": "EIO=4&transport=polling", "refusal": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, nil)
				mux := http.NewServeMux()
				mux.Handle("/", h)
				mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(h.opts.PingTimeout + refusalTimeout)
					_, _ = w.Write([]byte("slow"))
				})
				h.site = siotest.Serve(t, siotest.Memory, mux)
				_ = h.do("GET", "/?"+c, "")
				require.Equal(t, "slow", h.do("GET", "/slow", "").body)
			})
		})
	}
}

// plainWriter is a ResponseWriter without Flush, Hijack and Unwrap.
type plainWriter struct{ http.ResponseWriter }

// unwrapper is a plainWriter with Unwrap, which http.ResponseController uses.
type unwrapper struct{ plainWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func TestWrappedResponseWriter(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := newHost(t, nil)
		h.site = siotest.Serve(t, n, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(unwrapper{plainWriter{w}}, r)
		}))
		for _, transport := range []string{"polling", "websocket", "upgrade"} {
			client, _ := h.connect(siotest.Options{Transport: transport})
			requireEcho(t, client)
			client.Close()
		}
	})
}

// TestResponseWriterWithoutHijack: polling works if a connection cannot be
// taken over. A WebSocket gets an error, and a session that tries to upgrade
// goes on.
func TestResponseWriterWithoutHijack(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := newHost(t, nil)
		h.site = siotest.Serve(t, n, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(plainWriter{w}, r)
		}))
		client, _ := h.connect(siotest.Options{})
		requireEcho(t, client)
		requireError(t, h.do("GET", "/?EIO=4&transport=websocket&sid="+client.Handshake.SID, "", upgradeHeaders...), 500, codeBadRequest)
		requireEcho(t, client)

		requireError(t, h.do("GET", "/?EIO=4&transport=websocket", "", upgradeHeaders...), 500, codeBadRequest)
		require.Equal(t, TransportError, h.next().awaitEnd())
	})
}

func TestWebSocketOverHTTP2IsRefused(t *testing.T) {
	h := serve(t, siotest.TLS, nil)
	polling, _ := h.connect(siotest.Options{HTTP2: true})
	for _, url := range []string{h.site.URL + "/?EIO=4&transport=websocket", polling.URL("websocket")} {
		res, err := h.site.HTTP2Client().Get(url)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, 2, res.ProtoMajor)
		require.Equal(t, http.StatusBadRequest, res.StatusCode)
	}
	requireEcho(t, polling)
}

// TestPollingOverHTTP2: a client that aborts its poll over HTTP/2 leaves the
// connection usable.
func TestPollingOverHTTP2(t *testing.T) {
	h := serve(t, siotest.TLS, nil)
	client, p := h.connect(siotest.Options{HTTP2: true})
	big := make([]byte, 500_000)
	require.NoError(t, p.Send(NewBinary(big)))
	require.Len(t, client.Next().Data, len(big))
	h.awaitPoll(p)
	client.Drop()
	require.Equal(t, TransportError, p.awaitEnd())
}
