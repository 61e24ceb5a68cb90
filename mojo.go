package mojo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mojosocket/mojo/internal/engineio/origin"
	"github.com/mojosocket/mojo/internal/siblings"
	"github.com/mojosocket/mojo/internal/socketio"
	"github.com/mojosocket/mojo/internal/testhook"
	"github.com/mojosocket/mojo/internal/warn"
)

// Server accepts the connections of a site and knows who is connected. Make one
// with New and mount it where socket.io-client connects to, which is /socket.io/
// unless the page names another path, with the slash at its end, by the client's option
// path. Its methods are safe for concurrent use.
type Server struct {
	opts Options
	sio  *socketio.Server
	warn *warn.Log // of this server and the layers below

	fresh      *siblings.List
	faults     faultCounts
	complaints atomic.Uint64 // errors of handlers that were logged

	channels // guarded by channels.mu
}

// channels are the channels of a Server. Lock order: 1. channels.mu, 2. the locks
// of the Socket.IO layer, which is called with it held.
type channels struct {
	mu      sync.RWMutex        // guards the fields below
	byName  map[string]*Channel // by app and by namespace; an app's name has no slash in front
	mounted []*Channel          // in the order of Register and Handle
}

// New returns a Server without apps. It starts nothing: a Server that never had a
// connection needs no Close. The error says which option is wrong.
func New(opts Options) (*Server, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	opts.fillIn()
	s := &Server{opts: opts, warn: warn.New(opts.Logger), fresh: siblings.New()}
	s.byName = make(map[string]*Channel)
	s.sio = socketio.NewServer(s.inner())
	return s, nil
}

// inner is the options of the layer below.
func (s *Server) inner() socketio.Options {
	o := &s.opts
	engine := o.engine()
	engine.Aside = s.serveAside
	engine.Warn = s.warn
	var ask func(*http.Request, string) bool
	if o.OriginFunc != nil {
		ask = s.askOrigin
	}
	engine.Origins = origin.New(o.Origins, ask)
	if o.Subprotocol != nil {
		engine.Subprotocol = s.askSubprotocol
	}
	return socketio.Options{
		Engine:             engine,
		ConnectTimeout:     o.Timeouts.ConnectTimeout,
		AskTime:            testhook.AskTime,
		RequireSession:     o.RequireSession,
		MaxPerSession:      o.Limits.MaxConnsPerSession,
		MaxPerUser:         o.Limits.MaxConnsPerUser,
		CloseOldest:        o.Limits.ConnPolicy == CloseOldest,
		MaxUnconnected:     o.Limits.MaxUnconnected,
		MaxRooms:           o.Limits.MaxRooms,
		MaxRoomName:        o.Limits.MaxRoomName,
		MaxAcks:            o.Limits.MaxPendingAcks,
		AckTimeout:         o.Timeouts.AckTimeout,
		MaxAttachments:     o.Limits.MaxAttachments,
		MaxAttachmentBytes: o.Limits.MaxAttachmentBytes,
		MaxRate:            o.Limits.MaxRate,
		Identify:           s.identifyConn,
		Begin:              s.beginner(),
		Keep:               s.keep,
		PresenceGrace:      o.Timeouts.PresenceGrace,
		Presence:           s.presenceTeller(),
		Revalidation:       s.revalidation(),
	}
}

// revalidation returns Options.Revalidation for the Socket.IO layer.
func (s *Server) revalidation() socketio.Revalidation {
	v := &s.opts.Revalidation
	if v.Check == nil {
		return socketio.Revalidation{}
	}
	return socketio.Revalidation{
		Ask: func(ctx context.Context, id socketio.Identified) (bool, error) {
			return v.Check(ctx, identityOf(id))
		},
		Every:    v.Every,
		Failures: v.Failures,
		FailOpen: v.FailOpen,
		Until:    s.latestExpiry,
	}
}

// askOrigin is Options.OriginFunc, of which a panic is a refusal.
func (s *Server) askOrigin(r *http.Request, origin string) (admitted bool) {
	defer s.recovered("OriginFunc")
	return s.opts.OriginFunc(r, origin)
}

// askSubprotocol is Options.Subprotocol, of which a panic chooses none.
func (s *Server) askSubprotocol(r *http.Request, offered []string) (chosen string) {
	defer s.recovered("Subprotocol")
	return s.opts.Subprotocol(r, offered)
}

// recovered ends a panic of a callback, and counts it.
func (s *Server) recovered(callback string) {
	if v := recover(); v != nil {
		s.sio.Panicked(callback, v)
	}
}

// Register mounts an app: its namespace is "/" + app + "Socket", in exactly this
// case, so that pages connect to the app "Chat" with io("/ChatSocket"). The handler
// is called from several goroutines, for one Conn from one at a time. Register
// returns an error if h is nil, and if the name is empty or taken, or cannot stand
// in a namespace: no slash at its beginning, no spaces, control characters, commas,
// question marks, number signs or at signs. Apps may be registered at any time until
// Shutdown, after which it returns ErrServerClosed; clients may be there before
// Register has returned.
func (s *Server) Register(app string, h SocketHandler) (*Channel, error) {
	if app == "" {
		return nil, errors.New("mojo: Register: the app's name is empty")
	}
	return s.mount(app, "/"+app+"Socket", h)
}

