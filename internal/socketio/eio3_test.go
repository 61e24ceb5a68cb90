package socketio

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/siotest"
)

// serve3 is serve for clients of Engine.IO 3, too.
func serve3(t testing.TB, app App, namespaces ...string) (*Server, *siotest.Site) {
	t.Helper()
	opts := serverOptions()
	opts.Engine.AllowEIO3 = true
	opts.MaxPerUser = 2
	s := NewServer(opts)
	for _, name := range namespaces {
		require.True(t, s.Mount(s.NewNamespace(name, app, Watchers{})))
	}
	t.Cleanup(s.Close)
	return s, siotest.Serve(t, siotest.Memory, s)
}

// open3 opens a connection of a client of Engine.IO 3. The test handles the
// packets.
func open3(t testing.TB, site *siotest.Site, transport string) *siotest.Engine {
	t.Helper()
	return siotest.Open(t, site, siotest.Options{Transport: transport, EIO3: true})
}

// requireNext requires the next messages.
func requireNext(t testing.TB, e *siotest.Engine, want ...string) {
	t.Helper()
	for _, text := range want {
		require.Equal(t, text, e.Next().Text)
	}
}

var allTransports = []string{"websocket", "polling", "upgrade"}

func eachTransport(t *testing.T, fn func(t *testing.T, transport string)) {
	t.Helper()
	for _, transport := range allTransports {
		t.Run(transport, func(t *testing.T) { fn(t, transport) })
	}
}

// The server connects the root namespace. If no app is there, what the client
// sends to it is ignored.
func TestRootThatNobodyHandles(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		app := newTestApp()
		app.event = func(e *Event) { _ = e.Ack(nil) }
		_, site := serve3(t, app, "/a")
		e := open3(t, site, transport)
		requireNext(t, e, "0")
		e.SendPackets("40", `42["e"]`, `421["e"]`, `451-["e",{"_placeholder":true,"num":0}]`)
		e.SendBinary([]byte("x"))
		e.SendPackets("41", `42["e"]`, "40", "40/a,")
		requireNext(t, e, "0/a,")
		e.SendPacket(`42/a,5["e"]`)
		requireNext(t, e, "3/a,5[]")
		e.SendPacket("40/b,")
		requireNext(t, e, `4/b,"Invalid namespace"`)
		require.Equal(t, []string{"connect ", "e"}, app.calls)
	})
}

func TestRootOfAnApp(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		app := newTestApp()
		app.event = func(e *Event) { _ = e.Ack([]any{"ü"}) }
		_, site := serve3(t, app, "/")
		e := open3(t, site, transport)
		requireNext(t, e, "0")
		socket := await(t, app.connected)
		e.SendPackets("40", `427["ask"]`) // some clients send a CONNECT to the root themselves
		want := `37["ü"]`
		if transport == "polling" {
			want = `37["\u00fc"]`
		}
		requireNext(t, e, want)
		e.SendPackets("41", `42["late"]`, "40")
		requireNext(t, e, "0")
		require.Equal(t, ClientDisconnect, await(t, app.ended))
		require.NotSame(t, socket, await(t, app.connected))
		require.Equal(t, []string{"connect ", "ask"}, app.calls[:2])
		require.NotContains(t, app.calls, "late")
		require.NotContains(t, app.calls, "OVERLAP")
	})
}

// A refusal of the root leaves the other namespaces alone.
func TestRefusedRoot(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		app := newTestApp()
		app.connect = func(s *Socket, _ []byte) *Refusal {
			switch s.namespace.name {
			case "/":
				return &Refusal{Message: "not today"}
			case "/data":
				return &Refusal{Message: "unused", Data: map[string]int{"code": 7}}
			}
			return nil
		}
		_, site := serve3(t, app, "/", "/data", "/a")
		e := open3(t, site, transport)
		requireNext(t, e, `4"not today"`)
		e.SendPackets(`42["e"]`, "40/data,")
		requireNext(t, e, `4/data,{"code":7}`)
		e.SendPacket("40/a,")
		requireNext(t, e, "0/a,")
	})
}

