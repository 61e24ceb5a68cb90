package hostile

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// huge has packets of about n bytes for which a careless parser would allocate
// much more memory.
var huge = map[string]struct {
	packet func(n int) string
	closes bool // the packet closes the connection; otherwise the client gets an error
}{
	"digits as an attachment count": {repeat("45", "1", ""), true},
	"zeros as an attachment count":  {repeat("45", "0", "-"), true},
	"digits as an ack id":           {repeat("42", "1", `["e"]`), true},
	"digits as the id in an ack":    {repeat("43", "1", "[]"), true},
	"digits as a namespace":         {repeat("42/", "1", `,["e"]`), true},
	"CONNECT to digits":             {repeat("40/", "1", ""), false},
	"digits as an event":            {repeat("42[", "1", "]"), true},
	"brackets":                      {repeat("42", "[", ""), true},
	"brackets in an event":          {repeat(`42["e",`, "[", ""), true},
	"brackets as auth":              {repeat(`40{"a":`, "[", ""), true},
	"braces":                        {repeat(`42["e"`, `,{"a":`, ""), true},
	"quotes":                        {repeat(`42["`, `\"`, ""), true},
}

// repeat returns a function that returns a packet of about n bytes: begin, as
// many copies of part as fit, and end.
func repeat(begin, part, end string) func(n int) string {
	return func(n int) string {
		return begin + strings.Repeat(part, (n-len(begin)-len(end))/len(part)) + end
	}
}

// To refuse a packet of a megabyte, the server allocates a few times its size,
// and half of that for half the size.
func TestHugePackets(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		const half, full = maxPayload / 2, maxPayload - 1 // siotest adds a comma after a namespace
		cost := make(map[string]uint64)
		for _, n := range []int{half, full} {
			for name, c := range huge {
				for _, transport := range transports {
					s.attack(t, fmt.Sprint(transport, " ", n, " bytes, ", name), func(t *testing.T) {
						a, packet := s.attacker(t, transport), c.packet(n)
						got := allocated(func() {
							if !c.closes {
								_, refused := a.TryConnect(packet[len("40"):], nil)
								require.Equal(t, "Invalid namespace", refused.Message)
								return
							}
							a.Engine.SendPacket(packet)
							s.requireEnded(t, a, mojo.ReasonParseError)
						})
						require.Empty(t, s.app.events())
						if !c.closes {
							s.requireLive(t, a)
						}
						key := transport + name
						if n == full {
							require.LessOrEqual(t, got, 3*cost[key])
							require.Less(t, got, uint64(32*full), "both ends together")
						}
						cost[key] = got
					})
				}
			}
		}
	})
}

// The server answers each CONNECT to an unknown namespace, and stores nothing
// of it.
func TestConnectsToUnknownNamespaces(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *testSite, transport string) {
		a := s.attacker(t, transport)
		e := siotest.Open(t, s.site, siotest.Options{Transport: transport})
		t.Cleanup(e.Close)
		const together = 1000
		for i := 0; i < e2e.Rounds(100_000); i += together {
			packets := make([]string, together)
			for j := range packets {
				packets[j] = fmt.Sprint("40/unknown-", i+j, `,{"token":"x"}`)
			}
			e.SendPackets(packets...)
			for j := range packets {
				require.Equal(t, fmt.Sprint("4/unknown-", i+j, `,{"message":"Invalid namespace"}`), e.Next().Text)
			}
		}
		require.Zero(t, e.Unread())
		require.Less(t, e2e.LiveHeap(), s.before.heap+heapSlack, "while the connection lives")
		s.requireLive(t, a)
	})
}

// The server ignores acks of no event, and second acks of an event.
func TestUnsolicitedAcks(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *testSite, transport string) {
		a := s.attacker(t, transport)
		for _, id := range []string{"0", "1", "00", "4294967296", "9007199254740991"} {
			a.Engine.SendPacket("43" + id + `["unknown"]`)
		}
		s.requireLive(t, a)
		conn := s.app.conn(t, a.socket.SID())
		answer := make(chan string, 1)
		go func() {
			got, err := mojo.Call[string](context.Background(), conn, "question")
			answer <- fmt.Sprint(got, " ", err)
		}()
		question := a.socket.Next()
		question.Reply("first")
		question.Reply("second")
		question.Reply([]byte("third"))
		require.Equal(t, "first <nil>", <-answer)
		s.requireLive(t, a)
		require.Empty(t, s.app.events())
	})
}

// An ack id that JavaScript cannot represent exactly closes the connection.
func TestAckIDs(t *testing.T) {
	id := strings.Repeat("9", 400)
	eachCloses(t, "43"+id+`["x"]`, "42"+id+`["e"]`, "439007199254740992[]", "4318446744073709551616[]", "43-1[]", "431.5[]", "43+1[]", "431e3[]")
}

// Pongs without a ping have no effect.
func TestUnsolicitedPongs(t *testing.T) {
	eachTransport(t, func(t *testing.T, s *testSite, transport string) {
		a := s.attacker(t, transport)
		s.requireLive(t, a)
		before := runtime.NumGoroutine()
		pongs := make([]string, e2e.Rounds(100_000))
		for i := range pongs {
			pongs[i] = "3"
		}
		a.Engine.SendPackets(pongs...)
		s.requireLive(t, a)
		require.Less(t, runtime.NumGoroutine(), before+10) // a polling client has one or two TCP connections
	})
}

// A request with many headers, cookies or parameters gets one answer. Twice as
// many cost about twice as much.
func TestLargeRequests(t *testing.T) {
	large := map[string]func(n int) (query, headers string){
		"header lines": func(n int) (string, string) { return "", strings.Repeat("X-A: b\r\n", n/5) },
		"header names": func(n int) (string, string) {
			var lines strings.Builder
			for i := range n / 5 {
				fmt.Fprintf(&lines, "X-%d: b\r\n", i)
			}
			return "", lines.String()
		},
		"cookies": func(n int) (string, string) {
			return "", "Cookie: a=b" + strings.Repeat("; session_id=x", n/10) + "\r\n"
		},
		"cookie lines": func(n int) (string, string) { return "", strings.Repeat("Cookie: logged_in=x\r\n", n/10) },
		"query parameters": func(n int) (string, string) {
			return strings.Repeat("&a=b", n), ""
		},
		"sids": func(n int) (string, string) { return strings.Repeat("&sid=x", n), "" },
	}
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, of := range large {
			for _, transport := range transports {
				s.attack(t, transport+" "+name, func(t *testing.T) {
					cost := make(map[int]uint64)
					for _, n := range []int{10_000, 50_000, 100_000} {
						query, headers := of(n)
						text := upgrade(handshake(transport)+query, headers)
						if transport == "polling" {
							text = request("GET", handshake(transport)+query, headers, closing)
						}
						cost[n] = allocated(func() {
							got := s.askPartial(t, text)
							switch {
							case name == "sids":
								require.Equal(t, http.StatusBadRequest, got.status)
							case got.status != http.StatusRequestHeaderFieldsTooLarge:
								require.Contains(t, []int{http.StatusOK, http.StatusSwitchingProtocols}, got.status, got.body)
							}
						})
					}
					require.LessOrEqual(t, cost[100_000], 3*cost[50_000])
				})
			}
		}
	})
}
