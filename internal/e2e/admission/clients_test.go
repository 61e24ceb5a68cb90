package admission

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// A repeated revision is accepted if all of them are 4.
func TestRepeatedRevision(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{})
	require.Equal(t, 200, get(srv, pollURL+"&EIO=4", nil).Code)
	require.Equal(t, 400, get(srv, pollURL+"&EIO=3", nil).Code)
}

// Options.Subprotocol chooses the subprotocol of a WebSocket among those that
// the client offers. Without it the Server chooses the first one.
func TestSubprotocol(t *testing.T) {
	second := func(_ *http.Request, offered []string) string { return offered[len(offered)-1] }
	for name, c := range map[string]struct {
		choose  func(*http.Request, []string) string
		offered []string
		want    string
	}{
		"none offered":  {},
		"the first":     {nil, []string{"my.v1, my.v2"}, "my.v1"},
		"no token":      {nil, []string{"a b,,\"x\"", "my.v1"}, "my.v1"},
		"chosen":        {second, []string{"my.v1", "my.v2"}, "my.v2"},
		"none chosen":   {func(*http.Request, []string) string { return "" }, []string{"my.v1"}, ""},
		"not offered":   {func(*http.Request, []string) string { return "x" }, []string{"my.v1"}, ""},
		"panic":         {func(*http.Request, []string) string { panic("x") }, []string{"my.v1"}, ""},
		"only nonsense": {second, []string{"a b"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := e2e.NewServer(t, mojo.Options{Subprotocol: c.choose})
			site := siotest.Serve(t, siotest.TCP, srv)
			sid := ""
			for _, opened := range []bool{false, true} { // with a handshake, or with an upgrade
				if opened {
					open := e2e.Do(t, site, "GET", site.URL+pollURL, nil, "").Body
					_, sid, _ = strings.Cut(open, `"sid":"`)
					sid, _, _ = strings.Cut(sid, `"`)
					sid = "&sid=" + sid
				}
				header := http.Header{}
				if c.offered != nil {
					header["Sec-Websocket-Protocol"] = c.offered
				}
				got := switchedTo(t, site, site.URL+"/socket.io/?EIO=4&transport=websocket"+sid, header)
				require.Equal(t, c.want, got)
			}
		})
	}
}

// switchedTo returns the subprotocol of the WebSocket that a request opens.
func switchedTo(t *testing.T, site *siotest.Site, url string, header http.Header) string {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	require.NoError(t, err)
	r.Header = header
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	resp, err := site.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 101, resp.StatusCode)
	return resp.Header.Get("Sec-WebSocket-Protocol")
}

// Auth data that is not an object is ignored, as older clients send it.
func TestNumericAuth(t *testing.T) {
	auths := make(chan string, 2)
	srv := e2e.NewServer(t, mojo.Options{})
	e2e.Handle(t, srv, "/", (&mojo.Events{Connect: func(c *mojo.Conn) error {
		auths <- string(c.Handshake().Auth)
		return nil
	}}).Handler())
	client := siotest.Open(t, siotest.Serve(t, siotest.TCP, srv), siotest.Options{Transport: "websocket"})
	for _, connect := range []string{"042", "012345678901234567890"} {
		client.Send(connect)
		require.Empty(t, e2e.Await(t, auths))
		require.Contains(t, client.Next().Text, `0{"sid":`)
	}
}

// If a page's own data looks like a placeholder, the event is refused and the
// connection stays.
func TestPlaceholderAsData(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		log := new(e2e.Log)
		srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
		ev := new(mojo.Events)
		mojo.On(ev, "e", func(c *mojo.Conn, _ string) error { return nil })
		e2e.Handle(t, srv, "/", ev.Handler())
		client := siotest.Open(t, siotest.Serve(t, n, srv), siotest.Options{Transport: transport})
		client.Send("0")
		client.Next()
		const place = `{"_placeholder":true,"num":`
		for _, event := range []string{
			`51-7["e",` + place + `0},` + place + `0}]`,
			`51-7["e",` + place + `1},` + place + `0}]`,
			`51-7["e",` + place + `9}]`,
		} {
			client.Send(event)
			client.SendBinary([]byte{1})
			require.Equal(t, `37[{"error":{"message":"invalid arguments"}}]`, client.Next().Text)
		}
		client.Send(`28["e","x"]`)
		require.Equal(t, `38[]`, client.Next().Text)
		requireOneWarning(t, log, "_placeholder")
	})
}