// What a client has to say when it connects is a query.
func TestConnectWithAQuery(t *testing.T) {
	for packet, auth := range map[string]string{
		"40/a,":                           "",
		"40/a":                            "",
		"40/a?,":                          "{}",
		"40/a?token=t1,":                  `{"token":"t1"}`,
		"40/a?token=t1":                   `{"token":"t1"}`,
		"40/a?x=1&y=%C3%BC%20%26+z&x=2,":  `{"x":"2","y":"ü \u0026 z"}`,
		"40/a?bad=%zz&alone&=empty&a;b=1": `{"":"empty","alone":""}`,
		"40/a?deep=/b?c,":                 `{"deep":"/b?c"}`,
	} {
		t.Run(packet, func(t *testing.T) {
			app := newTestApp()
			_, site := serve3(t, app, "/a")
			e := open3(t, site, "websocket")
			requireNext(t, e, "0")
			e.SendPacket(packet)
			requireNext(t, e, "0/a,")
			require.Equal(t, []string{"connect " + auth}, app.calls)
		})
	}
}

// The query has no effect on a client of Engine.IO 4, whose namespace it would
// be a part of.
func TestQueryOfRevision5(t *testing.T) {
	_, site := serve3(t, newTestApp(), "/a")
	client := dial(t, site, "websocket", "", "")
	_, refused := client.TryConnect("/a?token=t1", nil)
	require.Equal(t, "Invalid namespace", refused.Message)
}

func TestBadConnectsOfRevision4(t *testing.T) {
	for name, packet := range map[string]string{
		"payload":         `40/a,{"token":"t1"}`,
		"comma in query":  "40/a?x=1,2,",
		"query too long":  "40/a?x=" + strings.Repeat("1", maxQuery),
		"never connected": `42/a,["e"]`,
		"error":           `44/a,"x"`,
	} {
		t.Run(name, func(t *testing.T) {
			app := newTestApp()
			_, site := serve3(t, app, "/a")
			e := open3(t, site, "websocket")
			e.SendPacket(packet)
			e.AwaitClosed()
			require.Empty(t, app.calls)
		})
	}
}

// Over polling such a client would get the name escaped, and not know it.
func TestNamespaceThatIsNotASCII(t *testing.T) {
	app := newTestApp()
	_, site := serve3(t, app, "/ü")
	e := open3(t, site, "websocket")
	e.SendPacket("40/ü,")
	requireNext(t, e, "0", `4/ü,"Invalid namespace"`)
	client := dial(t, site, "websocket", "", "")
	client.Connect("/ü", nil)
}

// A client that is on no app has ConnectTimeout, as one of Engine.IO 4: the root
// that nobody handles does not count.
func TestConnectTimeoutOfRevision4(t *testing.T) {
	for _, namespace := range []string{"/a", "/"} {
		synctest.Test(t, func(t *testing.T) {
			s, site := serve3(t, newTestApp(), namespace)
			e := open3(t, site, "websocket")
			begun := time.Now()
			requireNext(t, e, "0")
			synctest.Wait()
			if namespace == "/" {
				require.Zero(t, s.counters.unconnected.Load())
				time.Sleep(10 * time.Minute)
				require.Empty(t, e.CloseReason())
				return
			}
			require.EqualValues(t, 1, s.counters.unconnected.Load())
			<-e.Closed()
			require.Equal(t, s.opts.ConnectTimeout, time.Since(begun))
		})
	}
}

// Too many connections of a user: each namespace is refused, and the root only
// if there is an app.
func TestLimitsOfRevision4(t *testing.T) {
	for _, namespace := range []string{"/a", "/"} {
		app := newTestApp()
		_, site := serve3(t, app, namespace)
		for range 2 {
			dial(t, site, "websocket", "session", "user").Connect(namespace, nil)
		}
		e := siotest.Open(t, site, siotest.Options{EIO3: true, Header: map[string][]string{"X-Session": {"session"}, "X-User": {"user"}}})
		if namespace == "/a" {
			requireNext(t, e, "0")
			e.SendPacket("40/a,")
			requireNext(t, e, `4/a,{"limit":2}`)
			continue
		}
		requireNext(t, e, `4{"limit":2}`)
	}
}

