package mojo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/ledger"
)

// Options configures a Server. New copies it; nothing can be changed later. The
// zero value serves the pages of the site itself, and no client has a session.
//
// The callbacks are called from several goroutines at the same time, unless
// they say otherwise.
type Options struct {
	// Cookies identifies clients by the two cookies of mojo. If it is nil, see
	// Identify.
	Cookies *Cookies

	// Identify returns the identity of the client that made a request, for
	// sites that have sessions of their own. It is called for the handshake and
	// for each later request of a connection, and must return the same ids for
	// the same client. An error refuses the request. Cookies and Identify
	// exclude each other; if both are nil, no client has a session.
	Identify func(r *http.Request) (Identity, error)

	// RequireSession refuses clients without a valid session with 403. With
	// BeginSessions these get a session, so it refuses nobody. It needs Cookies
	// or Identify.
	RequireSession bool

	// BeginSessions makes a handshake without a valid session begin one: the
	// answer sets the session_id cookie, over polling and WebSocket alike, and
	// the connection belongs to that session. A revoked session is refused
	// nevertheless. It is for sites whose pages are static, where EnsureSession
	// sees no request of a browser before it connects: a later LogIn finds the
	// connection. A client that keeps no cookies is served too, with another
	// session for each connection. A handshake that is refused begins none. It
	// needs Cookies.
	BeginSessions bool

	// Origins lists the origins whose pages may connect besides the server's
	// own, which always may. Each is one of these:
	//
	//   - scheme://host or scheme://host:port, exactly, as https://example.com.
	//     The origins of apps are listed the same way, as capacitor://localhost
	//     or tauri://localhost;
	//   - scheme://*.host or scheme://*.host:port, where the asterisk stands
	//     for one label: https://*.example.com admits https://a.example.com,
	//     but neither https://example.com nor https://a.b.example.com. The host
	//     has at least two labels, or is localhost. List no domain under which
	//     strangers can have names, such as github.io or co.uk;
	//   - file:// and null, which devices and pages without a site send. With
	//     Cookies or Identify this is a risk: any site can make a page whose
	//     origin is null, in a sandboxed frame, and any downloaded file can be
	//     such a page. Browsers send cookies with SameSite=None along, so that
	//     page can act for its visitor here;
	//   - "*" alone, for every page of every site. It excludes Cookies and
	//     Identify.
	//
	// Schemes and hosts are compared without regard to case, a default port is
	// the same as none, and ws and wss, which some clients send, are the same
	// as http and https. If it is nil, only the server's own pages may connect.
	//
	// Pages on another site also need cookies with SameSite=None, and
	// withCredentials in the options of socket.io-client.
	Origins []string

	// OriginFunc decides about a request whose Origin is neither the server's
	// own nor listed in Origins: if it returns true, the page may connect. It
	// is called for each such request and must not change r. The origin is what
	// the client sent, so compare the whole of it. A panic is logged and
	// counted, and refuses the request. If it is nil, such requests are
	// refused. With "*" in Origins it is not called.
	OriginFunc func(r *http.Request, origin string) bool

	// Transports lists the transports to serve. If it is empty, both are
	// served: clients begin with polling and upgrade to a WebSocket.
	Transports []Transport

	// AllowEIO3 also serves clients of Engine.IO 3, which are socket.io-client 1
	// and 2 and others of their time, at the same URL and on the same apps. It
	// costs the other clients nothing. What it means for these clients:
	//
	//   - They have no auth. Handshake.Auth is the query that the page connects
	//     to the namespace with, as a JSON object of strings; it is part of
	//     URLs, so keep secrets in cookies.
	//   - A ClientError reaches them as the event error, with its Data or, if
	//     that is nil, its Message.
	//   - The server connects them to "/" before anything else. An app there
	//     gets OnConnect for each of them, and if it refuses, all their
	//     namespaces are told.
	//   - Their socket.id is not Conn.ID.
	//   - The names of their namespaces are ASCII.
	//   - The events connecting, error, ping, pong and reconnect are events of
	//     theirs, so the site should use other names.
	//   - They send the pings. One that falls silent is gone after
	//     Timeouts.PingInterval and PingTimeout.
	//   - An event with binary is encoded once more for all of them together,
	//     and so is, for those that poll, one that is not ASCII.
	//   - JSONP is not served.
	//
	// Identity, logins and revocations are the same as for other clients. If it
	// is false, such clients are refused, and a line in the log says so.
	AllowEIO3 bool

	// Subprotocol chooses the subprotocol of a WebSocket from those that a
	// client offers, in the client's order, by the option protocols of
	// socket.io-client. It is called for each WebSocket that offers any. It
	// returns "" to answer without one, which browsers treat as a failure. A
	// name that was not offered is logged and treated as "", and so is a panic.
	// If it is nil, the first is chosen.
	Subprotocol func(r *http.Request, offered []string) string

	// Client has the files of socket.io-client, which pages load: the folder
	// dist of the npm package, by os.DirFS or an embed.FS, or what
	// clientjs.Find returns. They are served beside the protocol, as the
	// official server does: socket.io.js, socket.io.min.js,
	// socket.io.esm.min.js, socket.io.msgpack.min.js and their source maps,
	// below /socket.io/. New reads them once, and they are compressed for
	// browsers that accept gzip. A browser asks each time whether a file has
	// changed; with the release in the query, as socket.io.min.js?v=4.8.1, it
	// keeps the file for a year. If it is nil, such requests get 404.
	Client fs.FS

	// OnPresence is called when users and sessions come online on any app, and
	// when they go offline. For one id, online and offline alternate. It is
	// called from one goroutine at a time, which delays no client. A panic is
	// logged. For one app there is PresenceObserver. If it is nil, it is not
	// called.
	OnPresence func(p Presence)

	// Limits bounds what the Server accepts and keeps.
	Limits Limits

	// Timeouts has the intervals and time limits.
	Timeouts Timeouts

	// Revalidation checks at intervals whether sessions are still valid. The
	// zero value checks nothing.
	Revalidation Revalidation

	// Cluster connects this Server to those of other processes, so that they
	// serve one set of people: see the section Scaling of the package
	// documentation. Bus is mojoredis's or mojonats's or, for several Servers in
	// one process, a cluster.Memory. All processes need the same Cookies, apps
	// and Limits. If it is nil, the Server is alone.
	Cluster cluster.Bus

	// ClusterKey is a secret that all processes of the cluster share, of at
	// least 32 random bytes. It seals the messages by which they log people in
	// and out. If it is nil, it is derived from the first key of Cookies, and
	// the other keys are accepted, too.
	ClusterKey []byte

	// Advertise is the address at which the other processes of the cluster
	// reach this one's handler, as http://10.0.0.5:8080. Then a request of a
	// connection may reach any of them: it is passed on to the process that
	// has the connection, WebSockets included, so a load balancer needs no
	// sticky sessions. With sticky sessions it is faster. If it is empty,
	// requests of this process's connections must reach it.
	Advertise string

	// OnIsolation says what happens to handshakes while this process cannot
	// reach the others. The zero value serves them.
	OnIsolation IsolationPolicy

	// Ledger stores which sessions and logins are not valid any more, so that a
	// restart does not make them valid again: a ledger.Store, such as
	// mojobolt's for one process or mojoredis's for a cluster, whose processes
	// share one. LogIn, LogOut, Rebind, Revoke and RevokeExcept return when
	// their change is stored, see ErrNotStored. New reads it; the Server does
	// not close it. It needs Cookies or Identify. If it is nil, the end of all
	// processes ends their memory.
	Ledger ledger.Store

	// Logger gets the messages for developers and operators. No secrets are
	// logged. If it is nil, slog.Default() is used.
	Logger *slog.Logger
}

