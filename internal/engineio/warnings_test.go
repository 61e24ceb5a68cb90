package engineio

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

func TestRefusedHandshakes(t *testing.T) {
	h := serve(t, siotest.TCP, nil)
	for name, c := range map[string]struct {
		method, query string
		code          errorCode
	}{
		"no query":                {"GET", "", codeTransport},
		"transport missing":       {"GET", "EIO=4", codeTransport},
		"transport empty":         {"GET", "EIO=4&transport=", codeTransport},
		"transport repeated":      {"GET", "EIO=4&transport=polling&transport=polling", codeTransport},
		"two transports":          {"GET", "EIO=4&transport=polling&transport=websocket", codeTransport},
		"transport unknown":       {"GET", "EIO=4&transport=smoke", codeTransport},
		"transport in capitals":   {"GET", "EIO=4&transport=Polling", codeTransport},
		"transport __proto__":     {"GET", "EIO=4&transport=__proto__", codeTransport},
		"transport with NUL":      {"GET", "EIO=4&transport=polling%00", codeTransport},
		"transport badly escaped": {"GET", "EIO=4&transport=polling%zz", codeTransport},
		"revision missing":        {"GET", "transport=polling", codeProtocol},
		"revision 3":              {"GET", "EIO=3&transport=polling", codeProtocol},
		"revision 5":              {"GET", "EIO=5&transport=polling", codeProtocol},
		"two revisions":           {"GET", "EIO=4&EIO=3&transport=polling", codeProtocol},
		"revision 4,3":            {"GET", "EIO=4,3&transport=polling", codeProtocol},
		"revision 3, WebSocket":   {"GET", "EIO=3&transport=websocket", codeProtocol},
		"POST":                    {"POST", "EIO=4&transport=polling", codeMethod},
		"PUT":                     {"PUT", "EIO=4&transport=polling", codeMethod},
		"DELETE":                  {"DELETE", "EIO=4&transport=polling", codeMethod},
		"POST for a WebSocket":    {"POST", "EIO=4&transport=websocket", codeMethod},
		"no WebSocket handshake":  {"GET", "EIO=4&transport=websocket", codeBadRequest},
		"sid empty":               {"GET", "EIO=4&transport=polling&sid=", codeUnknownSID},
		"sid unknown":             {"GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAAAA", codeUnknownSID},
		"sid unknown, POST":       {"POST", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAAAA", codeUnknownSID},
		"sid unknown, WebSocket":  {"GET", "EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAAAAAA", codeUnknownSID},
		"sid of 64 KB":            {"GET", "EIO=4&transport=polling&sid=" + strings.Repeat("A", 64<<10), codeUnknownSID},
		"sid with NUL":            {"GET", "EIO=4&transport=polling&sid=%00", codeUnknownSID},
		"sid not UTF-8":           {"GET", "EIO=4&transport=polling&sid=%ff%fe", codeUnknownSID},
		"sid __proto__":           {"GET", "EIO=4&transport=polling&sid=__proto__", codeUnknownSID},
	} {
		t.Run(name, func(t *testing.T) {
			requireError(t, h.do(c.method, "/?"+c.query, ""), http.StatusBadRequest, c.code)
		})
	}
	a := h.do("HEAD", "/?EIO=4&transport=polling", "")
	require.Equal(t, http.StatusBadRequest, a.status)
	require.Empty(t, a.body)
	require.Empty(t, h.opened, "a session was opened")
}

// TestRefusedRequestsLeaveTheSessionAlone: a refused request does not end the
// session that it names.
func TestRefusedRequestsLeaveTheSessionAlone(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{})
		upgraded, _ := h.connect(siotest.Options{Transport: "websocket"})
		sid := "sid=" + client.Handshake.SID
		for name, c := range map[string]struct {
			method, query string
			code          errorCode
		}{
			"transport missing":          {"GET", "EIO=4&" + sid, codeTransport},
			"transport unknown":          {"POST", "EIO=4&transport=__proto__&" + sid, codeTransport},
			"sid repeated":               {"GET", "EIO=4&transport=polling&" + sid + "&" + sid, codeUnknownSID},
			"revision missing, GET":      {"GET", "transport=polling&" + sid, codeProtocol},
			"revision 3, POST":           {"POST", "EIO=3&transport=polling&" + sid, codeProtocol},
			"revision 4,3, upgrade":      {"GET", "EIO=4,3&transport=websocket&" + sid, codeProtocol},
			"two revisions":              {"GET", "EIO=3&EIO=4&transport=polling&" + sid, codeProtocol},
			"PUT":                        {"PUT", "EIO=4&transport=polling&" + sid, codeBadRequest},
			"DELETE":                     {"DELETE", "EIO=4&transport=polling&" + sid, codeBadRequest},
			"POST for a WebSocket":       {"POST", "EIO=4&transport=websocket&" + sid, codeBadRequest},
			"upgrade without the header": {"GET", "EIO=4&transport=websocket&" + sid, codeBadRequest},
			"poll of a WebSocket":        {"GET", "EIO=4&transport=polling&sid=" + upgraded.Handshake.SID, codeBadRequest},
			"POST to a WebSocket":        {"POST", "EIO=4&transport=polling&sid=" + upgraded.Handshake.SID, codeBadRequest},
		} {
			t.Run(name, func(t *testing.T) {
				requireError(t, h.do(c.method, "/?"+c.query, ""), http.StatusBadRequest, c.code)
				requireEcho(t, client)
				requireEcho(t, upgraded)
			})
		}
		require.True(t, p.live())
	})
}