// A revocation reaches clients of both revisions, connected or not.
func TestRevocationOfRevision4(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		app, resume := newTestApp(), make(chan struct{})
		reached := make(chan struct{}, 2)
		app.connect = func(_ *Socket, auth []byte) *Refusal {
			if len(auth) > 0 {
				reached <- struct{}{}
				<-resume
			}
			return nil
		}
		s, site := serve3(t, app, "/a")
		header := map[string][]string{"X-Session": {"session"}}
		e := siotest.Open(t, site, siotest.Options{Transport: transport, EIO3: true, Header: header})
		pending := siotest.Open(t, site, siotest.Options{Transport: transport, EIO3: true, Header: header})
		client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: header})
		socket := client.Connect("/a", nil)
		e.SendPacket("40/a,")
		requireNext(t, e, "0", "0/a,")
		pending.SendPacket("40/a?wait=1,")
		client4 := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: header})
		client4.SendConnect("/a", map[string]bool{"wait": true})
		await(t, reached)
		await(t, reached)

		cmd := command.Revoke{Key: command.Key{Kind: command.Session, ID: "session"}}
		require.NoError(t, s.Revoke(t.Context(), cmd, Revocation{Code: 5001, Reason: "moderated"}))

		notice := `{"code":5001,"reason":"moderated","reconnect":false}`
		requireNext(t, e, `2/a,["mojo:revoked",`+notice+`]`, "1/a,")
		requireNext(t, pending, "0", "4/a,"+notice)
		socket.Expect(RevokedEvent, map[string]any{"code": 5001, "reason": "moderated", "reconnect": false})
		_, refused := client4.AwaitConnect("/a")
		require.Equal(t, "moderated", refused.Message)
		require.JSONEq(t, notice, string(refused.Data))
		close(resume)
		e.AwaitClosed()
		pending.AwaitClosed()
	})
}

// socket.io-client 1 encodes text twice where it polls. It leaves out the comma
// behind the namespace, as some other clients do.
func TestTextThatIsEncodedTwice(t *testing.T) {
	const twice, once = "Ã¼â\u0082¬ð\u009f\u0098\u0080", "ü€😀"
	for name, c := range map[string]struct{ transport, connect, text, want string }{
		"client 1":            {"polling", "40/a", twice, once},
		"client 1, WebSocket": {"websocket", "40/a", once, once},
		"client 2":            {"polling", "40/a,", once, once},
		"client 2, literally": {"polling", "40/a,", twice, twice},
		"another client":      {"polling", "40/a", once, once},
		"another client, é":   {"polling", "40/a", "é", "é"},
		"another client, €":   {"polling", "40/a", "€ Ã¼", "€ Ã¼"},
		"ASCII":               {"polling", "40/a", "text", "text"},
		"websocket literally": {"websocket", "40/a", twice, twice},
	} {
		t.Run(name, func(t *testing.T) {
			app := newTestApp()
			got := make(chan string, 1)
			app.event = func(e *Event) { got <- e.Name }
			_, site := serve3(t, app, "/a")
			e := open3(t, site, c.transport)
			e.SendPacket(c.connect)
			requireNext(t, e, "0", "0/a,")
			e.SendPacket(`42/a,["` + c.text + `"]`)
			require.Equal(t, c.want, await(t, got))
		})
	}
}

func TestRevisionOfASocketDoesNotMatterForTheApp(t *testing.T) {
	app := newTestApp()
	s, site := serve3(t, app, "/a")
	e := open3(t, site, "polling")
	e.SendPacket("40/a,")
	requireNext(t, e, "0", "0/a,")
	socket4 := dial(t, site, "websocket", "", "").Connect("/a", nil)

	require.NoError(t, s.Emit(command.Selector{Namespace: "/a"}, command.Delivery{}, true, "news", []any{"ü", []byte{1, 2}}))

	socket4.Expect("news", "ü", []byte{1, 2})
	requireNext(t, e, `51-/a,["news","\u00fc",{"_placeholder":true,"num":0}]`)
	require.Equal(t, []byte{1, 2}, e.Next().Data)
	require.Equal(t, engineio.Revision3, await(t, app.connected).session.Revision())
}
