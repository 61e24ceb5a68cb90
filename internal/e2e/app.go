package e2e

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mojosocket/mojo"
)

// watchingApp is an app that is told of identities, too. The function may be nil.
type watchingApp struct {
	*App
	Identity func(c *mojo.Conn, old, now mojo.Identity) error

	Changes chan IdentityChange
}

type IdentityChange struct {
	Conn     *mojo.Conn
	Old, Now mojo.Identity
}

func NewWatchingApp() *watchingApp {
	return &watchingApp{App: NewApp(), Changes: make(chan IdentityChange, 10_000)}
}

func (a *watchingApp) OnIdentity(c *mojo.Conn, old, now mojo.Identity) error {
	a.Changes <- IdentityChange{c, old, now}
	if a.Identity != nil {
		return a.Identity(c, old, now)
	}
	return nil
}

// RevokedNotice is what a RevokedEvent says.
func RevokedNotice(code int, reason mojo.Reason, reconnect bool) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"code":%d,"reason":%q,"reconnect":%t}`, code, reason, reconnect))
}

// App is a SocketHandler that tells the test what it was told. The functions may be nil.
type App struct {
	Connect    func(c *mojo.Conn) error
	Message    func(c *mojo.Conn, m *mojo.Message)
	Disconnect func(c *mojo.Conn, reason mojo.Reason)

	Accepted chan *mojo.Conn // those that connect accepted, before the client knows
	Ended    chan End
}

type End struct {
	Conn   *mojo.Conn
	Reason mojo.Reason
}

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

// ErrSecret is an error that no client may see.
var ErrSecret = errors.New("secret detail")
