package mojotest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Transport is how a Tab connects.
type Transport int

const (
	// Upgrade polls first and then changes to a WebSocket if the server offers that:
	// what socket.io-client does unless it is told otherwise. Dial returns after the
	// change.
	Upgrade Transport = iota
	// WebSocket connects by a WebSocket at once, as with transports: ["websocket"].
	WebSocket
	// Polling polls and stays with that, as with transports: ["polling"].
	Polling
)

// String returns the name.
func (t Transport) String() string {
	switch t {
	case Upgrade:
		return "upgrade"
	case WebSocket:
		return "websocket"
	case Polling:
		return "polling"
	}
	return "unknown transport"
}

// DialOptions are the options of a connection, as of io(url, options). The zero
// value, and nil, are the defaults of socket.io-client.
type DialOptions struct {
	// Transport is how to connect.
	Transport Transport
	// Path is where the mojo.Server is mounted. "": "/socket.io/".
	Path string
	// Auth is the auth payload, mojo.Handshake.Auth on the server: a value for
	// encoding/json that becomes an object.
	// Nil: none.
	Auth any
	// Query is added to the address of each request.
	Query url.Values
	// Header is sent with each request, beside the browser's cookies. A page's
	// requests have an Origin.
	Header http.Header
	// NoFollow makes the tab a page without mojo.js: after a login it has no proof
	// that it belongs to the browser, and the event mojo.IdentityEvent is an event
	// like any other. Polls are a proof all the same.
	NoFollow bool
}

// Tab is a page of a Browser: one connection, by which it is on any number of
// namespaces, as one Manager of socket.io-client.
//
// It answers pings, and proves whose it is after a login. It does not come back by
// itself when the connection ends: see Reconnect. Methods that wait or can fail the
// test belong in the test's goroutine.
type Tab struct {
	t       testing.TB
	browser *Browser
	opts    DialOptions
	paused  atomic.Bool

	mu      sync.Mutex // guards the fields below
	client  *siotest.Client
	sockets []*Socket // in the order of their first connect
}

// Dial opens a tab and connects it to a namespace, for instance "/ChatSocket". It
// fails the test if the server refuses, or does not answer within Server.Timeout.
// With Upgrade the connect is answered over polling, as it mostly is in browsers.
func (b *Browser) Dial(namespace string, o *DialOptions) *Socket {
	b.t.Helper()
	s, err := b.TryDial(namespace, o)
	if err != nil {
		b.t.Fatalf("%v", err)
	}
	return s
}

// TryDial is Dial for a test of what is refused: it returns a *ConnectError if the
// handler's OnConnect refuses or nobody has mounted the namespace, and a
// *HandshakeError if the Server refuses before that.
func (b *Browser) TryDial(namespace string, o *DialOptions) (*Socket, error) {
	b.t.Helper()
	tab := &Tab{t: b.t, browser: b}
	if o != nil {
		tab.opts = *o
	}
	if err := tab.dial(); err != nil {
		return nil, err
	}
	s, err := tab.tryConnect(namespace, tab.opts.Auth)
	if err != nil {
		tab.Close()
		return nil, err
	}
	b.opened(tab)
	tab.upgrade()
	return s, nil
}

