package engineio

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestUpgradeLosesNothing sends messages in both directions while connections
// are upgraded. No message is lost, duplicated or out of order.
func TestUpgradeLosesNothing(t *testing.T) {
	const upgrades, messages = 50, 120
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		type arrival struct {
			p    *peer
			text string
		}
		arrived := make(chan arrival, upgrades*messages)
		h.message = func(p *peer, data []byte, _ bool) error {
			arrived <- arrival{p, string(data)}
			return nil
		}
		for range upgrades {
			client, p := h.connect(siotest.Options{})
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for i := range messages {
					_ = p.Send(NewText(fmt.Append(nil, i)))
				}
			}()
			go func() {
				for i := range messages {
					client.Send(fmt.Sprint(i))
				}
			}()
			client.Upgrade()
			for i := range messages {
				require.Equal(t, fmt.Sprint(i), client.Next().Text)
			}
			<-sent
			for i := range messages {
				select {
				case a := <-arrived:
					require.Equal(t, arrival{p, fmt.Sprint(i)}, a)
				case <-time.After(timeout):
					require.FailNow(t, "a message is lost")
				}
			}
			h.await(p, func() bool { return p.link != nil })
			require.Zero(t, client.Unread())
			client.Close()
		}
		require.Empty(t, arrived)
	})
}

// TestUpgradeSendsTheQueueFirst: messages that are queued when the client
// upgrades are sent first.
func TestUpgradeSendsTheQueueFirst(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{ManualPoll: true})
		probe := client.Probe()
		for i := range 500 {
			require.NoError(t, p.Send(NewText(fmt.Append(nil, i))))
		}
		probe.Complete()
		for i := range 500 {
			require.Equal(t, fmt.Sprint(i), client.Next().Text)
		}
		requireEcho(t, client)
	})
}

// TestProbeCarriesNoMessages: while a WebSocket probes, messages are sent by
// polling only.
func TestProbeCarriesNoMessages(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{})
		conn := h.rawProbe(t, client, "2probe")
		requireEcho(t, client)
		require.NoError(t, p.Send(NewBinary([]byte("by polling"))))
		require.Equal(t, "by polling", string(client.Next().Data))
		answer := make([]byte, len("\x81\x063probe"))
		_, err := io.ReadFull(conn, answer)
		require.NoError(t, err)
		require.Equal(t, "\x81\x063probe", string(answer))
		p.Close(ForcedClose)
		rest, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, "\x88\x02\x03\xe8", string(rest))
	})
}

// TestFailedProbes: an error on the WebSocket before the upgrade packet ends
// the WebSocket. Polling continues, and the next upgrade works.
func TestFailedProbes(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"probe twice":      join(text("2probe"), text("2probe")),
		"data":             text("4data"),
		"data after probe": join(text("2probe"), text("4data")),
		"binary":           frame(ws.OpBinary, true, "data"),
		"upgrade at once":  text("5"),
		"ping":             text("2"),
		"empty packet":     text(""),
		"bad frame":        {0xf1, 0},
		"Close frame":      frame(ws.OpClose, true, ""),
	} {
		t.Run(name, func(t *testing.T) {
			siotest.Each(t, func(t *testing.T, n siotest.Network) {
				h := serve(t, n, nil)
				client, p := h.connect(siotest.Options{})
				conn := h.rawProbe(t, client)
				_, err := conn.Write(bytes)
				require.NoError(t, err)
				_, err = io.ReadAll(conn)
				require.NoError(t, err)
				requireEcho(t, client)
				require.Equal(t, Polling, p.Transport())
				client.Upgrade()
				requireEcho(t, client)
			})
		})
	}
}

func TestProbeThatLosesItsConnection(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{})
		client.Probe().Abandon()
		h.await(p, func() bool { return p.probe == nil })
		requireEcho(t, client)
		client.Upgrade()
		requireEcho(t, client)
	})
}

// TestSecondWebSocketForASession: the handshake of a second WebSocket is
// answered, and then the WebSocket is closed.
func TestSecondWebSocketForASession(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		for _, upgraded := range []bool{true, false} {
			client, _ := h.connect(siotest.Options{})
			probe := client.Probe()
			if upgraded {
				probe.Complete()
			}
			conn := h.rawProbe(t, client)
			_, err := conn.Write(text("2probe"))
			require.NoError(t, err)
			all, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, "\x88\x02\x03\xe8", string(all))
			requireEcho(t, client)
			if !upgraded {
				probe.Complete()
				requireEcho(t, client)
			}
		}
	})
}

