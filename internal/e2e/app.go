package e2e

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mojosocket/mojo"
)

// ErrSecret is an error whose text no client may see.
var ErrSecret = errors.New("secret detail")

// App is a SocketHandler that records which connections it has accepted and
// which have ended. Each method first calls the function of the same name, if
// it is set.
type App struct {
	Connect    func(c *mojo.Conn) error
	Message    func(c *mojo.Conn, m *mojo.Message)
	Disconnect func(c *mojo.Conn, reason mojo.Reason)

	Accepted chan *mojo.Conn // Conns whose OnConnect returned nil; recorded before the connect answer
	Ended    chan End
}

// End has the arguments of a call of OnDisconnect.
type End struct {
	Conn   *mojo.Conn
	Reason mojo.Reason
}

// NewApp returns an App that accepts every client.
func NewApp() *App {
	return &App{Accepted: make(chan *mojo.Conn, 10_000), Ended: make(chan End, 10_000)}
}

func (a *App) OnConnect(c *mojo.Conn) error {
	if a.Connect != nil {
		if err := a.Connect(c); err != nil {
			return err
		}
	}
	a.Accepted <- c
	return nil
}

func (a *App) OnMessage(c *mojo.Conn, m *mojo.Message) {
	if a.Message != nil {
		a.Message(c, m)
	}
}

func (a *App) OnDisconnect(c *mojo.Conn, reason mojo.Reason) {
	if a.Disconnect != nil {
		a.Disconnect(c, reason)
	}
	a.Ended <- End{c, reason}
}

// WatchingApp is an App that is also an IdentityObserver. It records each
// change and then calls Identity, if it is set.
type WatchingApp struct {
	*App
	Identity func(c *mojo.Conn, old, now mojo.Identity) error

	Changes chan IdentityChange
}

// IdentityChange has the arguments of a call of OnIdentity.
type IdentityChange struct {
	Conn     *mojo.Conn
	Old, Now mojo.Identity
}

// NewWatchingApp returns a WatchingApp that accepts every client and change.
func NewWatchingApp() *WatchingApp {
	return &WatchingApp{App: NewApp(), Changes: make(chan IdentityChange, 10_000)}
}

func (a *WatchingApp) OnIdentity(c *mojo.Conn, old, now mojo.Identity) error {
	a.Changes <- IdentityChange{c, old, now}
	if a.Identity != nil {
		return a.Identity(c, old, now)
	}
	return nil
}

// RevokedNotice returns the argument of a RevokedEvent without a message.
func RevokedNotice(code int, reason mojo.Reason, reconnect bool) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"code":%d,"reason":%q,"reconnect":%t}`, code, reason, reconnect))
}
