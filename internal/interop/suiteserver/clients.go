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

// The servers below stand in for those that the test suites of the official
// clients start, and behave as these do.

// bouncer is a session of the engine.io-client suite. It greets, answers three
// commands, and sends back any other message.
type bouncer struct {
	session *engineio.Session

	mu     sync.Mutex
	cookie string // of the latest POST; guarded by mu
}

// Admits admits every request and keeps what a POST says of its cookies: a message
// of its payload may ask for them.
func (b *bouncer) Admits(r *http.Request) engineio.Admission {
	if r.Method == http.MethodPost {
		b.mu.Lock()
		b.cookie = r.Header.Get("Cookie")
		b.mu.Unlock()
	}
	return engineio.Admitted
}

func (b *bouncer) Message(data []byte, binary bool) error {
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

// headers is the part of the latest POST's headers that the suite reads.
func (b *bouncer) headers() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return json.Marshal(struct {
		Cookie string `json:"cookie,omitempty"`
	}{b.cookie})
}

func (*bouncer) Lapsed() {}

func (*bouncer) Closed(engineio.Reason) {}

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
			return &bouncer{session: s}, nil, s.Send(engineio.NewText([]byte("hi")))
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

// setCookies sets two cookies that the client is to send back and two that have
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

// handshakeDelay is how long a handshake takes at least, so that the tests of the
// client's timeouts see one.
const handshakeDelay = 10 * time.Millisecond

func socketIOClient() (http.Handler, error) {
	srv, err := mojo.New(mojo.Options{Timeouts: mojo.Timeouts{PingInterval: 2 * time.Second}})
	if err != nil {
		return nil, err
	}
	for namespace, handler := range map[string]*mojo.Events{
		"/":               {Connect: refuseFailing, Fallback: serveTests},
		"/foo":            {Fallback: tellID},
		"/abc":            {Connect: showHandshake},
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

// handshake is what the suite reads of a handshake.
type handshake struct {
	Query map[string]string `json:"query"`
	Auth  json.RawMessage   `json:"auth,omitempty"`
}

func handshakeOf(c *mojo.Conn) handshake {
	said := c.Handshake()
	h := handshake{Query: make(map[string]string), Auth: said.Auth}
	for name, values := range said.Query() {
		h.Query[name] = values[0]
	}
	return h
}

// showHandshake sends each client its handshake.
func showHandshake(c *mojo.Conn) error { return c.Emit("handshake", handshakeOf(c)) }

// refuseAll refuses every client.
func refuseAll(*mojo.Conn) error {
	return mojo.ClientError{Message: "Auth failed (custom namespace)"}
}

// tellID acknowledges "getId" with the id of the connection.
func tellID(c *mojo.Conn, m *mojo.Message) {
	if m.Event() == "getId" {
		report(m, m.Ack(c.ID()))
	}
}

// refuseFailing refuses the clients that ask for it.
func refuseFailing(c *mojo.Conn) error {
	if c.Handshake().Query().Has("fail") {
		return mojo.ClientError{Message: "Auth failed (main namespace)"}
	}
	return nil
}

// serveTests handles the events of the namespace that most tests use.
func serveTests(c *mojo.Conn, m *mojo.Message) {
	if m.Event() == "ack" {
		go awaitAck(c) // later events must not wait for the answer
		return
	}
	report(m, answer(c, m))
}

// awaitAck emits an event and confirms the client's answer to it if it is right. A
// client that goes or does not answer is not confirmed anything.
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
	report(m, err)
}

// answer does what the suite expects of an event. Events of other names are ignored.
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
		return takeBinary(c, m, "buffack")
	case "blob":
		return takeBinary(c, m, "back")
	case "jsonbuff", "jsonblob":
		return takeObject(c, m, m.Event()+"-ack")
	case "abuff1", "blob1":
		return takeFirst(c, m)
	case "abuff2":
		return takeSecond(c, m, "please arrive second", "abuff2-ack")
	case "blob2":
		return takeSecond(c, m, "second", "")
	case "blob3":
		return takeBinary(c, m, "blob3-ack")
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

// takeBinary requires one argument, which must be binary, and emits a confirmation.
func takeBinary(c *mojo.Conn, m *mojo.Message, confirmation string) error {
	var b mojo.Binary
	if err := m.Decode(&b); err != nil {
		return err
	}
	return c.Emit(confirmation)
}

// takeObject requires the object that the suite sends, with binary in it.
func takeObject(c *mojo.Conn, m *mojo.Message, confirmation string) error {
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

// takeFirst notes that the binary that is to come first has come.
func takeFirst(c *mojo.Conn, m *mojo.Message) error {
	var b mojo.Binary
	if err := m.Decode(&b); err != nil {
		return err
	}
	c.Set(firstKey{}, true)
	return nil
}

// takeSecond requires a text behind that binary, and emits a confirmation if one is
// named.
func takeSecond(c *mojo.Conn, m *mojo.Message, want, confirmation string) error {
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

func report(m *mojo.Message, err error) {
	if err != nil && !errors.Is(err, mojo.ErrNotConnected) {
		slog.Error("suiteserver: an event failed", "event", m.Event(), "error", err)
	}
}
