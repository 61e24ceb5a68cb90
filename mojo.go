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

	"github.com/mojosocket/mojo/internal/clientfiles"
	"github.com/mojosocket/mojo/internal/cluster/relay"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio/origin"
	"github.com/mojosocket/mojo/internal/siblings"
	"github.com/mojosocket/mojo/internal/socketio"
	"github.com/mojosocket/mojo/internal/testhook"
	"github.com/mojosocket/mojo/internal/warn"
)

// Server accepts the connections of a site, and keeps them by session and by
// user. With Options.Cluster the Servers of several processes serve one set of
// people. Make one with New and mount it at the path that socket.io-client
// connects to: /socket.io/, with the slash at its end, unless the pages name
// another path by the client's option path. It serves until Shutdown or Close.
// Its methods are safe for concurrent use. There is no useful zero value.
type Server struct {
	opts Options
	sio  *socketio.Server
	warn *warn.Log // of this server and the layers below

	newSessions   *siblings.List
	siblingsMu    sync.Mutex // guards no field; held while connections of siblings are closed
	faults        faultCounts
	relay         *relay.Relay       // nil without Options.Cluster
	files         *clientfiles.Files // nil without Options.Client
	handlerErrors atomic.Uint64      // number of errors that were logged
	checks        checks

	channels
}

// channels are the channels of a Server.
//
// The locks of the package, in the order in which they are taken:
//
//  1. Server.siblingsMu guards no field. It is held while the connections of
//     siblings are closed.
//  2. channels.mu guards channels.channelsByMu.
//  3. The locks of the packages socketio and siblings.
//
// Conn.mu guards Conn.connByMu, and ensured.mu guards ensured.ensuredByMu. No
// other lock is taken while one of them is held.
type channels struct {
	mu sync.RWMutex
	channelsByMu
}

// channelsByMu is guarded by channels.mu.
type channelsByMu struct {
	byName  map[string]*Channel // by app and by namespace, which begins with a slash
	mounted []*Channel          // in the order of Register and Handle
}

// New returns a Server without apps. Without Options.Cluster it starts nothing: a
// Server that never had a connection needs no Close. With it, the Server begins
// to join the cluster, and needs Shutdown or Close. With Options.Ledger, New
// reads it, for at most ten seconds. New returns an error that names the option
// which is wrong.
func New(opts Options) (*Server, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	opts.fillIn()
	var files *clientfiles.Files
	if opts.Client != nil {
		var err error
		if files, err = clientfiles.Load(opts.Client); err != nil {
			return nil, fmt.Errorf("mojo: Options.Client: %w", err)
		}
	}
	s := &Server{opts: opts, warn: warn.New(opts.Logger), newSessions: siblings.New(), files: files}
	s.byName = make(map[string]*Channel)
	s.sio = socketio.NewServer(s.socketIOOptions())
	if node := s.sio.Node(); node != nil {
		s.relay = relay.New(node, IdentityHeader, s.warn, s.opts.Logger)
	}
	if err := s.loadLedger(); err != nil {
		return nil, err
	}
	if err := s.sio.Start(); err != nil {
		return nil, fmt.Errorf("mojo: Options.Cluster: %w", err)
	}
	return s, nil
}

// socketIOOptions returns the options of the Socket.IO layer.
func (s *Server) socketIOOptions() socketio.Options {
	o := &s.opts
	engine := o.engine()
	engine.ServeOther = s.serveOther
	if s.files != nil {
		engine.ServeScript = s.files.Serve
	}
	engine.Warn = s.warn
	var ask func(*http.Request, string) bool
	if o.OriginFunc != nil {
		ask = s.callOriginFunc
	}
	engine.Origins = origin.New(o.Origins, ask)
	if o.Subprotocol != nil {
		engine.Subprotocol = s.callSubprotocol
	}
	config := o.clusterConfig()
	if o.Advertise != "" {
		engine.IDPrefix = relay.Tag(config.Name)
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
		BeginSession:       s.sessionBeginner(),
		KeepHandshake:      s.keepHandshake,
		Describe:           describeConn,
		PresenceGrace:      o.Timeouts.PresenceGrace,
		Presence:           s.presenceCallback(),
		Revalidation:       s.revalidation(),
		Cluster:            config,
		Ledger:             o.Ledger,
		RefuseIsolated:     o.OnIsolation == RefuseIsolated,
	}
}

// revalidation returns Options.Revalidation for the Socket.IO layer.
func (s *Server) revalidation() socketio.Revalidation {
	v := &s.opts.Revalidation
	if v.Check == nil {
		return socketio.Revalidation{}
	}
	return socketio.Revalidation{
		Ask: func(ctx context.Context, id command.Identified) (bool, error) {
			return v.Check(ctx, identityOf(id))
		},
		Every:    v.Every,
		Failures: v.Failures,
		FailOpen: v.FailOpen,
		Until:    s.latestExpiry,
	}
}

// latestExpiry returns the expiry of a cookie that is written now, the zero
// time if it is not known.
func (s *Server) latestExpiry() time.Time {
	if s.opts.Cookies == nil {
		return time.Time{}
	}
	return s.opts.Cookies.expiry(time.Now()).Add(maxCookieAhead * time.Second)
}

