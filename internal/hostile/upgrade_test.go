package hostile

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// If an upgrade to a WebSocket fails, the connection keeps polling, and another
// WebSocket may try to upgrade it.
func TestProbes(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, frames := range map[string][][]byte{
			"probe twice":                 {text("2probe"), text("2probe")},
			"data before the probe":       {text(`42["e"]`)},
			"data before the upgrade":     {text("2probe"), text(`42["e"]`)},
			"binary before the upgrade":   {text("2probe"), frame(ws.OpBinary, true, "x")},
			"upgrade before the probe":    {text("5")},
			"close packet":                {text("2probe"), text("1")},
			"a bad frame":                 {text("2probe"), withBits(0x40)},
			"a frame without its payload": {text("2probe"), claim(ws.OpText, true, 1<<62)},
			"a Close frame":               {text("2probe"), frame(ws.OpClose, true, "")},
			"half a character":            {text("2probe\xc3")},
			"a wrong probe":               {text("2prob")},
			"an open packet":              {text("0{}")},
		} {
			s.attack(t, name, func(t *testing.T) {
				a := s.attacker(t, "polling")
				payloads, _ := s.webSocket(t, a.target("websocket"), frames...).frames(t)
				for _, p := range payloads {
					require.Equal(t, "3probe", p)
				}
				require.Empty(t, s.app.events())
				s.requireLive(t, a)
				require.Equal(t, mojo.Polling, s.app.conn(t, a.socket.SID()).Transport())
				a.Engine.Upgrade()
				s.requireLive(t, a)
			})
		}
	})
}

// A connection that has a WebSocket, or a WebSocket that is probing, accepts no
// other WebSocket.
func TestUpgradeOfAWebSocket(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for _, transport := range []string{"websocket", "upgrade", "polling"} {
			s.attack(t, transport, func(t *testing.T) {
				a := s.attacker(t, transport)
				if transport == "polling" {
					a.Engine.Probe()
				}
				payloads, status := s.webSocket(t, a.target("websocket"), text("2probe"), text("5"), text(`42["e"]`)).frames(t)
				require.Empty(t, payloads)
				require.Equal(t, 1000, status)
				require.Empty(t, s.app.events())
				s.requireLive(t, a)
			})
		}
	})
}

// The server ends an upgrade that the client does not complete, and the
// connection keeps polling.
func TestUpgradeLeftPending(t *testing.T) {
	for name, frames := range map[string][][]byte{
		"before the probe": nil, "after the probe": {text("2probe")}, "within a frame": {text("2probe")[:3]},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSite(t, siotest.Memory, siteConfig{})
				a := s.attacker(t, "polling")
				begun := time.Now()
				w := s.webSocket(t, a.target("websocket"), frames...)
				require.NoError(t, w.SetDeadline(time.Time{}))
				_, _ = w.frames(t)
				require.Equal(t, 10*time.Second, time.Since(begun).Round(time.Second))
				s.requireLive(t, a)
				a.Engine.Upgrade()
				s.requireLive(t, a)
			})
		})
	}
}

// reset sends the bytes and then resets the TCP connection.
func (s *testSite) reset(t *testing.T, text string) {
	t.Helper()
	tcp, err := net.Dial("tcp", s.site.Host())
	require.NoError(t, err)
	require.NoError(t, tcp.(*net.TCPConn).SetLinger(0))
	conn := tcp
	if s.site.Network() == siotest.TLS {
		conn = tls.Client(tcp, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	}
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	require.NoError(t, tcp.Close())
}

// A TCP reset may come at any moment of a handshake or an upgrade.
func TestResets(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, frames := range map[string]string{
			"at once": "", "after a CONNECT": string(text("40")), "after a probe": string(text("2probe")),
			"after an upgrade": string(text("2probe")) + string(text("5")),
		} {
			s.attack(t, "handshake, "+name, func(t *testing.T) {
				for range e2e.Rounds(1000) {
					s.reset(t, upgrade(handshake("websocket"))+frames)
				}
				e2e.WaitUntil(t, "every request has ended", func() bool { return s.answers.started.Load() == s.answers.ended.Load() })
			})
			s.attack(t, "upgrade, "+name, func(t *testing.T) {
				for range e2e.Rounds(1000) {
					a := s.attacker(t, "polling")
					s.reset(t, upgrade(a.target("websocket"))+frames)
					if name != "after an upgrade" { // after an upgrade the reset may end the connection
						s.requireLive(t, a)
					}
					a.Close()
				}
			})
		}
		s.attack(t, "within the request", func(t *testing.T) {
			for i := range e2e.Rounds(1000) {
				all := upgrade(handshake("websocket"))
				s.reset(t, all[:i*len(all)/e2e.Rounds(1000)])
			}
		})
	})
}

