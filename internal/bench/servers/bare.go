package servers

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// bare is the least that a server in this style can do, the measure for all others: WebSocket frames over
// gobwas/ws, one goroutine per connection, a ready-made frame written to each net.Conn. It knows nothing of
// Engine.IO and Socket.IO, has no queue, no heartbeat and no identity, and a client that does not read stops
// it.
type bare struct {
	mu    sync.Mutex // guards what follows
	conns []net.Conn
	at    map[net.Conn]int // where each stands in conns
	users map[int]net.Conn
}

func newBare(Heartbeat) (*Server, error) {
	b := &bare{at: make(map[net.Conn]int), users: make(map[int]net.Conn)}
	frame := ws.MustCompileFrame(ws.NewTextFrame([]byte("42" + EventJSON("note"))))
	return &Server{
		Serve: b.serve,
		Broadcast: func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, c := range b.conns {
				_, _ = c.Write(frame) // its reader sees the end
			}
		},
		EmitTo: func(user int) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if c := b.users[user]; c != nil {
				_, _ = c.Write(frame)
			}
		},
		Conns: func() int {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.conns)
		},
	}, nil
}

func (b *bare) serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go b.accept(c)
	}
}

func (b *bare) accept(c net.Conn) {
	user := -1
	upgrader := ws.Upgrader{OnRequest: func(uri []byte) error {
		if u, err := url.ParseRequestURI(string(uri)); err == nil {
			if n, err := strconv.Atoi(u.Query().Get(UserQuery)); err == nil {
				user = n
			}
		}
		return nil
	}}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := upgrader.Upgrade(c); err != nil {
		_ = c.Close()
		return
	}
	_ = c.SetDeadline(time.Time{})
	b.mu.Lock()
	b.at[c] = len(b.conns)
	b.conns = append(b.conns, c)
	if user >= 0 {
		b.users[user] = c
	}
	b.mu.Unlock()
	go b.read(c, user) // anew, for the stack of the upgrade is large
}

// echoBuffer is enough for one read of an event, without which an echo would cost three.
const echoBuffer = 256

func (b *bare) read(c net.Conn, user int) {
	defer func() {
		_ = c.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		i, last := b.at[c], len(b.conns)-1
		b.conns[i] = b.conns[last]
		b.at[b.conns[i]] = i
		b.conns[last] = nil
		b.conns = b.conns[:last]
		delete(b.at, c)
		if user >= 0 {
			delete(b.users, user)
		}
	}()
	r := bufio.NewReaderSize(c, echoBuffer)
	var scratch [ws.MaxHeaderSize]byte
	var out bytes.Buffer
	for {
		h, err := ws.ReadHeaderBuffer(r, scratch[:])
		if err != nil || h.Length > 1<<20 {
			return
		}
		out.Reset()
		_ = ws.WriteHeader(&out, ws.Header{Fin: true, OpCode: h.OpCode, Length: h.Length}) // a Buffer takes everything
		out.Grow(int(h.Length))
		payload := out.AvailableBuffer()[:h.Length]
		if _, err := io.ReadFull(r, payload); err != nil {
			return
		}
		ws.Cipher(payload, h.Mask, 0)
		if bytes.HasPrefix(payload, []byte(`421["`)) {
			payload[1] = '3' // what looks like an ack is enough
		}
		out.Write(payload)
		if _, err := c.Write(out.Bytes()); err != nil || h.OpCode == ws.OpClose {
			return
		}
	}
}
