package siotest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/mojosocket/mojo/internal/testhook"
)

// Client is a Socket.IO client on an Engine. It passes each message to the
// Socket of its namespace.
type Client struct {
	Engine *Engine
	proofs proofs

	mu      sync.Mutex // guards the fields below
	sockets map[string]*Socket
	answers map[string]*mailbox[connectAnswer]
	known   map[string]bool // the namespaces for which a CONNECT was sent
	ended   bool            // the connection has ended
}

type connectAnswer struct {
	socket  *Socket
	refused *ConnectError
}

// ConnectError says that the server has refused a namespace.
type ConnectError struct {
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"` // nil if it has none
}

func (e *ConnectError) Error() string { return "connect error: " + e.Message }

// Dial connects to s but to no namespace. It fails the test if it cannot.
func Dial(t testing.TB, s *Site, o Options) *Client {
	t.Helper()
	return NewClient(Open(t, s, o))
}

// TryDial is Dial, but returns an error instead of failing the test, see
// TryOpen.
func TryDial(ctx context.Context, s *Site, o Options) (*Client, error) {
	e, err := TryOpen(ctx, s, o)
	if err != nil {
		return nil, err
	}
	return NewClient(e), nil
}

// NewClient returns a client that speaks Socket.IO on e and reads its messages.
func NewClient(e *Engine) *Client {
	c := &Client{
		Engine:  e,
		sockets: make(map[string]*Socket),
		answers: make(map[string]*mailbox[connectAnswer]),
		known:   make(map[string]bool),
	}
	if e.opts.EIO3 {
		c.known["/"] = true
	}
	e.wg.Go(c.dispatchLoop)
	return c
}

// Connect connects to a namespace with the payload auth, which may be nil. It
// fails the test if the server refuses or does not answer within Site.Limit, or
// if the connection ends.
func (c *Client) Connect(namespace string, auth any) *Socket {
	c.Engine.t.Helper()
	s, refused := c.TryConnect(namespace, auth)
	if refused != nil {
		c.Engine.t.Fatalf("%s was refused: %s %s", namespace, refused.Message, refused.Data)
	}
	return s
}

// TryConnect is Connect, but returns a refusal instead of failing the test.
func (c *Client) TryConnect(namespace string, auth any) (*Socket, *ConnectError) {
	c.Engine.t.Helper()
	c.SendConnect(namespace, auth)
	return c.AwaitConnect(namespace)
}

// SendConnect sends a CONNECT and does not wait for the answer.
func (c *Client) SendConnect(namespace string, auth any) {
	c.Engine.t.Helper()
	f, err := c.Engine.opts.connectFrame(namespace, auth)
	if err != nil {
		c.Engine.t.Fatalf("auth: %v", err)
	}
	if c.Engine.opts.EIO3 && namespace == "/" {
		return // the server connects it
	}
	c.mu.Lock()
	c.known[namespace] = true
	c.mu.Unlock()
	c.send(f)
}

// AwaitConnect waits for the next answer to a CONNECT for the namespace. If the
// namespace has a Socket already, the new one replaces it, and the old one ends
// with ReasonReplaced.
func (c *Client) AwaitConnect(namespace string) (*Socket, *ConnectError) {
	c.Engine.t.Helper()
	ctx, cancel := c.Engine.site.WithLimit(context.Background())
	defer cancel()
	socket, err := c.TryAwaitConnect(ctx, namespace)
	refused, _ := errors.AsType[*ConnectError](err)
	if err != nil && refused == nil {
		c.Engine.t.Fatalf("%v", err)
	}
	return socket, refused
}

// TryAwaitConnect is AwaitConnect, but returns an error instead of failing the
// test: a *ConnectError if the server refuses.
func (c *Client) TryAwaitConnect(ctx context.Context, namespace string) (*Socket, error) {
	answer, err := c.connectAnswers(namespace).get(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("no answer to CONNECT %s: %w%s", namespace, err, c.Engine.endText())
	case answer.refused != nil:
		return nil, answer.refused
	}
	return answer.socket, nil
}

// barrier is testhook.Barrier: mojo refuses this namespace without a line in its
// log.
const barrier = "/__barrier"

func init() { testhook.Barrier = barrier }

// Barrier sends a message to the server and waits for the answer. When it
// returns, it has received all messages that the server had queued before the
// answer, on every namespace. It does not wait for handlers.
func (c *Client) Barrier() {
	c.Engine.t.Helper()
	ctx, cancel := c.Engine.site.WithLimit(context.Background())
	defer cancel()
	if err := c.tryBarrier(ctx); err != nil {
		c.Engine.t.Fatalf("%v", err)
	}
}