// dial opens the connection.
func (t *Tab) dial() error {
	o := siotest.Options{
		Path: t.opts.Path, Query: t.opts.Query, Header: t.opts.Header,
		Jar: t.browser.jar, Follow: !t.opts.NoFollow, T: t.t,
	}
	if t.opts.Transport == WebSocket {
		o.Transport = "websocket"
	}
	ctx, cancel := t.browser.server.site.WithLimit(context.Background())
	defer cancel()
	client, err := siotest.TryDial(ctx, t.browser.server.site, o)
	if err != nil {
		return handshakeError(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.client = client
	return nil
}

func (t *Tab) upgrade() {
	t.t.Helper()
	if t.opts.Transport == Upgrade && slices.Contains(t.engine().Handshake.Upgrades, string(mojo.WebSocket)) {
		t.connection().Upgrade()
	}
}

// Connect connects the tab to a further namespace, over the connection that it has.
// The auth is as in DialOptions. It fails the test if that is refused.
func (t *Tab) Connect(namespace string, auth any) *Socket {
	t.t.Helper()
	s, err := t.TryConnect(namespace, auth)
	if err != nil {
		t.t.Fatalf("%v", err)
	}
	return s
}

// TryConnect is Connect with the error, a *ConnectError if the connect is refused.
func (t *Tab) TryConnect(namespace string, auth any) (*Socket, error) {
	t.t.Helper()
	return t.tryConnect(namespace, auth)
}

func (t *Tab) tryConnect(namespace string, auth any) (*Socket, error) {
	t.t.Helper()
	current, err := t.join(namespace, auth)
	if err != nil {
		return nil, err
	}
	s := &Socket{tab: t, namespace: namespace, auth: auth, current: current}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sockets = append(t.sockets, s)
	return s, nil
}

// join asks the server for a namespace.
func (t *Tab) join(namespace string, auth any) (*siotest.Socket, error) {
	t.t.Helper()
	ctx, cancel := t.browser.server.site.WithLimit(context.Background())
	defer cancel()
	client := t.connection()
	client.SendConnect(namespace, auth)
	s, err := client.Connected(ctx, namespace)
	if err != nil {
		return nil, connectError(namespace, err)
	}
	return s, nil
}

// Browser returns the browser whose tab this is.
func (t *Tab) Browser() *Browser { return t.browser }

// Transport returns how messages travel at this moment: mojo.Polling or
// mojo.WebSocket.
func (t *Tab) Transport() mojo.Transport { return mojo.Transport(t.engine().Transport()) }

// Upgrade changes from polling to a WebSocket. With the Transport Upgrade that has
// happened already. It fails the test if the server does not agree. Nothing is lost,
// in either direction.
func (t *Tab) Upgrade() {
	t.t.Helper()
	t.connection().Upgrade()
}

// Close closes the connection in order, as a page does that is left. What was
// emitted before reaches the server first. The server's handlers may be told of it a
// little later.
func (t *Tab) Close() { t.engine().Close() }

// Drop cuts the connection without a word, as a network that breaks down.
func (t *Tab) Drop() { t.engine().Drop() }

// Reconnect connects anew, as socket.io-client does by itself a little after the
// connection has ended: with the cookies that the browser has now, and to every
// namespace of the tab but those from which the server or the test has disconnected
// it. The Sockets stay the same, each with a new ID. A connection that there still is
// is cut first. It fails the test if the server refuses.
func (t *Tab) Reconnect() {
	t.t.Helper()
	if err := t.TryReconnect(); err != nil {
		t.t.Fatalf("%v", err)
	}
}

// TryReconnect is Reconnect with the error: as TryDial.
func (t *Tab) TryReconnect() error {
	t.t.Helper()
	t.Drop()
	t.paused.Store(false)
	if err := t.dial(); err != nil {
		return err
	}
	t.mu.Lock()
	sockets := slices.Clone(t.sockets)
	t.mu.Unlock()
	for _, s := range sockets {
		if s.comesBack() {
			if err := s.rejoin(); err != nil {
				return err
			}
		}
	}
	t.browser.opened(t)
	t.upgrade()
	return nil
}

// Pause makes the tab a client that hangs: it reads nothing and answers no ping,
// so that what the server sends waits in its queue, until Resume. What the tab emits
// still leaves.
func (t *Tab) Pause() {
	t.paused.Store(true)
	t.engine().Pause()
}

// Resume ends a Pause.
func (t *Tab) Resume() {
	t.engine().Resume()
	t.paused.Store(false)
}

// AwaitClose waits for the end of the connection and returns the reason. It fails
// the test after Server.Timeout.
func (t *Tab) AwaitClose() Reason {
	t.t.Helper()
	return reason(t.engine().AwaitClosed())
}

func (t *Tab) connection() *siotest.Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.client
}

func (t *Tab) engine() *siotest.Engine { return t.connection().Engine }

func (t *Tab) connected() bool { return t.engine().CloseReason() == "" }