// Timeouts has the intervals and time limits of a Server. Each field is 0,
// which means its default, or from 1 ms to 24 h.
type Timeouts struct {
	// PingInterval is the time between two pings to a client, from 1 ms to 24
	// h. 0: 25 s.
	PingInterval time.Duration

	// PingTimeout is how long the Server waits for the pong that answers a
	// ping, and for a write to a client to make progress, from 1 ms to 24 h. 0:
	// 20 s.
	PingTimeout time.Duration

	// UpgradeTimeout is how long the change from polling to a WebSocket may
	// take, from 1 ms to 24 h. 0: 10 s.
	UpgradeTimeout time.Duration

	// ConnectTimeout is how long a client may take to connect to an app, from 1
	// ms to 24 h. 0: 45 s.
	ConnectTimeout time.Duration

	// AckTimeout is how long Conn.EmitWithAck and Broadcast.EmitWithAck wait for
	// answers if their context has no deadline, from 1 ms to 24 h. 0: 1 minute.
	AckTimeout time.Duration

	// PresenceGrace is how long a user or session stays online after its last
	// connection has ended, so that the reload of a page does not end its
	// presence, from 1 ms to 24 h. Shutdown ends it. 0: 5 s.
	PresenceGrace time.Duration
}

// Revalidation checks at intervals whether sessions are still valid, for sites
// where that can change without LogOut or Revoke, for instance because a user
// was locked in the database. The zero value checks nothing.
type Revalidation struct {
	// Check reports whether an identity is still valid. It is called for each
	// live session (or login without one) once in Every, spread over that time,
	// once for all tabs, in at most 16 goroutines at a time. ctx ends after
	// Every, and Check must return then. If it returns false, the session is
	// revoked with ReasonInvalid. An error, or a panic, means that the answer
	// is not known. It needs Options.Cookies or Identify. If it is nil, nothing
	// is checked.
	Check func(ctx context.Context, id Identity) (valid bool, err error)

	// Every is the time between two calls of Check for one session, from 1 ms
	// to 24 h. 0: 1 minute.
	Every time.Duration

	// Failures is the number of errors in a row for one session after which its
	// connections are closed with ReasonInvalid, from 1. Its cookies stay
	// valid. 0: 3.
	Failures int

	// FailOpen keeps the connections open after any number of errors.
	FailOpen bool
}

// The bounds of times and sizes. The sum of a few upper bounds does not
// overflow.
const (
	minTime  = time.Millisecond
	maxTime  = 24 * time.Hour
	minBytes = 1 << 10
	maxBytes = 1 << 30
)