// callOriginFunc calls Options.OriginFunc. It returns false after a panic.
func (s *Server) callOriginFunc(r *http.Request, origin string) (admitted bool) {
	s.sio.Call("OriginFunc", func() { admitted = s.opts.OriginFunc(r, origin) })
	return admitted
}

// callSubprotocol calls Options.Subprotocol. It returns "" after a panic.
func (s *Server) callSubprotocol(r *http.Request, offered []string) (chosen string) {
	s.sio.Call("Subprotocol", func() { chosen = s.opts.Subprotocol(r, offered) })
	return chosen
}

// Register mounts an app at the namespace "/" + app + "Socket", in exactly this
// case: pages connect to the app "Chat" with io("/ChatSocket"). Apps may be
// registered at any time, also while clients are connected, and clients may
// connect before Register returns. See SocketHandler for how h is called.
//
// It returns an error if h is nil; if the name is empty or taken; if the name
// begins with a slash or has a space, a control character, a comma, a question
// mark, a number sign or an at sign; if h has a method OnEmit, OnIdentity or
// OnPresence that would never be called, because its signature or receiver is
// not that of the observer; and ErrServerClosed after Shutdown.
func (s *Server) Register(app string, h SocketHandler) (*Channel, error) {
	if app == "" {
		return nil, errors.New("mojo: Register: the app's name is empty")
	}
	if strings.HasPrefix(app, "/") {
		return nil, fmt.Errorf("mojo: Register: the app's name %q begins with a slash; want a name, or Server.Handle for a namespace", app)
	}
	return s.mount(app, "/"+app+"Socket", h)
}

// Handle is Register for any namespace. It must begin with a slash; "/" is that
// of io() without an argument. The App of the Channel is "".
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

// checkNamespace returns an error for a namespace that a client cannot connect
// to. A comma ends the namespace in a packet. socket.io-client parses the
// namespace as the path of a URL, in which two slashes would begin a host and
// an at sign would end a user.
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
		return fmt.Errorf("mojo: namespace %q has a character that is not allowed; "+
			"want none of spaces, control characters and , ? # @", namespace)
	}
	return nil
}

// Channel returns the channel of this app or, if the name begins with a slash,
// of this namespace.
func (s *Server) Channel(name string) (*Channel, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ch, ok := s.byName[name]
	return ch, ok
}

// Channels returns the channels that Register and Handle have mounted, in that
// order. The caller may change the list.
func (s *Server) Channels() []*Channel {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.mounted)
}

// CurrentSessions returns a view of the browser sessions that are connected to
// any app, by session id.
func (s *Server) CurrentSessions() Sessions {
	return Sessions{view{server: s}, command.Session}
}

// LoggedInSessions returns a view of the users who are connected to any app, by
// user id.
func (s *Server) LoggedInSessions() Sessions {
	return Sessions{view{server: s}, command.User}
}

// ServeHTTP serves the requests of socket.io-client: handshakes, long-polling
// and WebSockets. It also serves mojo.js, see IdentityEvent. It sets a cookie
// only with Options.BeginSessions. The net.Conn of a WebSocket belongs to the
// Server and may be closed while the connection goes on: Conn.Disconnect and
// Session.Revoke end a connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e := s.ensured(r); e != nil {
		e.removeLines(w)
		s.newSessions.Forget(e.newSession)
	}
	if asksForPageScript(r) {
		servePageScript(w, r)
		return
	}
	if s.relay != nil && s.relay.Serve(w, r) {
		return
	}
	s.sio.ServeHTTP(w, r)
}

// keepHandshake returns the handshake of an accepted request.
func (s *Server) keepHandshake(r *http.Request) any {
	hs := newHandshake(r, s.opts.Cookies, s.opts.Limits.MaxHandshake, time.Now())
	if int(hs.headerEnd) < len(hs.text) {
		s.warnCut()
	}
	return hs
}

// warnCut is not inlined, so that the stack of net/http does not grow during a
// handshake.
//
//go:noinline
func (s *Server) warnCut() {
	s.warn.Warn("MaxHandshake", "mojo: a handshake is larger than Options.Limits.MaxHandshake, so a part of it is not kept; see Handshake.Cut",
		"maxHandshake", s.opts.Limits.MaxHandshake)
}

// Shutdown refuses new connections with 503 and closes the existing ones by
// their transport, so that their clients reconnect by themselves, to another
// process or after the restart. It closes a thousand in a tenth of a second, or
// faster if ctx has a deadline, to be done in at most half of the time. What
// was emitted before is still sent, and answers to EmitWithAck may arrive until
// a connection is closed.
//
// It returns when all connections have ended and all handlers have returned. If
// ctx ends first it returns a *ShutdownError. It may be called again.
//
// http.Server.Shutdown does not close WebSockets, so call both.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.sio.Shutdown(ctx)
	s.closeRelay()
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

// Close closes every connection at once and does not wait. OnDisconnect is
// called for each connection. It returns nil.
func (s *Server) Close() error {
	s.sio.Close()
	s.closeRelay()
	return nil
}

func (s *Server) closeRelay() {
	if s.relay != nil {
		s.relay.Close()
	}
}
