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
	"github.com/gobwas/ws/wsutil"
)

// bare is a server that does as little as possible, for comparison: WebSocket
// frames by gobwas/ws, one goroutine per connection, and a prepared frame that
// is written to each net.Conn. It does not speak Engine.IO and Socket.IO. It
// has no queues, heartbeats and identities, and a client that does not read
// blocks it.
type bare struct {
	buffered bool // echo with bufferedEcho; does not change

	mu      sync.Mutex // guards the fields below
	conns   []net.Conn
	indexes map[net.Conn]int // of each connection in conns
	users   map[int]net.Conn // by the number of the user
}

func newBare(buffered bool) (*Server, error) {
	b := &bare{buffered: buffered, indexes: make(map[net.Conn]int), users: make(map[int]net.Conn)}
	frame := ws.MustCompileFrame(ws.NewTextFrame([]byte("42" + EventJSON("note"))))
	return &Server{
		Serve: b.serve,
		Broadcast: func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, c := range b.conns {
				_, _ = c.Write(frame) // if the connection has ended, its reader removes it
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
	b.indexes[c] = len(b.conns)
	b.conns = append(b.conns, c)
	if user >= 0 {
		b.users[user] = c
	}
	b.mu.Unlock()
	go b.read(c, user) // in a new goroutine, because the upgrade needs a large stack
}

// read echoes messages until the connection ends.
func (b *bare) read(c net.Conn, user int) {
	defer b.remove(c, user)
	var echo func() error
	if b.buffered {
		echo = bufferedEcho(c)
	} else {
		echo = func() error { return plainEcho(c) }
	}
	for echo() == nil {
	}
}

func (b *bare) remove(c net.Conn, user int) {
	_ = c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	i, last := b.indexes[c], len(b.conns)-1
	b.conns[i] = b.conns[last]
	b.indexes[b.conns[i]] = i
	b.conns[last] = nil
	b.conns = b.conns[:last]
	delete(b.indexes, c)
	if user >= 0 {
		delete(b.users, user)
	}
}

// plainEcho reads a message and writes it back, with the functions that
// gobwas/ws documents for this.
func plainEcho(c net.Conn) error {
	message, op, err := wsutil.ReadClientData(c)
	if err != nil {
		return err
	}
	acknowledge(message)
	return wsutil.WriteServerMessage(c, op, message)
}

// bufferedEcho returns a function that reads a message and writes it back. It
// takes one read for a message, where plainEcho takes three, and reuses its
// buffer.
func bufferedEcho(c net.Conn) func() error {
	r := bufio.NewReaderSize(c, 256)
	var scratch [ws.MaxHeaderSize]byte
	var out bytes.Buffer
	return func() error {
		h, err := ws.ReadHeaderBuffer(r, scratch[:])
		if err != nil {
			return err
		}
		if h.Length > 1<<20 {
			return ws.ErrHeaderLengthUnexpected
		}
		out.Reset()
		_ = ws.WriteHeader(&out, ws.Header{Fin: true, OpCode: h.OpCode, Length: h.Length}) // a Buffer returns no error
		out.Grow(int(h.Length))
		payload := out.AvailableBuffer()[:h.Length]
		if _, err := io.ReadFull(r, payload); err != nil {
			return err
		}
		ws.Cipher(payload, h.Mask, 0)
		acknowledge(payload)
		out.Write(payload)
		_, err = c.Write(out.Bytes())
		if h.OpCode == ws.OpClose {
			return io.EOF
		}
		return err
	}
}

// acknowledge turns an event that requests an acknowledgement into a packet
// with the type of an acknowledgement.
func acknowledge(packet []byte) {
	if bytes.HasPrefix(packet, []byte(`421["`)) {
		packet[1] = '3'
	}
}
