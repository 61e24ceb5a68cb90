package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/engineio"
)

// The servers below replace the servers that the test suites of the official
// clients start, and behave in the same way.

// clientSession is a session of the engine.io-client suite. It sends a
// greeting, answers three commands, and sends back any other message.
type clientSession struct {
	session *engineio.Session

	mu     sync.Mutex
	cookie string // the cookies of the latest POST; guarded by mu
}

// Admits admits every request. It stores the cookies of a POST, because a
// message in its payload may ask for them.
func (b *clientSession) Admits(r *http.Request) engineio.Admission {
	if r.Method == http.MethodPost {
		b.mu.Lock()
		b.cookie = r.Header.Get("Cookie")
		b.mu.Unlock()
	}
	return engineio.Admitted
}

func (b *clientSession) Message(data []byte, binary bool) error {
	if binary {
		return b.session.Send(engineio.NewBinary(data))
	}
	switch string(data) {
	case "give binary":
		return b.session.Send(engineio.NewBinary([]byte{0, 1, 2, 3, 4}))
	case "give utf8":
		return b.session.Send(engineio.NewText([]byte("пойду спать всем спокойной ночи")))
	case "sendHeaders":
		headers, err := b.headers()
		if err != nil {
			return err
		}
		return b.session.Send(engineio.NewText(headers))
	}
	return b.session.Send(engineio.NewText(data))
}

// headers returns the headers of the latest POST that the suite reads, as JSON.
func (b *clientSession) headers() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return json.Marshal(struct {
		Cookie string `json:"cookie,omitempty"`
	}{b.cookie})
}

func (*clientSession) Opened() {}

func (*clientSession) Lapsed() {}

func (*clientSession) Closed(engineio.Reason) {}

func engineIOClient() http.Handler {
	engine := engineio.New(engineio.Options{
		PingInterval:   500 * time.Millisecond,
		PingTimeout:    20 * time.Second,
		UpgradeTimeout: 10 * time.Second,
		MaxPayload:     100,
		MaxQueue:       1 << 20,
		MaxInbound:     1 << 20,
		Transports:     []engineio.Transport{engineio.Polling, engineio.WebSocket},
		Open: func(s *engineio.Session, r *http.Request) (engineio.Handler, http.Header, error) {
			if r.URL.Query().Has("deny") {
				return nil, nil, errors.New("the query has deny")
			}
			return &clientSession{session: s}, nil, s.Send(engineio.NewText([]byte("hi")))
		},
		Logger: slog.Default(),
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("sid") {
			setCookies(w)
		}
		engine.ServeHTTP(w, r)
	})
}

// setCookies sets two cookies that the client must send back, and two that have
// expired.
func setCookies(w http.ResponseWriter) {
	for _, cookie := range []*http.Cookie{
		{Name: "1", Value: "1", MaxAge: 86400},
		{Name: "2", Value: "2", Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode},
		{Name: "3", Value: "3", MaxAge: -1},
		{Name: "4", Value: "4", Expires: time.Now()},
	} {
		http.SetCookie(w, cookie)
	}
}

// handshakeDelay is the minimum duration of a handshake, for the tests of the
// client's timeouts.
const handshakeDelay = 10 * time.Millisecond

func socketIOClient() (http.Handler, error) {
	srv, err := mojo.New(mojo.Options{Timeouts: mojo.Timeouts{PingInterval: 2 * time.Second}})
	if err != nil {
		return nil, err
	}
	for namespace, handler := range map[string]*mojo.Events{
		"/":               {Connect: refuseFailing, Fallback: serveTests},
		"/foo":            {Fallback: sendID},
		"/abc":            {Connect: sendHandshake},
		"/no":             {Connect: refuseAll},
		"/timeout_socket": {},
		"/valid":          {},
		"/asd":            {},
	} {
		if _, err := srv.Handle(namespace, handler.Handler()); err != nil {
			return nil, err
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("sid") {
			time.Sleep(handshakeDelay)
		}
		srv.ServeHTTP(w, r)
	}), nil
}

// handshake has the values of a handshake that the suite reads.
type handshake struct {
	Query map[string]string `json:"query"`
	Auth  json.RawMessage   `json:"auth,omitempty"`
}

func handshakeOf(c *mojo.Conn) handshake {
	received := c.Handshake()
	h := handshake{Query: make(map[string]string), Auth: received.Auth}
	for name, values := range received.Query() {
		h.Query[name] = values[0]
	}
	return h
}

// sendHandshake sends each client its handshake.
func sendHandshake(c *mojo.Conn) error { return c.Emit("handshake", handshakeOf(c)) }

// refuseAll refuses every client.
func refuseAll(*mojo.Conn) error {
	return mojo.ClientError{Message: "Auth failed (custom namespace)"}
}

