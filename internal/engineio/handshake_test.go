package engineio

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

func TestHandshakeAnswer(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		a := h.do("GET", "/?EIO=4&transport=polling", "")
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, "text/plain; charset=UTF-8", a.header.Get("Content-Type"))
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		p := h.next()
		require.Equal(t, `0{"sid":"`+p.ID()+`","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`, a.body)
		require.Len(t, p.ID(), 26)
		p.Close(ForcedClose)
	})
}

func TestHandshakeOffersPossibleUpgrades(t *testing.T) {
	for name, c := range map[string]struct {
		served    []Transport
		transport string
		upgrades  []string
	}{
		"polling with WebSocket":    {[]Transport{Polling, WebSocket}, "polling", []string{"websocket"}},
		"polling without WebSocket": {[]Transport{Polling}, "polling", []string{}},
		"WebSocket":                 {[]Transport{Polling, WebSocket}, "websocket", []string{}},
		"WebSocket alone":           {[]Transport{WebSocket}, "websocket", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, siotest.Memory, func(o *Options) { o.Transports = c.served })
			client, _ := h.connect(siotest.Options{Transport: c.transport})
			require.Equal(t, c.upgrades, client.Handshake.Upgrades)
			requireEcho(t, client)
		})
	}
}

func TestHandshakeWithATransportThatIsNotServed(t *testing.T) {
	h := serve(t, siotest.Memory, func(o *Options) { o.Transports = []Transport{Polling} })
	requireError(t, h.do("GET", "/?EIO=4&transport=websocket", "", upgradeHeaders...), 400, codeTransport)
	client, _ := h.connect(siotest.Options{})
	requireError(t, h.do("GET", "/?EIO=4&transport=websocket&sid="+client.Handshake.SID, "", upgradeHeaders...), 400, codeTransport)
	requireEcho(t, client)

	h = serve(t, siotest.Memory, func(o *Options) { o.Transports = []Transport{WebSocket} })
	requireError(t, h.do("GET", "/?EIO=4&transport=polling", ""), 400, codeTransport)
}

func TestHandshakeRefusedByOpen(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"closed":        {ErrClosed, http.StatusServiceUnavailable},
		"another error": {errors.New("a secret"), http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, siotest.TCP, func(o *Options) {
				o.Open = func(*Session, *http.Request) (Handler, http.Header, error) { return nil, nil, c.err }
			})
			for _, transport := range []string{"polling", "websocket"} {
				a := h.do("GET", "/?EIO=4&transport="+transport, "", upgradeHeaders...)
				requireError(t, a, c.status, codeForbidden)
				require.NotContains(t, a.body, "secret")
			}
			sessions, links := h.counts()
			require.Zero(t, sessions+links)
		})
	}
}

// TestHandlerThatSendsDuringTheHandshake: messages that are sent before the
// handshake is answered follow the open packet. If the session is closed
// before, the handshake is refused.
func TestHandlerThatSendsDuringTheHandshake(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, func(o *Options) {
			opened := o.Open
			o.Open = func(s *Session, r *http.Request) (Handler, http.Header, error) {
				require.NoError(t, s.Send(NewText([]byte("first"))))
				require.NoError(t, s.Send(NewText([]byte("second"))))
				if r.Header.Get("Close") != "" {
					s.Close(ForcedClose)
					require.ErrorIs(t, s.Send(NewText([]byte("third"))), ErrClosed)
				}
				return opened(s, r)
			}
		})
		for _, transport := range []string{"polling", "websocket"} {
			client, _ := h.connect(siotest.Options{Transport: transport})
			require.Equal(t, "first", client.Next().Text)
			require.Equal(t, "second", client.Next().Text)

			a := h.do("GET", "/?EIO=4&transport="+transport, "", append(upgradeHeaders, "Close", "1")...)
			requireError(t, a, http.StatusForbidden, codeForbidden)
			require.Equal(t, ForcedClose, h.next().awaitEnd())
		}
	})
}

// TestHandshakeWithPacketsBehindIt: packets in the same segment as the
// handshake of a WebSocket are not lost.
func TestHandshakeWithPacketsBehindIt(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		for range 20 {
			client, _ := h.connect(siotest.Options{Transport: "websocket", Early: []string{"4one", "4two"}})
			require.Equal(t, "one", client.Next().Text)
			require.Equal(t, "two", client.Next().Text)
			requireEcho(t, client)
			client.Close()
		}
	})
}

// TestHandshakeWithABadPacketBehindIt: a bad packet in the same segment ends
// the session, but the handshake is answered.
func TestHandshakeWithABadPacketBehindIt(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		for range 20 {
			client, p := h.connect(siotest.Options{Transport: "websocket", Early: []string{"9"}})
			require.Equal(t, siotest.ReasonCloseFrame, client.AwaitClosed())
			require.Equal(t, ParseError, p.awaitEnd())
		}
	})
}
