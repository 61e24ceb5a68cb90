package hostile

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// An attachment count that is not a number from 1 to 10 closes the connection.
// The server does not store a binary frame after it.
func TestAttachmentCounts(t *testing.T) {
	for _, header := range []string{
		`4511-["e"]`, "459999999999-", `45-1-["e"]`, `45+1-["e"]`, `4501-["e"]`, `450-["e"]`, "460-1[]", `45["e"]`, `45-["e"]`,
		`451.0-["e"]`, `451e0-["e"]`, `45 1-["e"]`, `4518446744073709551617-["e"]`, "451", "451-", "451-[]", `461-["e"]`,
	} {
		t.Run(header, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, s *testSite, transport string) {
				a := s.attacker(t, transport)
				a.Engine.SendPacket(header)
				a.Engine.SendBinary(make([]byte, 900_000))
				s.requireEnded(t, a, mojo.ReasonParseError)
				require.Empty(t, s.app.events())
				e2e.WaitUntil(t, "the server does not keep the binary frame", func() bool { return e2e.LiveHeap() <= s.before.heap+heapSlack })
			})
		})
	}
}

func TestPlaceholders(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for _, num := range []string{
			`"num":"0"`, `"num":-1`, `"num":0.5`, `"num":1e400`, `"num":10`, `"num":99999999999999999999`, `"num":null`, `"x":0`,
			`"num":"splice"`, `"num":[0]`, `"num":{}`, `"num":true`, `"num":` + strings.Repeat("9", 1000),
		} {
			for _, transport := range transports {
				s.attack(t, transport+" "+abridged(num), func(t *testing.T) {
					a := s.attacker(t, transport)
					a.Engine.SendPacket(`451-["e",{"_placeholder":true,` + num + `}]`)
					a.Engine.SendBinary([]byte("x"))
					s.requireEnded(t, a, mojo.ReasonParseError)
					require.Empty(t, s.app.events())
				})
			}
		}
		for _, transport := range transports {
			s.attack(t, transport+" in an event without attachments", func(t *testing.T) {
				a := s.attacker(t, transport)
				a.Engine.SendPacket(`42["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":"splice"}]`)
				s.requireLive(t, a)
				require.Equal(t, []string{`e [{"_placeholder":true,"num":0},{"_placeholder":true,"num":"splice"}] <nil>`}, s.app.events())
			})
		}
	})
}

// tenAttachments returns the header of an event with ten attachments.
func tenAttachments() string {
	var args strings.Builder
	for i := range 10 {
		fmt.Fprintf(&args, `,{"_placeholder":true,"num":%d}`, i)
	}
	return `4510-["e"` + args.String() + `]`
}

// When a connection ends, the server drops the attachments of an incomplete
// event.
func TestNineOfTenAttachments(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for _, transport := range transports {
			ends := map[string]func(attacker){
				"then close": func(a attacker) { a.Close() },
				"then text":  func(a attacker) { a.Engine.SendPacket(`42["e"]`) },
			}
			if transport == "websocket" { // the server does not notice a drop between two polls
				ends["then drop"] = func(a attacker) { a.Engine.Drop() }
			}
			for name, end := range ends {
				s.attack(t, transport+" "+name, func(t *testing.T) {
					a := s.attacker(t, transport)
					a.Engine.SendPacket(tenAttachments())
					for range 9 {
						a.Engine.SendBinary(make([]byte, 100_000))
					}
					a.Engine.Flush()
					end(a)
					s.app.awaitEnd(t, a.socket.SID())
					require.Empty(t, s.app.events())
				})
			}
			s.attack(t, transport+" more than MaxPayload", func(t *testing.T) {
				a := s.attacker(t, transport)
				a.Engine.SendPacket(tenAttachments())
				for range 9 {
					a.Engine.SendBinary(make([]byte, maxPayload/8))
				}
				s.requireEnded(t, a, mojo.ReasonParseError)
				require.Empty(t, s.app.events())
			})
		}
	})
}

// The server drops the attachments of an incomplete event after 20 seconds, if
// the client sends nothing.
func TestNineOfTenAttachmentsAndSilence(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSite(t, siotest.Memory, siteConfig{})
				a := s.attacker(t, transport)
				begun := time.Now()
				a.Engine.SendPacket(tenAttachments())
				for range 9 {
					a.Engine.SendBinary([]byte("x"))
				}

				<-a.Engine.Closed()

				require.Equal(t, 20*time.Second, time.Since(begun).Round(time.Second))
				require.Equal(t, mojo.ReasonParseError, s.app.awaitEnd(t, a.socket.SID()))
				require.Empty(t, s.app.events())
			})
		})
	}
}
