package mojotest_test

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojotest"
)

func TestTransports(t *testing.T) {
	for transport, want := range map[mojotest.Transport]mojo.Transport{
		mojotest.Upgrade: mojo.WebSocket, mojotest.WebSocket: mojo.WebSocket, mojotest.Polling: mojo.Polling,
	} {
		t.Run(transport.String(), func(t *testing.T) {
			chat := mojotest.NewServer(t, newChat(t, mojo.Options{}), nil).
				Dial(t, "/ChatSocket", &mojotest.DialOptions{Transport: transport})
			require.Equal(t, want, chat.Tab().Transport())
			require.Equal(t, want, mojotest.Call[mojo.Transport](chat, "transport"))
		})
	}
	require.Equal(t, "unknown transport", mojotest.Transport(9).String())
}

func TestUpgradeOnDemand(t *testing.T) {
	site := mojotest.NewServer(t, newChat(t, mojo.Options{}), nil)
	chat := site.Dial(t, "/ChatSocket", &mojotest.DialOptions{Transport: mojotest.Polling})
	chat.Emit("say", "before")
	chat.Tab().Upgrade()
	chat.Emit("say", "after")
	chat.Expect("said", "before")
	chat.Expect("said", "after")
	require.Equal(t, mojo.WebSocket, mojotest.Call[mojo.Transport](chat, "transport"))
}

func TestServerThatOffersNoUpgrade(t *testing.T) {
	srv := newChat(t, mojo.Options{Transports: []mojo.Transport{mojo.Polling}})
	chat := mojotest.NewServer(t, srv, nil).Dial(t, "/ChatSocket", nil)
	require.Equal(t, mojo.Polling, chat.Tab().Transport())
}

func TestOptionsOfAConnection(t *testing.T) {
	handshakes := make(chan mojo.Handshake, 1)
	srv := newChat(t, mojo.Options{})
	_, err := srv.Handle("/shake", (&mojo.Events{Connect: func(c *mojo.Conn) error {
		handshakes <- c.Handshake()
		return nil
	}}).Handler())
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/rt/", srv)
	site := mojotest.NewServer(t, srv, mux)
	for _, transport := range transports {
		site.Dial(t, "/shake", &mojotest.DialOptions{
			Transport: transport,
			Path:      "/rt/",
			Auth:      map[string]string{"token": "t1"},
			Query:     url.Values{"page": {"7"}},
			Header:    http.Header{"Origin": {site.URL}, "X-Test": {"yes"}},
		})
		h := <-handshakes
		require.JSONEq(t, `{"token":"t1"}`, string(h.Auth))
		require.Equal(t, "7", h.Query().Get("page"))
		require.Equal(t, "yes", h.Header().Get("X-Test"))
		site.Dial(t, "/shake", &mojotest.DialOptions{Transport: transport, Path: "/rt"})
		<-handshakes
	}
}

