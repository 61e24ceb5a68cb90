package mojotest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Transport selects the transports that a Tab uses.
type Transport int

const (
	// Upgrade polls first and then changes to a WebSocket if the server offers
	// one. It is the default of socket.io-client. Dial returns after the
	// change.
	Upgrade Transport = iota
	// WebSocket begins with a WebSocket, as transports: ["websocket"] does.
	WebSocket
	// Polling polls and never upgrades, as transports: ["polling"] does.
	Polling
)

// String returns "upgrade", "websocket" or "polling".
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

// DialOptions are the options of a connection, like those of io(namespace,
// options). The zero value and nil mean the defaults of socket.io-client. Dial
// copies them; the test must not change the maps while the Tab is in use.
type DialOptions struct {
	// Transport selects the transports. The zero value is Upgrade.
	Transport Transport
	// Path is the path at which the mojo.Server is mounted. The default is
	// "/socket.io/". The slash at its end is optional, as in the options of io.
	Path string
	// Auth is the auth payload, a value that encoding/json encodes as an
	// object. On the server it is mojo.Handshake.Auth. Nil means no payload.
	Auth any
	// Query is added to the URL of each request.
	Query url.Values
	// Header is added to the headers of each request. Without it the requests
	// have no Origin, unlike the requests of a page.
	Header http.Header
	// NoFollow makes the tab behave like a page without mojo.js: it does not
	// answer the event mojo.IdentityEvent, and the test reads it as any other
	// event. After a login the server closes the tab's WebSocket, unless the
	// test sends the proof. A poll counts as a proof with NoFollow too.
	NoFollow bool
}

// Tab is an open page of a Browser. It has one connection and any number of
// namespaces on it, like a Manager of socket.io-client. Browser.Dial opens it,
// and Browser.Close closes it.
//
// A Tab answers pings and, after a login, the request for a proof. It does not
// reconnect by itself when the connection ends, so that the test decides when;
// see Reconnect. Call its methods in the test's goroutine; Close and Drop are
// safe for concurrent use.
type Tab struct {
	t       testing.TB
	browser *Browser
	opts    DialOptions
	paused  atomic.Bool

	mu      sync.Mutex // guards the fields below
	client  *siotest.Client
	sockets []*Socket // in the order of their first connect
}

// Dial opens a tab and connects it to a namespace, for instance "/ChatSocket".
// It fails the test if the server refuses. With the Transport Upgrade,
// OnConnect runs before the upgrade, as it mostly does in browsers.
func (b *Browser) Dial(namespace string, o *DialOptions) *Socket {
	b.t.Helper()
	s, err := b.TryDial(namespace, o)
	if err != nil {
		b.t.Fatalf("%v", err)
	}
	return s
}

// TryDial is Dial, but returns an error instead of failing the test: a
// *ConnectError if OnConnect refuses or the namespace is not mounted, and a
// *HandshakeError if the mojo.Server refuses the connection before that.
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
	b.addTab(tab)
	tab.upgrade()
	return s, nil
}

// dial opens the connection of the tab.
func (t *Tab) dial() error {
	path := strings.TrimSuffix(cmp.Or(t.opts.Path, "/socket.io"), "/") + "/"
	o := siotest.Options{
		Path: path, Query: t.opts.Query, Header: t.opts.Header,
		Jar: t.browser.jar, Follow: !t.opts.NoFollow, T: t.t,
	}
	if t.opts.Transport == WebSocket {
		o.Transport = "websocket"
	}
	ctx, cancel := t.browser.server.site.WithLimit(context.Background())
	defer cancel()
	client, err := siotest.TryDial(ctx, t.browser.server.site, o)
	if err != nil {
		return handshakeError(path, err)
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

// Connect connects the tab to another namespace, over the same connection. The
// auth payload may be nil, see DialOptions.Auth. It fails the test if the
// server refuses.
func (t *Tab) Connect(namespace string, auth any) *Socket {
	t.t.Helper()
	s, err := t.TryConnect(namespace, auth)
	if err != nil {
		t.t.Fatalf("%v", err)
	}
	return s
}

// TryConnect is Connect, but returns an error instead of failing the test: a
// *ConnectError if the server refuses.
func (t *Tab) TryConnect(namespace string, auth any) (*Socket, error) {
	t.t.Helper()
	return t.tryConnect(namespace, auth)
}

func (t *Tab) tryConnect(namespace string, auth any) (*Socket, error) {
	t.t.Helper()
	current, err := t.connectNamespace(namespace, auth)
	if err != nil {
		return nil, err
	}
	s := &Socket{tab: t, namespace: namespace, auth: auth, current: current}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sockets = append(t.sockets, s)
	return s, nil
}

// connectNamespace sends a CONNECT and waits for the answer.
func (t *Tab) connectNamespace(namespace string, auth any) (*siotest.Socket, error) {
	t.t.Helper()
	if !strings.HasPrefix(namespace, "/") {
		return nil, fmt.Errorf("mojotest: namespace %q does not begin with a slash; that of an app is for instance /ChatSocket", namespace)
	}
	ctx, cancel := t.browser.server.site.WithLimit(context.Background())
	defer cancel()
	client := t.connection()
	client.SendConnect(namespace, auth)
	s, err := client.TryAwaitConnect(ctx, namespace)
	if err != nil {
		return nil, connectError(namespace, err)
	}
	return s, nil
}

// Browser returns the browser of the tab.
func (t *Tab) Browser() *Browser { return t.browser }

// Transport returns the current transport, mojo.Polling or mojo.WebSocket.
func (t *Tab) Transport() mojo.Transport { return mojo.Transport(t.engine().Transport()) }

// Upgrade changes the transport of a tab with the Transport Polling to a
// WebSocket. No message is lost, in either direction. It fails the test if the
// server does not accept it.
func (t *Tab) Upgrade() {
	t.t.Helper()
	t.connection().Upgrade()
}

// Close closes the connection as a browser does when its user leaves the page.
// The messages that were emitted before reach the server first. OnDisconnect
// may run after Close has returned.
func (t *Tab) Close() { t.engine().Close() }

// Drop cuts the connection without a protocol message, as a network failure
// does.
func (t *Tab) Drop() { t.engine().Drop() }

// Reconnect opens a new connection, as socket.io-client does by itself after
// the connection has ended. It sends the current cookies of the browser, and
// connects to the same namespaces as before, except those that Disconnect or
// the server has disconnected. The Sockets remain valid; each gets a new ID. If
// a connection is still open, Reconnect drops it. It fails the test if the
// server refuses.
func (t *Tab) Reconnect() {
	t.t.Helper()
	if err := t.TryReconnect(); err != nil {
		t.t.Fatalf("%v", err)
	}
}

// TryReconnect is Reconnect, but returns an error instead of failing the test,
// as TryDial does.
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
		if s.reconnects() {
			if err := s.reconnect(); err != nil {
				return err
			}
		}
	}
	t.browser.addTab(t)
	t.upgrade()
	return nil
}

// Pause stops reading, as a client that hangs does. Until Resume the tab reads
// nothing and answers no ping, so messages stay in the server's queue. Emit
// still sends.
func (t *Tab) Pause() {
	t.paused.Store(true)
	t.engine().Pause()
}

// Resume continues reading after Pause.
func (t *Tab) Resume() {
	t.engine().Resume()
	t.paused.Store(false)
}

// AwaitClose waits for the end of the connection and returns its reason.
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