func TestRefusedWebSocketHandshakes(t *testing.T) {
	for name, c := range map[string]struct{ header, value string }{
		"Connection":        {"Connection", "keep-alive"},
		"Upgrade":           {"Upgrade", "h2c"},
		"Key missing":       {"Sec-WebSocket-Key", ""},
		"Key too short":     {"Sec-WebSocket-Key", "dGhl"},
		"Version missing":   {"Sec-WebSocket-Version", ""},
		"Version not 13":    {"Sec-WebSocket-Version", "8"},
		"Version not first": {"Sec-WebSocket-Version", "8, 13"},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, siotest.TCP, nil)
			headers := append([]string{}, upgradeHeaders...)
			for i := 0; i < len(headers); i += 2 {
				if headers[i] == c.header {
					headers[i+1] = c.value
				}
			}
			requireError(t, h.do("GET", "/?EIO=4&transport=websocket", "", headers...), http.StatusBadRequest, codeBadRequest)
			require.Empty(t, h.opened)
		})
	}
}

// TestRefusalDoesNotWaitForTheBody: a refused request is answered before its
// body has arrived.
func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, _ := h.connect(siotest.Options{})
		sid := "&sid=" + client.Handshake.SID
		for name, request := range map[string]string{
			"sid unknown":       "POST /?EIO=4&transport=polling&sid=x",
			"no sid":            "POST /?EIO=4&transport=polling",
			"transport unknown": "POST /?EIO=4&transport=x" + sid,
			"poll":              "GET /?EIO=4&transport=polling" + sid,
			"handshake":         "GET /?EIO=4&transport=polling",
			"preflight":         "OPTIONS /?EIO=4&transport=polling" + sid,
			"PUT":               "PUT /?EIO=4&transport=polling" + sid,
		} {
			for _, body := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
				t.Run(name+", "+body, func(t *testing.T) {
					conn, err := h.site.Dial(t.Context())
					require.NoError(t, err)
					defer conn.Close()
					require.NoError(t, conn.SetDeadline(time.Now().Add(timeout)))
					_, err = fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", request, body)
					require.NoError(t, err)
					res, err := http.ReadResponse(bufio.NewReader(conn), nil)
					require.NoError(t, err)
					res.Body.Close()
					require.Equal(t, http.StatusBadRequest, res.StatusCode)
				})
			}
		}
		requireEcho(t, client)
	})
}

// TestWebSocketHandshakeWithListsInHeaders: a header may be a list, or several
// lines.
func TestWebSocketHandshakeWithListsInHeaders(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, _ := h.connect(siotest.Options{Transport: "websocket", Header: http.Header{
			"Connection": {"keep-alive", "foo, Upgrade"},
			"Upgrade":    {"h2c, WebSocket"},
		}})
		requireEcho(t, client)
	})
}

func TestParseQuery(t *testing.T) {
	for raw, want := range map[string]query{
		"":                      {},
		"EIO=4&transport=x&t=1": {eio: parameter{"4", 1, false}, transport: parameter{"x", 1, false}},
		"sid":                   {sid: parameter{"", 1, false}},
		"sid=a+b%20c&sid=d":     {sid: parameter{"d", 2, true}},
		"EIO=4&EIO=4":           {eio: parameter{"4", 2, false}},
		"b64=1":                 {base64: true},
		"b64=true":              {base64: true},
		"b64":                   {},
		"b64=0":                 {},
		"b64=false":             {},
		"&&=&EIO=%zz":           {eio: parameter{"", 1, false}},
	} {
		require.Equal(t, want, parseQuery(raw), raw)
	}
}

func TestParseQueryTakesNoMemoryForOtherParameters(t *testing.T) {
	raw := strings.Repeat("a=b&", 100_000) + "EIO=4"
	allocs := siotest.AllocsPerRun(10, func() { require.Equal(t, "4", parseQuery(raw).eio.value) })
	require.Less(t, allocs, 10.0)
}

func FuzzParseQuery(f *testing.F) {
	f.Add("EIO=4&transport=polling&sid=a%20b&b64=1")
	f.Add("EIO=4&EIO=3;transport=__proto__&sid=%00&sid=%zz")
	f.Fuzz(func(t *testing.T, raw string) {
		q := parseQuery(raw)
		values, err := url.ParseQuery(raw)
		if err != nil { // net/url ignores such a parameter; parseQuery counts it
			return
		}
		for name, p := range map[string]parameter{"EIO": q.eio, "transport": q.transport, "sid": q.sid} {
			all := values[name]
			if len(all) < p.count {
				t.Fatalf("%s: %d values, want %q", name, p.count, all)
			}
			if p.count > 0 && p.count == len(all) && p.value != all[len(all)-1] {
				t.Fatalf("%s: %q, want %q", name, p.value, all)
			}
		}
	})
}