// sendID answers "getId" with the id of the connection.
func sendID(c *mojo.Conn, m *mojo.Message) {
	if m.Event() == "getId" {
		logError(m, m.Ack(c.ID()))
	}
}

// refuseFailing refuses the clients with the query parameter fail.
func refuseFailing(c *mojo.Conn) error {
	if c.Handshake().Query().Has("fail") {
		return mojo.ClientError{Message: "Auth failed (main namespace)"}
	}
	return nil
}

// serveTests handles the events of the namespace of most tests.
func serveTests(c *mojo.Conn, m *mojo.Message) {
	if m.Event() == "ack" {
		go awaitAck(c) // later events must not wait for the ack
		return
	}
	logError(m, answer(c, m))
}

// awaitAck emits an event, waits for the client's ack, and emits a confirmation
// if the ack is correct.
func awaitAck(c *mojo.Conn) {
	m, err := c.EmitWithAck(c.Context(), "ack")
	if err != nil {
		return
	}
	var number int
	var object struct{ Test bool }
	if err = m.Decode(&number, &object); err == nil && number == 5 && object.Test {
		err = c.Emit("got it")
	}
	logError(m, err)
}

// answer sends the answer that the suite expects for an event. It ignores
// events with other names.
func answer(c *mojo.Conn, m *mojo.Message) error {
	switch m.Event() {
	case "hi":
		return c.Emit("hi")
	case "echo":
		var value any
		if err := m.Decode(&value); err != nil {
			return err
		}
		return m.Ack(value)
	case "getId":
		return m.Ack(c.ID())
	case "getHandshake":
		return m.Ack(handshakeOf(c))
	case "getAckDate":
		return m.Ack(time.Now())
	case "getDate":
		return c.Emit("takeDate", time.Now())
	case "getDateObj":
		return c.Emit("takeDateObj", map[string]any{"date": time.Now()})
	case "getUtf8":
		return emitTexts(c, "てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string")
	case "false":
		return c.Emit("false", false)
	case "doge":
		return c.Emit("doge", []byte("asdfasdf"))
	case "getbin":
		return c.Emit("takebin", []byte("asdfasdf"))
	case "buffa":
		return confirmBinary(c, m, "buffack")
	case "blob":
		return confirmBinary(c, m, "back")
	case "jsonbuff", "jsonblob":
		return confirmObject(c, m, m.Event()+"-ack")
	case "abuff1", "blob1":
		return storeFirst(c, m)
	case "abuff2":
		return confirmSecond(c, m, "please arrive second", "abuff2-ack")
	case "blob2":
		return confirmSecond(c, m, "second", "")
	case "blob3":
		return confirmBinary(c, m, "blob3-ack")
	}
	return nil
}

func emitTexts(c *mojo.Conn, texts ...string) error {
	for _, text := range texts {
		if err := c.Emit("takeUtf8", text); err != nil {
			return err
		}
	}
	return nil
}

// confirmBinary requires one binary argument, and emits a confirmation.
func confirmBinary(c *mojo.Conn, m *mojo.Message, confirmation string) error {
	var b mojo.Binary
	if err := m.Decode(&b); err != nil {
		return err
	}
	return c.Emit(confirmation)
}

// confirmObject requires the object that the suite sends, which contains
// binary, and emits a confirmation.
func confirmObject(c *mojo.Conn, m *mojo.Message, confirmation string) error {
	var o struct {
		Hello, Goodbye string
		Message        mojo.Binary
	}
	if err := m.Decode(&o); err != nil {
		return err
	}
	if o.Hello != "lol" || o.Goodbye != "gotcha" || o.Message == nil {
		return errors.New("not the object of the suite")
	}
	return c.Emit(confirmation)
}

type firstKey struct{}

// storeFirst records that the first of two messages, a binary one, has arrived.
func storeFirst(c *mojo.Conn, m *mojo.Message) error {
	var b mojo.Binary
	if err := m.Decode(&b); err != nil {
		return err
	}
	c.Set(firstKey{}, true)
	return nil
}

// confirmSecond requires that the second message is this text and that the
// first one has arrived. It emits a confirmation, if that is not empty.
func confirmSecond(c *mojo.Conn, m *mojo.Message, want, confirmation string) error {
	var text string
	switch err := m.Decode(&text); {
	case err != nil:
		return err
	case c.Get(firstKey{}) == nil || text != want:
		return errors.New("the messages came in another order or with other content")
	case confirmation == "":
		return nil
	}
	return c.Emit(confirmation)
}

func logError(m *mojo.Message, err error) {
	if err != nil && !errors.Is(err, mojo.ErrNotConnected) {
		slog.Error("suiteserver: an event failed", "event", m.Event(), "error", err)
	}
}