func TestWebSocketOverHTTP2(t *testing.T) {
	s := newTestSite(t, siotest.TLS, siteConfig{})
	s.attack(t, "handshake and upgrade", func(t *testing.T) {
		client := siotest.Dial(t, s.site, siotest.Options{HTTP2: true})
		a := attacker{client, client.Connect("/", nil)}
		t.Cleanup(client.Close)
		for _, target := range []string{handshake("websocket"), a.target("websocket")} {
			res, err := s.site.HTTP2Client().Get(s.site.URL + target)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, 2, res.ProtoMajor)
			require.Equal(t, http.StatusBadRequest, res.StatusCode)
		}
		s.requireLive(t, a)
	})
}

// plainWriter hides the optional methods of a ResponseWriter.
type plainWriter struct{ http.ResponseWriter }

// With a ResponseWriter that cannot be hijacked, polling works and a request
// for a WebSocket gets an error status. The requests of the bystander have no
// such ResponseWriter.
func TestResponseWriterThatCannotBeHijacked(t *testing.T) {
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Plain") != "" {
				w = plainWriter{w}
			}
			next.ServeHTTP(w, r)
		})
	}
	for _, n := range []siotest.Network{siotest.TCP, siotest.TLS} {
		t.Run(n.Name, func(t *testing.T) {
			s := newTestSite(t, n, siteConfig{wrap: wrap})
			s.attack(t, "plain", func(t *testing.T) {
				client := siotest.Dial(t, s.site, siotest.Options{Header: http.Header{"X-Plain": {"1"}}})
				a := attacker{client, client.Connect("/", nil)}
				t.Cleanup(client.Close)
				for _, target := range []string{handshake("websocket"), a.target("websocket")} {
					got := s.ask(t, upgrade(target, "X-Plain: 1\r\nConnection: close\r\n"))
					requireRefused(t, got, http.StatusInternalServerError, codeBadRequest)
				}
				s.requireLive(t, a)
			})
		})
	}
}

// The http.Server's timeouts, which are shorter than the ping interval, end no
// poll, POST or WebSocket.
func TestSiteWithTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		network siotest.Network
		options siotest.Options
	}{
		"polling":   {siotest.TCP, siotest.Options{}},
		"TLS":       {siotest.TLS, siotest.Options{}},
		"HTTP/2":    {siotest.TLS, siotest.Options{HTTP2: true}},
		"WebSocket": {siotest.TCP, siotest.Options{Transport: "websocket"}},
		"upgrade":   {siotest.TLS, siotest.Options{Transport: "upgrade", HTTP2: true}},
	} {
		t.Run(name, func(t *testing.T) {
			short := time.Second // includes the TLS handshake, which may be slow
			if e2e.Long() {
				short = 5 * time.Second
			}
			s := newTestSite(t, c.network, siteConfig{
				opts:   mojo.Options{Timeouts: mojo.Timeouts{PingInterval: 2 * short}},
				server: &http.Server{ReadTimeout: short, WriteTimeout: short},
			})
			s.attack(t, "from one ping to the next", func(t *testing.T) {
				client := siotest.Dial(t, s.site, c.options)
				t.Cleanup(client.Close)
				a := attacker{client, client.Connect("/", nil)}
				for range 2 {
					client.Engine.NextPing()
					s.requireLive(t, a)
				}
			})
		})
	}
}