func (c *Client) tryBarrier(ctx context.Context) error {
	c.SendConnect(barrier, nil)
	return c.awaitBarrier(ctx)
}

func (c *Client) awaitBarrier(ctx context.Context) error {
	_, err := c.TryAwaitConnect(ctx, barrier)
	if err == nil {
		return fmt.Errorf("the server has a namespace %s", barrier)
	}
	if _, refused := errors.AsType[*ConnectError](err); refused {
		return nil
	}
	return err
}

// Close closes the connection, see Engine.Close.
func (c *Client) Close() { c.Engine.Close() }

func (c *Client) send(f *frame) {
	items := []outgoing{{text: "4" + f.encode()}}
	for _, a := range f.attachments {
		items = append(items, outgoing{binary: append([]byte{}, a...)})
	}
	c.Engine.out.put(items...)
}

func (c *Client) connectAnswers(namespace string) *mailbox[connectAnswer] {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.answers[namespace]
	if m == nil {
		m = new(mailbox[connectAnswer])
		c.answers[namespace] = m
		if c.ended {
			m.close()
		}
	}
	return m
}

// dispatchLoop passes the received messages to the sockets until the connection
// ends.
func (c *Client) dispatchLoop() {
	var pending *frame // a header that waits for attachments
	for {
		p, err := c.Engine.in.get(context.Background())
		if err != nil {
			break
		}
		if pending, err = c.dispatch(pending, p); err != nil {
			c.Engine.finish(ReasonError, err)
			break
		}
	}
	<-c.Engine.closed

	c.mu.Lock()
	sockets, answers := c.sockets, maps.Clone(c.answers) // tests can still read from them
	c.sockets, c.ended = nil, true
	c.mu.Unlock()
	for _, s := range sockets {
		s.end(c.Engine.CloseReason())
	}
	for _, m := range answers {
		m.close()
	}
}

func (c *Client) dispatch(pending *frame, p Packet) (*frame, error) {
	switch {
	case p.Binary && pending == nil:
		return nil, violation("an attachment without a header")
	case p.Binary:
		pending.attachments = append(pending.attachments, p.Data)
		if len(pending.attachments) < pending.announced {
			return pending, nil
		}
		if err := pending.complete(); err != nil {
			return nil, err
		}
		return nil, c.deliver(pending)
	case pending != nil:
		return nil, violation("text between a header and its attachments: %.60q", p.Text)
	}
	f, err := decodeFrame(p.Text, c.Engine.opts.EIO3)
	if err != nil {
		return nil, err
	}
	if f.announced > 0 {
		return f, nil
	}
	return nil, c.deliver(f)
}

func (c *Client) deliver(f *frame) error {
	c.mu.Lock()
	s, known := c.sockets[f.namespace], c.known[f.namespace]
	c.mu.Unlock()
	switch {
	case !known:
		return violation("packet %d for namespace %s, to which the client never connected", f.kind, f.namespace)
	case f.kind == typeConnect:
		return c.receiveConnect(f)
	case f.kind == typeConnectError:
		refused, err := c.parseRefusal(f.payload)
		if err != nil {
			return err
		}
		c.connectAnswers(f.namespace).put(connectAnswer{refused: refused})
		return nil
	case s == nil || c.answersIdentityEvent(f):
		return nil // sent before the server read our DISCONNECT, or answered by the client
	}
	return s.receive(f)
}

// parseRefusal parses the payload of a CONNECT_ERROR.
func (c *Client) parseRefusal(payload []byte) (*ConnectError, error) {
	if c.Engine.opts.EIO3 {
		return parseRefusal(payload)
	}
	refused := new(ConnectError)
	if err := json.Unmarshal(payload, refused); err != nil {
		return nil, violation("payload of CONNECT_ERROR %q: %v", payload, err)
	}
	return refused, nil
}

func (c *Client) receiveConnect(f *frame) error {
	var answer struct {
		SID string `json:"sid"`
	}
	if !c.Engine.opts.EIO3 {
		if err := json.Unmarshal(f.payload, &answer); err != nil || answer.SID == "" {
			return violation("payload of CONNECT %q has no sid", f.payload)
		}
	}
	s := &Socket{client: c, namespace: f.namespace, sid: answer.SID, disconnected: make(chan struct{}), pendingAcks: make(map[uint64]*Answer)}
	c.mu.Lock()
	old := c.sockets[f.namespace]
	c.sockets[f.namespace] = s
	c.mu.Unlock()
	if old != nil {
		old.end(ReasonReplaced)
	}
	c.connectAnswers(f.namespace).put(connectAnswer{socket: s})
	return nil
}

// removeSocket removes s, unless another Socket has replaced it.
func (c *Client) removeSocket(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sockets[s.namespace] == s {
		delete(c.sockets, s.namespace)
	}
}
