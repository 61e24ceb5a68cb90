package engineio

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// eachTransport runs fn with each transport, in a bubble of testing/synctest.
func eachTransport(t *testing.T, fn func(t *testing.T, transport string)) {
	for _, transport := range []string{"polling", "websocket", "upgrade"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { fn(t, transport) })
		})
	}
}

// tick returns the time by which a ping may be late.
func (h *host) tick() time.Duration { return h.heartbeats.Tick() + time.Millisecond }

func TestPingInterval(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, nil)
		begun := time.Now()
		client, p := h.connect(siotest.Options{Transport: transport})
		for i := range 20 {
			if i%2 == 0 { // messages do not change the interval
				require.NoError(t, p.Send(NewText([]byte("x"))))
				client.Send("y")
			}
			client.NextPing()
			due := time.Duration(i+1) * h.opts.PingInterval
			require.InDelta(t, due+h.tick()/2, time.Since(begun), float64(h.tick()/2))
		}
		require.True(t, p.live())
	})
}

func TestPingsDoNotDependOnPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, func(o *Options) { o.PingInterval, o.PingTimeout = time.Second, 5*time.Second })
		client, p := h.connect(siotest.Options{Transport: "websocket", NoPong: true})
		begun := time.Now()
		for range 5 {
			client.NextPing()
		}
		require.InDelta(t, 5*time.Second, time.Since(begun), float64(h.tick()))
		client.SendPacket("3")
		client.NextPing()
		require.True(t, p.live())
		require.Equal(t, PingTimeout, p.awaitEnd())
		// One pong is enough for the pings before it; the next one is missed.
		require.InDelta(t, 11*time.Second, time.Since(begun), float64(h.tick()))
	})
}

func TestMissingPongEndsTheSession(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, func(o *Options) { o.PingInterval, o.PingTimeout = 3*time.Second, 2*time.Second })
		begun := time.Now()
		client, p := h.connect(siotest.Options{Transport: transport, NoPong: true})
		require.Equal(t, PingTimeout, p.awaitEnd())
		require.InDelta(t, 5*time.Second+h.tick()/2, time.Since(begun), float64(h.tick()/2))
		want := siotest.ReasonCloseFrame
		if transport == "polling" {
			want = siotest.ReasonClosePacket
		}
		require.Equal(t, want, client.AwaitClosed())
		time.Sleep(closeLinger + time.Second)
		sessions, links := h.counts()
		require.Zero(t, sessions+links)
	})
}

// TestPongAtTheLastMoment: a pong is accepted until it is overdue. The tick of
// the timing wheel does not matter.
func TestPongAtTheLastMoment(t *testing.T) {
	for name, c := range map[string]struct {
		early  time.Duration
		status int
	}{
		"in time": {time.Millisecond, 200},
		"late":    {0, 400},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, siotest.Memory, nil)
				h.heartbeats = h.newWheel(7 * time.Second) // so coarse that it does not end the session
				client, p := h.connect(siotest.Options{NoPong: true})
				client.NextPing()
				p.Session.mu.Lock()
				wait := p.pongDue - h.now()
				p.Session.mu.Unlock()
				time.Sleep(wait - c.early)
				a := h.do("POST", "/?EIO=4&transport=polling&sid="+p.ID(), "3")
				require.Equal(t, c.status, a.status)
				require.Equal(t, c.status == 200, p.live())
			})
		})
	}
}

func TestUnsolicitedPongsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{Transport: "websocket", NoPong: true})
		begun := time.Now()
		client.WriteRaw([]byte(strings.Repeat(string(text("3")), 10_000)))
		requireEcho(t, client)
		require.Equal(t, 1, h.heartbeats.Len())
		client.NextPing()
		require.InDelta(t, h.opts.PingInterval, time.Since(begun), float64(h.tick()))
		require.Equal(t, PingTimeout, p.awaitEnd())
		require.InDelta(t, h.opts.PingInterval+h.opts.PingTimeout, time.Since(begun), float64(h.tick()))
	})
}

// TestHeartbeatDuringAStall: while handlers are behind, the pong may be among
// the bytes that are not read. Its deadline is suspended and pings are still
// sent. After the stall the client has PingTimeout for its pong.
func TestHeartbeatDuringAStall(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, func(o *Options) {
			o.PingInterval, o.PingTimeout, o.MaxInbound = 4*time.Second, 3*time.Second, 10
		})
		h.message = func(p *peer, data []byte, _ bool) error {
			p.Hold(len(data))
			return nil
		}
		begun := time.Now()
		client, p := h.connect(siotest.Options{Transport: transport})
		time.Sleep(3500 * time.Millisecond)
		client.Send(strings.Repeat("a", 20))
		client.NextPing()
		client.NextPing()
		require.InDelta(t, 8*time.Second, time.Since(begun), float64(h.tick()))
		time.Sleep(2 * time.Second) // 10 s; the pong of the first ping was due at 7 s
		require.True(t, p.live())
		p.Release(20)
		client.NextPing()
		require.InDelta(t, 12*time.Second, time.Since(begun), float64(h.tick()))
		time.Sleep(30 * time.Second)
		require.True(t, p.live())
	})
}

func TestPongDeadlineAfterAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, func(o *Options) {
			o.PingInterval, o.PingTimeout, o.MaxInbound = 4*time.Second, 3*time.Second, 10
		})
		h.message = func(p *peer, data []byte, _ bool) error {
			p.Hold(len(data))
			return nil
		}
		client, p := h.connect(siotest.Options{Transport: "websocket", NoPong: true})
		begun := time.Now()
		client.NextPing() // 4 s
		client.Send(strings.Repeat("a", 20))
		time.Sleep(6 * time.Second)
		p.Release(20)
		require.Equal(t, PingTimeout, p.awaitEnd())
		require.InDelta(t, 13*time.Second, time.Since(begun), float64(2*h.tick()))
	})
}

func TestStallThatLastsTooLong(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, func(o *Options) { o.MaxInbound = 10 })
		h.message = func(p *peer, data []byte, _ bool) error {
			p.Hold(len(data))
			return nil
		}
		client, p := h.connect(siotest.Options{Transport: transport})
		begun := time.Now()
		client.Send(strings.Repeat("a", 20))
		time.Sleep(h.opts.PingInterval + h.opts.PingTimeout - time.Millisecond)
		require.True(t, p.live())
		require.Equal(t, HandlerStall, p.awaitEnd())
		require.Equal(t, h.opts.PingInterval+h.opts.PingTimeout, time.Since(begun))
		require.NotEqual(t, siotest.ReasonLost, client.AwaitClosed())
	})
}

// TestHalfOpenConnection: if a client disappears without closing its
// connection, the session ends after one heartbeat.
func TestHalfOpenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, nil)
		begun := time.Now()
		conn, p := h.rawWebSocket(t)
		defer conn.Close()
		require.Equal(t, PingTimeout, p.awaitEnd())
		require.Less(t, time.Since(begun), h.opts.PingInterval+h.opts.PingTimeout+time.Second)
		time.Sleep(closeLinger)
		synctest.Wait()
		sessions, links := h.counts()
		require.Zero(t, sessions+links)
		var closed net.Error
		_, err := conn.Write([]byte("x"))
		require.Error(t, err)
		require.NotErrorAs(t, err, &closed)
	})
}

// TestLapseAt: Handler.Lapsed is called in time, before the first ping or after
// many.
func TestLapseAt(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, nil)
		for _, after := range []time.Duration{time.Millisecond, time.Second, 25 * time.Second, time.Minute, 20 * time.Minute} {
			client, p := h.connect(siotest.Options{Transport: transport})
			begun := time.Now()
			p.LapseAt(begun.Add(after))
			if after > time.Second {
				time.Sleep(after - time.Millisecond)
				require.True(t, p.live())
			}
			require.Equal(t, Reason("lapsed"), p.awaitEnd())
			require.InDelta(t, after+h.tick()/2, time.Since(begun), float64(h.tick()/2))
			client.AwaitClosed()
		}
	})
}

// TestLapseAtReplacesAnEarlierTime: only the last call of LapseAt counts. The
// zero time cancels the earlier one.
func TestLapseAtReplacesAnEarlierTime(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, nil)
		_, p := h.connect(siotest.Options{Transport: transport})
		begun := time.Now()
		p.LapseAt(begun.Add(time.Second))
		p.LapseAt(time.Time{})
		time.Sleep(5 * time.Minute)
		require.True(t, p.live())
		p.LapseAt(time.Now().Add(time.Second))
		p.LapseAt(time.Now().Add(time.Hour))
		time.Sleep(59 * time.Minute)
		require.True(t, p.live())
		p.LapseAt(begun) // in the past
		require.Equal(t, Reason("lapsed"), p.awaitEnd())
		require.InDelta(t, 64*time.Minute, time.Since(begun), float64(h.tick()))
	})
}

// TestLapseAtAFarTime: a time in the far future does not overflow.
func TestLapseAtAFarTime(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, nil)
		_, p := h.connect(siotest.Options{Transport: transport})
		time.Sleep(time.Second) // so that the engine's clock is not at zero
		p.LapseAt(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))
		p.Session.mu.Lock()
		next := min(p.lapseAt, p.pingDue)
		p.Session.mu.Unlock()
		require.Equal(t, h.opts.PingInterval, next)
		time.Sleep(time.Hour)
		require.True(t, p.live())
	})
}
