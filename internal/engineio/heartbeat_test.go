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

// eachTransport runs fn in a bubble, where time passes when nothing else
// happens.
func eachTransport(t *testing.T, fn func(t *testing.T, transport string)) {
	for _, transport := range []string{"polling", "websocket", "upgrade"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { fn(t, transport) })
		})
	}
}

// tick is how much later than due a heartbeat may be.
func (h *host) tick() time.Duration { return h.heartbeats.Tick() + time.Millisecond }

func TestPingsComeAtTheirInterval(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, nil)
		begun := time.Now()
		client, p := h.connect(siotest.Options{Transport: transport})
		for i := range 20 {
			if i%2 == 0 { // whatever else is sent
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
		require.Equal(t, PingTimeout, p.ended())
		// One pong is enough for the pings before it; the next one is missed.
		require.InDelta(t, 11*time.Second, time.Since(begun), float64(h.tick()))
	})
}

func TestPongThatDoesNotCome(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, func(o *Options) { o.PingInterval, o.PingTimeout = 3*time.Second, 2*time.Second })
		begun := time.Now()
		client, p := h.connect(siotest.Options{Transport: transport, NoPong: true})
		require.Equal(t, PingTimeout, p.ended())
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

// A pong counts until the moment it is due, however coarse the timers are.
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
				h.heartbeats = h.newWheel(7 * time.Second) // so that it is not the wheel that ends the session
				client, p := h.connect(siotest.Options{NoPong: true})
				client.NextPing()
				p.Session.mu.Lock()
				left := p.pongDue - h.now()
				p.Session.mu.Unlock()
				time.Sleep(left - c.early)
				a := h.do("POST", "/?EIO=4&transport=polling&sid="+p.ID(), "3")
				require.Equal(t, c.status, a.status)
				require.Equal(t, c.status == 200, p.live())
			})
		})
	}
}

func TestPongsThatNobodyAskedForAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{Transport: "websocket", NoPong: true})
		begun := time.Now()
		client.WriteRaw([]byte(strings.Repeat(string(text("3")), 10_000)))
		echoes(t, client)
		require.Equal(t, 1, h.heartbeats.Len())
		client.NextPing()
		require.InDelta(t, h.opts.PingInterval, time.Since(begun), float64(h.tick()))
		require.Equal(t, PingTimeout, p.ended())
		require.InDelta(t, h.opts.PingInterval+h.opts.PingTimeout, time.Since(begun), float64(h.tick()))
	})
}

// While handlers are behind the pong may stand behind what is not read: its
// deadline waits, pings go on, and the client has its whole time afterwards.
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
		time.Sleep(2 * time.Second) // 10 s: at 7 s the pong of the first was due
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
		require.Equal(t, PingTimeout, p.ended())
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
		require.Equal(t, HandlerStall, p.ended())
		require.Equal(t, h.opts.PingInterval+h.opts.PingTimeout, time.Since(begun))
		require.NotEqual(t, siotest.ReasonLost, client.AwaitClosed())
	})
}

// A client that vanished without a word is gone after one heartbeat.
func TestHalfOpenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, nil)
		begun := time.Now()
		conn, p := h.rawWebSocket(t)
		defer conn.Close()
		require.Equal(t, PingTimeout, p.ended())
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
