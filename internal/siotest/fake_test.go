package siotest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// fakeServer is a small server for tests of the client. It echoes Engine.IO
// messages that are no Socket.IO packets. On every namespace except barrier and
// "/refused" it handles these events:
//
//	echo   sends the arguments back, as an ack if the client wants one
//	ask    sends "question" with the arguments, and sends its ack as "answered"
//	raw    sends the arguments as raw packets
//	frame  writes the argument as raw bytes to the WebSocket
type fakeServer struct {
	interval time.Duration // between pings; 0: no pings

	mu       sync.Mutex // guards sessions
	sessions map[string]*fakeSession
}

type fakeSession struct {
	interval time.Duration
	sid      string
	out      mailbox[string] // raw packets; binary as "b" and base64, raw bytes after "!"
	header   http.Header     // the headers of the handshake
	pongs    mailbox[string]
	pending  *frame
	probing  atomic.Bool // answer polls at once
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sid := r.FormValue("sid")
	f.mu.Lock()
	s := f.sessions[sid]
	if sid == "" {
		s = f.open(r)
	}
	f.mu.Unlock()
	switch {
	case s == nil || r.FormValue("EIO") != "4":
		http.Error(w, `{"code":1,"message":"Session ID unknown"}`, http.StatusBadRequest)
	case r.FormValue("transport") == "websocket":
		s.serveWebSocket(w, r, sid != "")
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		for part := range strings.SplitSeq(string(body), separator) {
			s.handle(part)
		}
		io.WriteString(w, "ok")
	default:
		if s.probing.Load() {
			s.out.put("6")
		}
		if packets, err := s.out.all(r.Context()); err == nil {
			io.WriteString(w, strings.Join(packets, separator))
		}
	}
}

func (f *fakeServer) open(r *http.Request) *fakeSession {
	if f.sessions == nil {
		f.sessions = make(map[string]*fakeSession)
	}
	s := &fakeSession{sid: fmt.Sprintf("sid%d", len(f.sessions)), header: r.Header, interval: f.interval}
	f.sessions[s.sid] = s
	s.out.put(`0{"sid":"` + s.sid + `","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}`)
	return s
}

func (s *fakeSession) serveWebSocket(w http.ResponseWriter, r *http.Request, upgrade bool) {
	conn, buffered, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var writer sync.WaitGroup
	defer writer.Wait()
	defer cancel()
	begin := func() {
		writer.Go(func() { s.writeLoop(ctx, conn) })
		if s.interval > 0 {
			writer.Go(func() { s.pingLoop(ctx) })
		}
	}
	if !upgrade {
		begin()
	}
	for {
		header, err := ws.ReadHeader(buffered)
		if err != nil {
			return
		}
		payload := make([]byte, header.Length)
		if _, err := io.ReadFull(buffered, payload); err != nil {
			return
		}
		frame := ws.UnmaskFrameInPlace(ws.Frame{Header: header, Payload: payload})
		text := string(frame.Payload)
		switch {
		case frame.Header.OpCode == ws.OpClose:
			ws.WriteFrame(conn, ws.NewCloseFrame(frame.Payload))
			return
		case frame.Header.OpCode == ws.OpPong:
			s.pongs.put(text)
		case frame.Header.OpCode == ws.OpBinary:
			s.handle(encodeBinary(frame.Payload))
		case text == "2probe":
			ws.WriteFrame(conn, ws.NewTextFrame([]byte("3probe")))
			defer s.probing.Store(false)
			s.probing.Store(true)
			s.out.put("6") // answers the poll in progress
		case text == "5":
			begin()
		default:
			s.handle(text)
		}
	}
}

func (s *fakeSession) writeLoop(ctx context.Context, conn io.Writer) {
	for {
		packet, err := s.out.get(ctx)
		if err != nil {
			return
		}
		if raw, ok := strings.CutPrefix(packet, "!"); ok {
			io.WriteString(conn, raw)
		} else if p, err := parsePacket(packet); err == nil && p.Binary {
			ws.WriteFrame(conn, ws.NewBinaryFrame(p.Data))
		} else {
			ws.WriteFrame(conn, ws.NewTextFrame([]byte(packet)))
		}
	}
}

func (s *fakeSession) pingLoop(ctx context.Context) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.out.put("2")
		case <-ctx.Done():
			return
		}
	}
}

// handle processes a packet. The caller passes the packets of a session one
// after the other.
func (s *fakeSession) handle(raw string) {
	p, err := parsePacket(raw)
	switch {
	case err != nil:
		s.out.put("1")
	case p.Type == '1':
		s.out.put("6")
	case p.Type == '3':
		s.pongs.put(p.Text)
	case p.Binary && s.pending != nil:
		f := s.pending
		if f.attachments = append(f.attachments, p.Data); len(f.attachments) == f.announced {
			s.pending = nil
			s.socketIO(f)
		}
	case p.Type == '4' && !p.Binary && strings.HasPrefix(p.Text, "0"):
		namespace, _, _ := strings.Cut(p.Text[1:], ",")
		s.connect(namespace)
	default:
		f, err := decodeFrame(p.Text, false)
		switch {
		case err != nil || p.Binary:
			s.out.put(raw)
		case f.announced > 0:
			s.pending = f
		default:
			s.socketIO(f)
		}
	}
}

func (s *fakeSession) connect(namespace string) {
	switch namespace {
	case barrier:
		s.out.put(`44` + barrier + `,{"message":"Invalid namespace"}`)
	case "/refused":
		s.out.put(`44/refused,{"message":"no","data":{"why":1}}`)
	case "":
		s.out.put(`40{"sid":"root"}`)
	default:
		s.out.put(`40` + namespace + `,{"sid":"` + namespace + `"}`)
	}
}

func (s *fakeSession) socketIO(f *frame) {
	reply := func(kind int, ackID *uint64, payload any) {
		b, err := json.Marshal(payload)
		if err != nil {
			panic(err)
		}
		out := &frame{kind: kind, namespace: f.namespace, ackID: ackID, payload: b, attachments: f.attachments}
		if len(f.attachments) > 0 {
			out.kind += 3
		}
		packets := []string{"4" + out.encode()}
		for _, a := range f.attachments {
			packets = append(packets, encodeBinary(a))
		}
		s.out.put(packets...)
	}
	if f.kind == typeAck || f.kind == typeBinaryAck {
		args, _ := f.array()
		reply(typeEvent, nil, append([]json.RawMessage{[]byte(`"answered"`)}, args...))
		return
	}
	if f.kind == typeDisconnect {
		return
	}
	name, args, _ := f.event()
	switch name {
	case "ask":
		id := uint64(7)
		reply(typeEvent, &id, append([]json.RawMessage{[]byte(`"question"`)}, args...))
	case "raw", "frame":
		for _, a := range args {
			var text string
			if err := json.Unmarshal(a, &text); err != nil {
				panic(err)
			}
			if name == "frame" {
				text = "!" + text
			}
			s.out.put(text)
		}
	default:
		if f.ackID != nil {
			reply(typeAck, f.ackID, args)
		} else {
			reply(typeEvent, nil, append([]json.RawMessage{[]byte(`"echo"`)}, args...))
		}
	}
}