func (o *Options) check() error {
	identity := o.Cookies != nil || o.Identify != nil
	switch {
	case o.Cookies != nil && o.Identify != nil:
		return errors.New("mojo: Options.Cookies and Options.Identify are both set; want one of them")
	case o.Cookies != nil && len(o.Cookies.sessionCodecs) == 0:
		return errors.New("mojo: Options.Cookies is a zero Cookies, which has no keys; want one that NewCookies made")
	case o.BeginSessions && o.Cookies == nil:
		return errors.New("mojo: Options.BeginSessions is set, but not Cookies, so there is no cookie to set")
	case o.RequireSession && !identity:
		return errors.New("mojo: Options.RequireSession is set, but neither Cookies nor Identify, so every client would be refused")
	}
	if field := o.needsIdentity(); field != "" && !identity {
		return fmt.Errorf("mojo: Options.%s is set, but neither Cookies nor Identify, so nobody has a session", field)
	}
	for _, origin := range o.Origins {
		if err := checkOrigin(origin, identity); err != nil {
			return err
		}
	}
	for i, t := range o.Transports {
		if t != Polling && t != WebSocket {
			return fmt.Errorf("mojo: Options.Transports[%d] is %q; want %q or %q", i, t, Polling, WebSocket)
		}
		if slices.Contains(o.Transports[:i], t) {
			return fmt.Errorf("mojo: Options.Transports has %q twice", t)
		}
	}
	return cmp.Or(o.Limits.check(), o.Timeouts.check(), o.Revalidation.check(), o.checkCluster())
}

// needsIdentity returns the first field that is set and has no effect while no
// client has a session, "" if there is none.
func (o *Options) needsIdentity() string {
	switch {
	case o.Limits.MaxConnsPerSession > 0:
		return "Limits.MaxConnsPerSession"
	case o.Limits.MaxConnsPerUser > 0:
		return "Limits.MaxConnsPerUser"
	case o.Revalidation.Check != nil:
		return "Revalidation.Check"
	case o.Ledger != nil:
		return "Ledger"
	}
	return ""
}

func (t *Timeouts) check() error {
	return cmp.Or(
		checkTime("Timeouts.PingInterval", t.PingInterval),
		checkTime("Timeouts.PingTimeout", t.PingTimeout),
		checkTime("Timeouts.UpgradeTimeout", t.UpgradeTimeout),
		checkTime("Timeouts.ConnectTimeout", t.ConnectTimeout),
		checkTime("Timeouts.AckTimeout", t.AckTimeout),
		checkTime("Timeouts.PresenceGrace", t.PresenceGrace),
	)
}

func (v *Revalidation) check() error {
	return cmp.Or(
		checkTime("Revalidation.Every", v.Every),
		checkCount("Revalidation.Failures", v.Failures),
	)
}

func checkTime(field string, d time.Duration) error {
	if d != 0 && (d < minTime || d > maxTime) {
		return fmt.Errorf("mojo: Options.%s is %v; want 0, or from %v to %v", field, d, minTime, maxTime)
	}
	return nil
}

// setDefault sets a field that is zero.
func setDefault[T comparable](field *T, value T) { *field = cmp.Or(*field, value) }

// fillIn replaces zero fields by their defaults, and copies what is shared with
// the caller.
func (o *Options) fillIn() {
	o.Limits.fillIn()
	o.Timeouts.fillIn()
	o.Revalidation.fillIn()
	o.Origins = slices.Clone(o.Origins)
	o.Transports = slices.Clone(o.Transports)
	if len(o.Transports) == 0 {
		o.Transports = []Transport{Polling, WebSocket}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

func (t *Timeouts) fillIn() {
	setDefault(&t.PingInterval, 25*time.Second)
	setDefault(&t.PingTimeout, 20*time.Second)
	setDefault(&t.UpgradeTimeout, 10*time.Second)
	setDefault(&t.ConnectTimeout, 45*time.Second)
	setDefault(&t.AckTimeout, time.Minute)
	setDefault(&t.PresenceGrace, 5*time.Second)
}

func (v *Revalidation) fillIn() {
	setDefault(&v.Every, time.Minute)
	setDefault(&v.Failures, 3)
}

// engine returns the options of the Engine.IO layer.
func (o *Options) engine() engineio.Options {
	transports := make([]engineio.Transport, len(o.Transports))
	for i, t := range o.Transports {
		transports[i] = engineio.Transport(t)
	}
	return engineio.Options{
		PingInterval:   o.Timeouts.PingInterval,
		PingTimeout:    o.Timeouts.PingTimeout,
		UpgradeTimeout: o.Timeouts.UpgradeTimeout,
		MaxPayload:     o.Limits.MaxPayload,
		MaxQueue:       o.Limits.MaxQueue,
		MaxQueuedTotal: o.Limits.MaxQueuedTotal,
		MaxInbound:     o.Limits.MaxInbound,
		MaxSessions:    o.Limits.MaxConns,
		Transports:     transports,
		AllowEIO3:      o.AllowEIO3,
		Logger:         o.Logger,
	}
}