func TestPendingUpgradeTimesOut(t *testing.T) {
	for name, packets := range map[string][]string{"after the probe": {"2probe"}, "before the probe": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, siotest.Memory, nil)
				client, p := h.connect(siotest.Options{})
				begun := time.Now()
				conn := h.rawProbe(t, client, packets...)
				_, err := io.ReadAll(conn)
				require.NoError(t, err)
				require.Equal(t, h.opts.UpgradeTimeout, time.Since(begun))
				requireEcho(t, client)
				client.Upgrade()
				time.Sleep(2 * h.opts.UpgradeTimeout)
				requireEcho(t, client) // the timeout of a finished upgrade does nothing
				require.True(t, p.live())
			})
		})
	}
}

// TestUpgradeTimeoutAfterTheUpgrade: the timer of an upgrade may fire while the
// upgrade packet is being handled.
func TestUpgradeTimeoutAfterTheUpgrade(t *testing.T) {
	h := serve(t, siotest.TCP, nil)
	client, p := h.connect(siotest.Options{Transport: "upgrade"})
	h.await(p, func() bool { return p.link != nil })
	p.link.endProbe()
	requireEcho(t, client)
}

// TestProbeEndsPolls: a poll that is waiting when the probe begins is answered
// at once. A later poll is answered after 100 ms. So the client can stop
// polling.
func TestProbeEndsPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{ManualPoll: true})
		begun := time.Now()
		first := make(chan string)
		go func() {
			_, payload := client.Poll()
			first <- payload
		}()
		synctest.Wait()
		probe := client.Probe()
		require.Equal(t, "6", <-first)
		require.Zero(t, time.Since(begun))

		_, payload := client.Poll()
		require.Equal(t, "6", payload)
		require.Equal(t, noopDelay, time.Since(begun))

		require.NoError(t, p.Send(NewText([]byte("x"))))
		_, payload = client.Poll()
		require.Equal(t, "4x", payload)
		require.Equal(t, noopDelay, time.Since(begun))
		require.Equal(t, "x", client.Next().Text)
		probe.Complete()
		requireEcho(t, client)
	})
}

// TestUpgradeRefusesThePollThatWaits: a poll that is waiting when the upgrade
// packet arrives gets 400, and no message.
func TestUpgradeRefusesThePollThatWaits(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		for {
			client, p := h.connect(siotest.Options{ManualPoll: true})
			conn := h.rawProbe(t, client, "2probe")
			done := make(chan answer, 1)
			go func() { done <- h.do("GET", "/?EIO=4&transport=polling&sid="+p.ID(), "") }()
			h.await(p, func() bool { return p.poll != nil || len(done) > 0 })
			_, err := conn.Write(text("5"))
			require.NoError(t, err)
			refused := <-done
			if refused.status == http.StatusOK { // the poll was answered after noopDelay, before the upgrade
				require.Equal(t, "6", refused.body)
				continue
			}
			requireError(t, refused, http.StatusBadRequest, codeBadRequest)
			require.NoError(t, p.Send(NewText([]byte("by WebSocket"))))
			want := "\x81\x063probe\x81\x0d4by WebSocket"
			got := make([]byte, len(want))
			_, err = io.ReadFull(conn, got)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
			requireError(t, h.do("GET", "/?EIO=4&transport=polling&sid="+p.ID(), ""), http.StatusBadRequest, codeBadRequest)
			require.True(t, p.live())
			return
		}
	})
}

// TestPollAbortedDuringTheUpgrade: a poll that the client aborts while the
// upgrade completes does not end the session.
func TestPollAbortedDuringTheUpgrade(t *testing.T) {
	h := serve(t, siotest.TCP, nil)
	for range 20 { // the poll sees the abort and the upgrade in either order
		client, p := h.connect(siotest.Options{ManualPoll: true})
		_ = h.rawProbe(t, client, "2probe")
		h.await(p, func() bool { return p.probe != nil && p.probe.probed })
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, client.URL("polling"), nil)
		var poll sync.WaitGroup
		poll.Go(func() { p.servePoll(httptest.NewRecorder(), r, p.initialPermission(), false) })
		h.awaitPoll(p)

		p.Session.mu.Lock()
		cancel()
		p.probe.takeSessionLocked()
		p.Session.mu.Unlock()

		poll.Wait()
		require.True(t, p.live())
	}
}
