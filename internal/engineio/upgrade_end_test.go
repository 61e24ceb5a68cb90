package engineio

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
	"github.com/mojosocket/mojo/internal/siotest"
)

// TestUpgradeOfAnEndedSession: a client that has begun to upgrade does not
// poll. If the session ends, the last messages arrive on the WebSocket, and
// then a Close frame.
func TestUpgradeOfAnEndedSession(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{ManualPoll: true})
		probe := client.Probe()
		require.NoError(t, p.Send(NewText([]byte("last"))))
		p.Close(ForcedClose)
		require.Equal(t, ForcedClose, p.awaitEnd())
		probe.Complete()
		require.Equal(t, "last", client.Next().Text)
		require.Equal(t, siotest.ReasonCloseFrame, client.AwaitClosed())
		require.NoError(t, h.Shutdown(t.Context()))
	})
}

// TestProbeOfAnEndedSession: if a poll has fetched the last messages, the
// WebSocket is closed after the upgrade packet, or after UpgradeTimeout.
func TestProbeOfAnEndedSession(t *testing.T) {
	for _, upgrades := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h := serve(t, siotest.Memory, nil)
			client, p := h.connect(siotest.Options{ManualPoll: true})
			conn := h.rawProbe(t, client, "2probe")
			_, err := io.ReadFull(conn, make([]byte, len("\x81\x063probe")))
			require.NoError(t, err)
			require.NoError(t, p.Send(NewText([]byte("last"))))
			p.Close(ForcedClose)
			_, payload := client.Poll()
			require.Equal(t, "4last", payload)
			begun := time.Now()
			if upgrades {
				time.Sleep(2 * closeLinger) // a client may be as slow as this
				_, err := conn.Write(text("5"))
				require.NoError(t, err)
				begun = time.Now()
			}
			received, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, "\x88\x02\x03\xe8", string(received))
			want := time.Duration(0)
			if !upgrades {
				want = h.opts.UpgradeTimeout
			}
			require.Equal(t, want, time.Since(begun))
			conn.Close()
			require.NoError(t, h.Shutdown(t.Context()))
		})
	}
}

// TestSessionEndsDuringAnUpgrade ends sessions at any moment of an upgrade.
func TestSessionEndsDuringAnUpgrade(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		for range 20 {
			client, p := h.connect(siotest.Options{ManualPoll: true})
			probe := client.Probe()
			go p.Close(ForcedClose)
			probe.Complete()
			require.Equal(t, ForcedClose, p.awaitEnd())
			require.Contains(t, []string{siotest.ReasonCloseFrame, siotest.ReasonLost}, client.AwaitClosed())
		}
	})
}

// endings has the ways in which a server ends a session.
var endings = map[string]func(p *peer){
	"Close": func(p *peer) { p.Close(ForcedClose) },
	"overflow": func(p *peer) {
		require.ErrorIs(p.host.t, p.Send(NewText(make([]byte, p.host.opts.MaxQueue))), ErrQueueFull)
	},
	"total overflow": func(p *peer) {
		var b Batch // a poll would take a queued message, but not reserved bytes
		require.NoError(p.host.t, p.Reserve(1000, &b))
		b.Flush()
		require.Equal(p.host.t, 1, p.host.closeSlowest(1))
	},
	"abrupt":   func(p *peer) { p.end(PingTimeout, endAbruptly, websocket.StatusNormal) },
	"broken":   func(p *peer) { p.end(WriteTimeout, endBroken, websocket.StatusNormal) },
	"Shutdown": func(p *peer) { go p.host.Shutdown(context.Background()) },
	"Engine":   func(p *peer) { p.host.Close() },
}

// TestEndBeforeTheUpgradePacket: a client that has received 3probe stops
// polling. It does not notice the end of the WebSocket before it has sent 5. So
// the WebSocket stays open until then, in whichever way the session ends.
func TestEndBeforeTheUpgradePacket(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, siotest.Memory, nil)
				client, p := h.connect(siotest.Options{ManualPoll: true})
				conn := h.rawProbe(t, client, "2probe")
				_, err := io.ReadFull(conn, make([]byte, len("\x81\x063probe")))
				require.NoError(t, err)

				end(p)
				p.awaitEnd()
				time.Sleep(closeLinger / 2)
				require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
				_, err = conn.Read(make([]byte, 1))
				require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the WebSocket was closed too early")
				require.NoError(t, conn.SetReadDeadline(time.Time{}))
				_, err = conn.Write(text("5"))
				require.NoError(t, err)
				begun := time.Now()
				received, err := io.ReadAll(conn)

				require.NoError(t, err)
				require.Contains(t, string(received), "\x88\x02\x03\xe8")
				require.Zero(t, time.Since(begun))
				conn.Close()
				require.NoError(t, h.Shutdown(t.Context()))
			})
		})
	}
}

// TestEndDuringAProbeReachesAPoll: if a session ends while a WebSocket probes,
// a poll says so, whether it is waiting or arrives later.
func TestEndDuringAProbeReachesAPoll(t *testing.T) {
	for name, end := range endings {
		for _, packets := range [][]string{nil, {"2probe"}} {
			for _, waits := range []bool{true, false} {
				t.Run(fmt.Sprint(name, packets, waits), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := serve(t, siotest.Memory, nil)
						client, p := h.connect(siotest.Options{ManualPoll: true})
						conn := h.rawProbe(t, client, packets...)
						synctest.Wait()
						answered := make(chan answer, 1)
						poll := func() { answered <- h.do("GET", "/?EIO=4&transport=polling&sid="+p.ID(), "") }
						if waits {
							go poll()
							synctest.Wait()
						}
						end(p)
						p.awaitEnd()
						if !waits {
							go poll()
						}
						got := <-answered
						for got.status == http.StatusOK && !strings.HasSuffix(got.body, "1") { // earlier payloads may have queued messages
							poll()
							got = <-answered
						}
						if got.status != http.StatusOK {
							requireError(t, got, http.StatusBadRequest, codeUnknownSID)
						}
						conn.Close()
					})
				})
			}
		}
	}
}
