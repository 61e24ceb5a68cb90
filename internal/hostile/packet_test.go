package hostile

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// eachCloses sends each packet, followed by an event, to its own connection. It
// requires that the server closes the connection because of a protocol
// violation, and that no handler runs.
func eachCloses(t *testing.T, packets ...string) {
	t.Helper()
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for _, packet := range packets {
			for _, transport := range transports {
				s.attack(t, transport+" "+abridged(packet), func(t *testing.T) {
					a := s.attacker(t, transport)
					a.Engine.SendPackets(packet, `42["behind it"]`)
					s.requireEnded(t, a, mojo.ReasonParseError)
					require.Empty(t, s.app.events())
				})
			}
		}
	})
}

// abridged returns the beginning of a packet.
func abridged(packet string) string { return strings.ToValidUTF8(packet[:min(len(packet), 40)], "?") }

func TestEngineIOPackets(t *testing.T) {
	eachCloses(t, "7", "8", "9", "70", "\x1e", "é", "\x00", "\x7f", "a", " 4", "0{}", "2", "2probe", "5", `{"4":1}`)
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, payload := range map[string]string{"not UTF-8": "42[\"\xff\"]", "empty": "", "empty packet": "6\x1e\x1e6"} {
			s.attack(t, "polling "+name, func(t *testing.T) { // siotest cannot send these
				a := s.attacker(t, "polling")
				requireRefused(t, s.ask(t, a.post(payload)), http.StatusBadRequest, codeBadRequest)
				s.requireEnded(t, a, mojo.ReasonParseError)
				require.Empty(t, s.app.events())
			})
		}
		s.attack(t, "websocket empty", func(t *testing.T) {
			a := s.attacker(t, "websocket")
			a.Engine.SendPacket("")
			s.requireEnded(t, a, mojo.ReasonParseError)
		})
	})
}

// Packets that violate the protocol close the connection.
// lifecycle.TestNamespacesNeverConnected and lifecycle.TestPacketsInFlight have
// the other cases.
func TestSocketIOPackets(t *testing.T) {
	eachCloses(t, "4", "47", "48", "49", "4a", "47[]", `4"x"`, "4 2", "4-1",
		`44{"message":"x"}`, `44"x"`, "40[]", "40-1", "401.5", "40"+strings.Repeat("1", 22), `40"x"`, "40null", "41[]", "41{}", `43["no id"]`, "43")
}

func TestNamespaceNeverConnectedTo(t *testing.T) {
	eachCloses(t, `42/never,["event"]`, "41/never,", "43/never,0[]", `451-/never,["event",{"_placeholder":true,"num":0}]`,
		`44/never,{"message":"x"}`, `42/`+strings.Repeat("never", 10_000)+`,["event"]`)
}

func TestMalformedEvents(t *testing.T) {
	eachCloses(t, "42", "42[]", "42[ ]", "42{}", "42null", "42[null]", "42[[1]]", `42[{"toString":"x"}]`, "42[true]",
		`42"e"`, `42["e"`, `42["e",]`, `42["e"]]`, `42["e"]42["e"]`, "42[e]", `42['e']`, "42[1e400]", `42[NaN]`, `42["\ud800"`)
}

// A client cannot send an event with the name of a connect or a disconnect
// event.
func TestReservedEvents(t *testing.T) {
	eachCloses(t, `42["connect"]`, `42["connect_error",{}]`, `42["disconnect","x"]`, `42["disconnecting"]`, `42["newListener"]`,
		`42["removeListener"]`, `42["\u0063onnect"]`, `421["disconnect"]`, `451-["disconnect",{"_placeholder":true,"num":0}]`+"\x1ebAA==")
}

// The server drops an event without a function, even if its name is "error".
func TestErrorEvent(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *testSite, transport string) {
		var ev mojo.Events
		namespace := "/events-" + transport
		_, err := s.srv.Handle(namespace, ev.Handler())
		require.NoError(t, err)
		a := s.attacker(t, transport)
		socket := a.Connect(namespace, nil)
		for _, event := range []string{"error", "toString", "__proto__", "hasOwnProperty", ""} {
			socket.Emit(event, map[string]any{"message": "x"})
			a.socket.Emit(event)
		}
		socket.ExpectNothing()
		s.requireLive(t, a)
		require.Len(t, s.app.events(), 5, "the app without Events receives every event")
	})
}

// A second CONNECT replaces the first connection. The server ignores an event
// after it has disconnected the client.
func TestConnectTwiceAndLateEvents(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *testSite, transport string) {
		a := s.attacker(t, transport)
		second := a.Connect("/", nil)
		require.Equal(t, siotest.ReasonReplaced, a.socket.AwaitDisconnected())
		require.Equal(t, mojo.ReasonClientDisconnect, s.app.awaitEnd(t, a.socket.SID()))
		require.NoError(t, s.app.conn(t, second.SID()).Disconnect())
		require.Equal(t, siotest.ReasonServerDisconnect, second.AwaitDisconnected())

		second.Emit("late")

		a.Barrier()
		require.Empty(t, s.app.events())
	})
}