// Handle mounts any namespace, "/" (that of io() without an argument) included. It
// must begin with a slash. Otherwise it is like Register; the App of the Channel
// is "".
func (s *Server) Handle(namespace string, h SocketHandler) (*Channel, error) {
	return s.mount("", namespace, h)
}

func (s *Server) mount(app, namespace string, h SocketHandler) (*Channel, error) {
	if h == nil {
		return nil, fmt.Errorf("mojo: the handler of namespace %q is nil", namespace)
	}
	if err := checkObservers(h); err != nil {
		return nil, err
	}
	if err := checkNamespace(namespace); err != nil {
		return nil, err
	}
	if s.sio.Closed() {
		return nil, wrapError(ErrServerClosed)
	}
	ch := &Channel{server: s, app: app, name: namespace, handler: h}
	ch.namespace = s.sio.NewNamespace(namespace, channelApp{ch}, ch.watchers())
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sio.Mount(ch.namespace) {
		return nil, fmt.Errorf("mojo: namespace %q is taken", namespace)
	}
	if app != "" {
		s.byName[app] = ch
	}
	s.byName[namespace] = ch
	s.mounted = append(s.mounted, ch)
	return ch, nil
}

// checkNamespace says why a client could not name this namespace: a comma ends it
// in a packet, and socket.io-client reads it as the path of a URL, in which two
// slashes would begin a host and an at sign would end a user.
func checkNamespace(namespace string) error {
	unusable := func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(",?#@", r)
	}
	switch {
	case !strings.HasPrefix(namespace, "/"):
		return fmt.Errorf("mojo: namespace %q does not begin with a slash", namespace)
	case strings.HasPrefix(namespace, "//"):
		return fmt.Errorf("mojo: namespace %q begins with two slashes; want one", namespace)
	case !utf8.ValidString(namespace) || strings.ContainsFunc(namespace, unusable):
		return fmt.Errorf("mojo: namespace %q has a character that cannot stand in one; "+
			"spaces, control characters and , ? # @ cannot", namespace)
	}
	return nil
}

// Channel returns the channel of this app or, if the name begins with a slash, of
// this namespace.
func (s *Server) Channel(name string) (*Channel, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ch, ok := s.byName[name]
	return ch, ok
}

// Channels returns the channels that Register and Handle have mounted, in that
// order. The list belongs to the caller.
func (s *Server) Channels() []*Channel {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.mounted)
}

// CurrentSessions returns the browser sessions that are connected to any app, by
// session id. See Sessions.
func (s *Server) CurrentSessions() Sessions {
	return Sessions{view{server: s}, socketio.Session}
}

// LoggedInSessions returns the users who are connected to any app, by user id. See
// Sessions.
func (s *Server) LoggedInSessions() Sessions {
	return Sessions{view{server: s}, socketio.User}
}

// ServeHTTP serves the requests of socket.io-client: handshakes, long-polling and
// WebSockets. It sets no cookie without Options.BeginSessions. The net.Conn of a WebSocket is the Server's from
// then on, and may be closed while the connection lives on: use Disconnect or Revoke to
// end a connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e := s.ensured(r); e != nil {
		e.withdraw(w)
		s.fresh.Forget(e.fresh)
	}
	if asksForPageScript(r) {
		servePageScript(w, r)
		return
	}
	s.sio.ServeHTTP(w, r)
}

// keep is called for each handshake that is taken in.
func (s *Server) keep(r *http.Request) any {
	hs := newHandshake(r, s.opts.Cookies, s.opts.Limits.MaxHandshake, time.Now())
	if int(hs.headerEnd) < len(hs.text) {
		s.warnCut()
	}
	return hs
}

// warnCut is not inlined, for the stack's sake: handshakes fit on the one that net/http
// begins with.
//
//go:noinline
func (s *Server) warnCut() {
	s.warn.Warn("MaxHandshake", "mojo: a handshake is larger than what is kept of it; see Handshake.Cut and Options.Limits.MaxHandshake",
		"maxHandshake", s.opts.Limits.MaxHandshake)
}

// Shutdown refuses new connections with 503 and closes the live ones by their
// transport, so that clients come back by themselves, to another process or after
// the restart: a thousand in a tenth of a second, or faster if ctx has a deadline,
// by when it takes half of the time at most. What was emitted before still goes out,
// and answers to EmitWithAck may arrive until a connection is closed. It returns
// when all clients have gone and all handlers have returned, or with a
// *ShutdownError when ctx ends. A second call does the same.
//
// http.Server.Shutdown does not close WebSockets; call this beside it.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.sio.Shutdown(ctx)
	if err == nil {
		return nil
	}
	e := &ShutdownError{Connections: s.sio.Live(), err: err}
	for _, r := range s.sio.Running() {
		e.Handlers = append(e.Handlers, describe(r))
	}
	return e
}

func describe(r socketio.Running) string {
	text := r.Callback
	if r.Event != "" {
		text += fmt.Sprintf(" %q", r.Event)
	}
	return text + " on " + r.Namespace + ", connection " + r.SocketID
}

// Close is Shutdown without patience: it cuts every connection and waits for
// nothing. Handlers are still told of each end. It returns nil.
func (s *Server) Close() error {
	s.sio.Close()
	return nil
}