func TestRefusals(t *testing.T) {
	site := mojotest.NewServer(t, newChat(t, mojo.Options{}), nil)
	ann := site.NewBrowser(t)

	refused := map[string]bool{"Refuse": true}
	for _, transport := range transports {
		_, err := ann.TryDial("/ChatSocket", &mojotest.DialOptions{Transport: transport, Auth: refused})
		connect := as[*mojotest.ConnectError](t, err)
		require.Equal(t, "mojotest: /ChatSocket was refused: members only", connect.Error())
		var data string
		require.NoError(t, connect.Decode(&data))
		require.Equal(t, "/login", data)

		_, err = ann.TryDial("/ChatSocket", &mojotest.DialOptions{
			Transport: transport, Header: http.Header{"Origin": {"https://evil.example"}},
		})
		require.Equal(t, http.StatusForbidden, as[*mojotest.HandshakeError](t, err).Status)
		require.Equal(t, "mojotest: the handshake was refused: 403 Forbidden", err.Error())
	}
	_, err := ann.TryDial("/ChatSocket", &mojotest.DialOptions{Path: "/nowhere/"})
	require.Equal(t, http.StatusNotFound, as[*mojotest.HandshakeError](t, err).Status)
	require.Equal(t, "mojotest: the handshake was refused: 404 404 page not found; "+
		"is the mojo.Server mounted at DialOptions.Path, with a slash at the end?", err.Error())
	_, err = ann.TryDial("ChatSocket", nil)
	require.ErrorContains(t, err, `mojotest: namespace "ChatSocket" does not begin with a slash`)

	page := mojotest.NewServer(t, nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	_, err = page.NewBrowser(t).TryDial("/ChatSocket", nil)
	require.ErrorContains(t, err, "mojotest: handshake at /socket.io/: an empty packet")

	tab := ann.Dial("/ChatSocket", nil).Tab()
	_, err = tab.TryConnect("/none", nil)
	require.Equal(t, "mojotest: /none was refused: Invalid namespace", err.Error())
	require.Nil(t, as[*mojotest.ConnectError](t, err).Data)

	for want, fn := range map[string]func(*mojotest.Browser){
		"mojotest: /none was refused: Invalid namespace":    func(b *mojotest.Browser) { b.Dial("/none", nil) },
		"mojotest: /nothing was refused: Invalid namespace": func(b *mojotest.Browser) { b.Dial("/ChatSocket", nil).Tab().Connect("/nothing", nil) },
	} {
		require.Equal(t, want, failure(t, func(t testing.TB) { fn(site.NewBrowser(t)) }))
	}
}

func TestNamespacesShareATab(t *testing.T) {
	srv := newChat(t, mojo.Options{})
	_, err := srv.Register("Other", chat().Handler())
	require.NoError(t, err)
	site := mojotest.NewServer(t, srv, nil)
	one := site.Dial(t, "/ChatSocket", nil)
	other := one.Tab().Connect("/OtherSocket", nil)
	require.Equal(t, 1, srv.Stats().Connections)
	require.Same(t, one.Tab(), other.Tab())
	require.Equal(t, "/OtherSocket", other.Namespace())
	other.Emit("say", "x")
	other.Expect("said", "x")
	one.ExpectNothing()
	one.Tab().Close()
	require.Equal(t, mojotest.ReasonForcedClose, other.AwaitDisconnect())
	require.Equal(t, mojotest.ReasonForcedClose, one.Tab().AwaitClose())
	require.False(t, one.Connected())
	one.ExpectNothing()
}

func TestReconnect(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.String(), func(t *testing.T) {
			srv := newChat(t, mojo.Options{})
			for _, app := range []string{"Other", "Left"} {
				_, err := srv.Register(app, chat().Handler())
				require.NoError(t, err)
			}
			ann := mojotest.NewServer(t, srv, nil).NewBrowser(t)
			ann.Get("/")
			one := ann.Dial("/ChatSocket", &mojotest.DialOptions{Transport: transport, Auth: map[string]int{"n": 1}})
			other, disconnected := one.Tab().Connect("/OtherSocket", nil), one.Tab().Connect("/LeftSocket", nil)
			disconnected.Emit("leave")
			require.Equal(t, mojotest.ReasonServerDisconnect, disconnected.AwaitDisconnect())
			one.Emit("say", "before")
			one.Call("who")
			before := one.ID()

			one.Tab().Drop()
			require.Equal(t, mojotest.ReasonForcedClose, one.AwaitDisconnect())
			ann.LogIn("ann")
			one.Tab().Reconnect()
			one.Tab().Reconnect()
			require.NotEqual(t, before, one.ID())
			require.True(t, other.Connected())
			require.False(t, disconnected.Connected())
			require.Equal(t, "ann", mojotest.Call[string](one, "who"))
			one.Emit("say", "after")
			one.Expect("said", "before")
			one.Expect("said", "after")
			one.ExpectNothing()
			disconnected.Connect()
			disconnected.Connect()
			require.Equal(t, "ann", mojotest.Call[string](disconnected, "who"))
		})
	}
}

func TestReconnectThatIsRefused(t *testing.T) {
	srv := newChat(t, mojo.Options{})
	ann := mojotest.NewServer(t, srv, nil).NewBrowser(t)
	ann.LogIn("ann")
	chat := ann.Dial("/ChatSocket", nil)
	require.NoError(t, revoke(srv, "ann"))
	require.Equal(t, mojo.RevokedEvent, chat.Next().Event())
	require.Equal(t, mojotest.ReasonServerDisconnect, chat.AwaitDisconnect())
	err := chat.Tab().TryReconnect()
	require.Equal(t, http.StatusForbidden, as[*mojotest.HandshakeError](t, err).Status)
}

// A tab stays connected after a short pause. After a long one the server has
// closed the connection.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reasons := make(chan mojo.Reason, 1)
		srv := newChat(t, mojo.Options{})
		_, err := srv.Register("Slow", (&mojo.Events{Disconnect: func(_ *mojo.Conn, r mojo.Reason) { reasons <- r }}).Handler())
		require.NoError(t, err)
		site := mojotest.NewServer(t, srv, nil)
		slow := site.Dial(t, "/SlowSocket", nil)
		slow.Tab().Pause()
		time.Sleep(20 * time.Second)
		slow.Tab().Resume()
		time.Sleep(time.Minute)
		require.True(t, slow.Connected())
		slow.Tab().Pause()
		time.Sleep(time.Minute)
		require.Equal(t, mojo.ReasonPingTimeout, <-reasons)
		slow.Tab().Resume()
		require.Equal(t, mojotest.ReasonTransportClose, slow.Tab().AwaitClose())
	})
}

// A poll that the server refuses ends the connection.
func TestRefusedPoll(t *testing.T) {
	srv := newChat(t, mojo.Options{Identify: func(r *http.Request) (mojo.Identity, error) {
		sid, err := r.Cookie("sid")
		if err != nil {
			return mojo.Identity{}, err
		}
		return mojo.Identity{SessionID: sid.Value}, nil
	}})
	browser := mojotest.NewServer(t, srv, nil).NewBrowser(t)
	browser.SetCookies(&http.Cookie{Name: "sid", Value: "s1"})
	chat := browser.Dial("/ChatSocket", &mojotest.DialOptions{Transport: mojotest.Polling})
	browser.SetCookies(&http.Cookie{Name: "sid", Value: "s2"})
	chat.Emit("say", "hello")
	require.Equal(t, mojotest.ReasonTransportError, chat.AwaitDisconnect())
}