// The server accepts messages in base64 on every WebSocket. The parameter b64
// of a request says how the server sends binary data on the transport of that
// request.
func TestBase64OfTheTransport(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{})
	ev := new(mojo.Events)
	mojo.OnCall(ev, "e", func(_ *mojo.Conn, in mojo.Binary) (mojo.Binary, error) { return in, nil })
	e2e.Handle(t, srv, "/", ev.Handler())
	site := siotest.Serve(t, siotest.TCP, srv)
	client := siotest.Open(t, site, siotest.Options{Transport: "websocket"})
	client.Send("0")
	client.Next()
	client.Send(`51-1["e",{"_placeholder":true,"num":0}]`)
	client.SendPacket("bAQID")
	require.Equal(t, `61-1[{"_placeholder":true,"num":0}]`, client.Next().Text)
	require.Equal(t, []byte{1, 2, 3}, client.Next().Data)
}

// The parameter b64 of an upgrade request applies to the WebSocket. That of the
// polls before it does not.
func TestBase64OfTheUpgrade(t *testing.T) {
	for name, c := range map[string]struct {
		poll, upgrade, want string
	}{
		"of the poll":    {"&b64=1", "", "\x82\x01\x07"},
		"of the upgrade": {"", "&b64=1", "\x81\x05bBw=="},
	} {
		t.Run(name, func(t *testing.T) {
			srv := e2e.NewServer(t, mojo.Options{})
			e2e.Handle(t, srv, "/", (&mojo.Events{Connect: func(c *mojo.Conn) error { return c.Emit("e", mojo.Binary{7}) }}).Handler())
			site := siotest.Serve(t, siotest.TCP, srv)
			open := e2e.Do(t, site, "GET", site.URL+pollURL+c.poll, nil, "").Body
			_, sid, _ := strings.Cut(open, `"sid":"`)
			sid, _, _ = strings.Cut(sid, `"`)

			conn, err := site.Dial(t.Context())
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, "GET /socket.io/?EIO=4&transport=websocket&sid="+sid+c.upgrade+" HTTP/1.1\r\nHost: "+site.Host()+
				"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+
				"\x81\x86\x00\x00\x00\x002probe\x81\x81\x00\x00\x00\x005\x81\x82\x00\x00\x00\x0040")
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
			var got []byte
			for !bytes.HasSuffix(got, []byte(c.want)) {
				one := make([]byte, 1)
				_, err := io.ReadFull(conn, one)
				require.NoError(t, err, "%q", got)
				got = append(got, one[0])
			}
		})
	}
}

// An ack whose data looks like a placeholder ends its EmitWithAck with an
// error, and the connection stays.
func TestPlaceholderInAnAnswer(t *testing.T) {
	errs := make(chan error, 1)
	srv := e2e.NewServer(t, mojo.Options{})
	ev := new(mojo.Events)
	mojo.OnCall(ev, "ask", func(c *mojo.Conn, _ string) (string, error) {
		go func() {
			_, err := c.EmitWithAck(t.Context(), "question")
			errs <- err
		}()
		return "asked", nil
	})
	e2e.Handle(t, srv, "/", ev.Handler())
	client := siotest.Open(t, siotest.Serve(t, siotest.TCP, srv), siotest.Options{Transport: "websocket"})
	client.Send("0")
	client.Next()
	client.Send(`21["ask"]`)
	got := []string{client.Next().Text, client.Next().Text}
	require.ElementsMatch(t, []string{`31["asked"]`, `20["question"]`}, got)
	client.Send(`61-0[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`)
	client.SendBinary([]byte{1})
	require.ErrorContains(t, e2e.Await(t, errs), "placeholder")
	client.Send(`22["ask"]`)
	require.NotEmpty(t, client.Next().Text)
}
