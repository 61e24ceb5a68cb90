package mojo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/engineio"
)

// Transport is the name of a way to carry messages.
type Transport string

// The transports.
const (
	Polling   Transport = "polling"   // HTTP long-polling
	WebSocket Transport = "websocket" // a WebSocket
)

// LimitPolicy is what is done with a connection above Options.MaxConnsPerSession or
// MaxConnsPerUser. The zero value is RefuseNew.
type LimitPolicy int

// The policies.
const (
	// RefuseNew refuses the new connection.
	RefuseNew LimitPolicy = iota
	// CloseOldest takes the new connection in and closes the oldest, so that a phone
	// which has changed its network need not wait until the connection of before is
	// found dead.
	CloseOldest
)

// Options configures a Server. New copies it; nothing can be changed later. The
// zero value serves everybody from the site's own pages, and nobody has a session.
type Options struct {
	// Cookies tells who is who by the two cookies of mojo. Nil: see Identify.
	Cookies *Cookies

	// Identify tells who made a request, for sites that have sessions of their own.
	// It is called for the handshake and for each later request of a connection,
	// from several goroutines, and must return the same ids for the same client. An
	// error refuses the request. It excludes Cookies. With neither nobody has a
	// session.
	Identify func(r *http.Request) (Identity, error)

	// Origins lists the origins whose pages may connect besides the server's own, which
	// always may. Each is one of these:
	//
	//   - scheme://host or scheme://host:port, exactly, as https://example.com. Those of
	//     apps are listed the same way, as capacitor://localhost or tauri://localhost;
	//   - scheme://*.host or scheme://*.host:port, for one label in the place of the
	//     asterisk: https://*.example.com admits https://a.example.com, but neither
	//     https://example.com nor https://a.b.example.com. The host has two labels at
	//     least, or is localhost. List no domain under which strangers can have names,
	//     such as github.io or co.uk;
	//   - file:// and null, which boards and pages without a site send. With Cookies or
	//     Identify mind the price: any site can make a page whose origin is null, in a
	//     sandboxed frame, and any downloaded file can be such a page. Browsers then send
	//     along cookies with SameSite=None, so that page acts as its visitor here;
	//   - "*" alone, for every page of every site. It only goes without Cookies and
	//     Identify.
	//
	// Schemes and hosts are compared without regard to case, default ports are the same as
	// none, and ws and wss, which some clients send, are as http and https. Nil: none.
	//
	// Pages on another site also need cookies with SameSite=None, and withCredentials in
	// the options of socket.io-client.
	Origins []string

	// OriginFunc decides about a request whose Origin is neither the server's own nor
	// listed: with true the page may connect. It is called for each request, from several
	// goroutines, and must not change r. The origin is what the client sent, so compare it
	// as a whole. A panic is logged and counted, and refuses. Nil: such requests are
	// refused. With "*" in Origins it is not called.
	OriginFunc func(r *http.Request, origin string) bool

	// Subprotocol chooses the subprotocol of a WebSocket among those that a client offers
	// by the option protocols of socket.io-client, in its order. It is called for each
	// WebSocket that offers any, from several goroutines. "" answers none, which browsers
	// take for a failure; a name that was not offered is logged and answered as none, and
	// so is a panic. Nil: the first that was offered.
	Subprotocol func(r *http.Request, offered []string) string

	// Times are from 1 ms to 24 h.

	PingInterval   time.Duration // between two pings to a client; 0: 25 s
	PingTimeout    time.Duration // for its pong, and for a write without progress; 0: 20 s
	UpgradeTimeout time.Duration // for the change from polling to a WebSocket; 0: 10 s
	ConnectTimeout time.Duration // for a client to connect to an app; 0: 45 s

	// Sizes are from 1 KiB to 1 GiB.

	MaxPayload int // bytes of one message, or one polling request, from a client; 0: 1,000,000
	MaxInbound int // bytes of one client that may wait for handlers before reading stops; 0: 1 MiB

	MaxHandshake int // bytes of a handshake that are kept with its connection, see Handshake; 0: 8 KiB

	MaxAttachmentBytes int // bytes of the binary of one message from a client; 0: MaxPayload

	// MaxQueue is how many bytes may wait for one client, those that are emitted in
	// OnConnect among them, and the most that one message to it may have. A client for
	// which more would wait is closed with ReasonQueueOverflow, and the emit returns
	// ErrQueueFull. However little waits, a client that takes nothing for PingTimeout is
	// closed with ReasonWriteTimeout. 0: 16 MiB.
	//
	// Pings go ahead of the messages that wait, but cannot interrupt one. A client
	// gives up without a ping for PingInterval and PingTimeout together, so a message
	// must reach it within that time, over its network.
	MaxQueue int
	// MaxQueuedTotal is how many bytes may wait for all clients of this Server
	// together. A message that waits for several clients counts for each. When more
	// waits, those clients are closed, with ReasonTotalOverflow, for which the most waits
	// and which have taken nothing for the longest time, until an eighth is free. They are
	// chosen beside the emits, which do not wait for that. It must be at least MaxQueue.
	// 0: 256 MiB, or MaxQueue if that is more.
	MaxQueuedTotal int

	// Counts.

	MaxAttachments int // pieces of binary in one message from a client, at most 10; 0: 10
	MaxConns       int // connections of this Server; more get 503 and come again; 0: no limit
	MaxUnconnected int // connections that are on no app yet, likewise; 0: 50,000
	MaxRooms       int // rooms of one Conn; 0: 1,000
	MaxRoomName    int // bytes in the name of a room; 0: 256
	MaxPendingAcks int // answers that one Conn may owe, see Conn.EmitWithAck; 0: 1,000
	MaxRate        int // messages from one client in a second, and at once; more close it with ReasonRateLimit; 0: no limit

	AckTimeout time.Duration // for an answer, if the context has no deadline; 0: 1 minute

	// RequireSession refuses clients without a valid session with 403. With BeginSessions
	// these get one, so it refuses nobody.
	RequireSession bool

	// BeginSessions makes a handshake without a valid session begin one: the answer sets
	// the session_id cookie, over polling and WebSocket alike, and the connection belongs
	// to that session. A revoked session is refused as ever. It is for sites whose pages are static, so that no EnsureSession
	// sees a browser before it connects: a later LogIn finds the connection. A client
	// that keeps no cookies is served all the same, with another session for each
	// connection. A handshake that is refused begins none. It needs Cookies.
	BeginSessions bool

	// MaxConnsPerSession and MaxConnsPerUser limit the connections of one session, and
	// of one user over all sessions, however many come at once: a tab is one, whatever
	// number of apps it is on. Connections that are there stay when LogIn makes them one
	// user's. 0: no limit.
	MaxConnsPerSession, MaxConnsPerUser int
	// OnLimit is what is done with a connection above MaxConnsPerSession or
	// MaxConnsPerUser. With RefuseNew, the
	// default, it gets a connect_error on every app, with the message "too many
	// connections of this session" (or user) and the number as data.limit, and does not
	// come back by itself. There is room again when OnDisconnect is called. A page that
	// was closed without a word still counts until PingTimeout has found that out, so
	// leave room for that. With CloseOldest it is taken in, and when it asks for its
	// first app the oldest ones are closed: their clients get a
	// RevokedEvent with CodeReplaced and do not come back by themselves, and
	// OnDisconnect gets ReasonReplaced.
	OnLimit LimitPolicy

	// OnPresence is told when users and sessions come online on any app, and when
	// they go offline: for one id in turn, each exactly once. It is called from one
	// goroutine at a time, which delays no client; nil: nobody is told. A panic is
	// logged. For one app see PresenceObserver.
	OnPresence func(p Presence)
	// PresenceGrace is how long somebody stays online after the last connection has
	// ended, so that a reload of the page is no absence. 0: 5 s. Shutdown ends it.
	PresenceGrace time.Duration

	// Revalidate asks whether who is connected still may be, for sites where that can
	// change without LogOut or Revoke: a user was locked in the database. It is called
	// for each live session (or login without one) once in RevalidateEvery, spread over
	// that time, once for all tabs, in goroutines of which at most 16 run at a time;
	// ctx ends after RevalidateEvery, and it must return then. With false the session is revoked, with
	// ReasonInvalid. An error says that the answer is not known; nil: nobody is asked.
	Revalidate      func(ctx context.Context, id Identity) (valid bool, err error)
	RevalidateEvery time.Duration // 0: 1 minute
	// RevalidateFailures is the number of errors (or panics) in a row for one session
	// after which its connections are closed, with ReasonInvalid; their cookies stay
	// good. 0: 3. With RevalidateFailOpen they stay.
	RevalidateFailures int
	RevalidateFailOpen bool

	// Transports lists the transports to serve. Empty: both, polling first and then
	// an upgrade, as clients do by themselves.
	Transports []Transport

	// Logger gets what a developer or operator should know. No secrets are logged.
	// Nil: slog.Default().
	Logger *slog.Logger
}

// What times and sizes may be. The upper bounds leave room to add some up.
const (
	leastTime  = time.Millisecond
	mostTime   = 24 * time.Hour
	leastBytes = 1 << 10
	mostBytes  = 1 << 30

	defaultQueue = 16 << 20

	mostAttachments = 10 // what socket.io-client takes
)

func (o *Options) check() error {
	identity := o.Cookies != nil || o.Identify != nil
	if o.Cookies != nil && o.Identify != nil {
		return errors.New("mojo: Options.Cookies and Options.Identify are both set; want one of them")
	}
	if o.Cookies != nil && len(o.Cookies.sessionCodecs) == 0 {
		return errors.New("mojo: Options.Cookies is a zero Cookies, which knows nobody; make it with NewCookies")
	}
	if o.BeginSessions && o.Cookies == nil {
		return errors.New("mojo: Options.BeginSessions is set, but not Cookies, so there is no cookie to set")
	}
	if o.RequireSession && !identity {
		return errors.New("mojo: Options.RequireSession is set, but neither Cookies nor Identify, so nobody could connect")
	}
	if o.OnLimit != RefuseNew && o.OnLimit != CloseOldest {
		return fmt.Errorf("mojo: Options.OnLimit is %d; want RefuseNew or CloseOldest", o.OnLimit)
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"MaxConnsPerSession", o.MaxConnsPerSession > 0},
		{"MaxConnsPerUser", o.MaxConnsPerUser > 0},
		{"Revalidate", o.Revalidate != nil},
	} {
		if f.set && !identity {
			return fmt.Errorf("mojo: Options.%s is set, but neither Cookies nor Identify, so nobody has a session", f.name)
		}
	}
	for _, origin := range o.Origins {
		if err := checkOrigin(origin, identity); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"PingInterval", o.PingInterval},
		{"PingTimeout", o.PingTimeout},
		{"UpgradeTimeout", o.UpgradeTimeout},
		{"ConnectTimeout", o.ConnectTimeout},
		{"PresenceGrace", o.PresenceGrace},
		{"RevalidateEvery", o.RevalidateEvery},
		{"AckTimeout", o.AckTimeout},
	} {
		if f.value != 0 && (f.value < leastTime || f.value > mostTime) {
			return fmt.Errorf("mojo: Options.%s is %v; want 0, or from %v to %v", f.name, f.value, leastTime, mostTime)
		}
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"MaxPayload", o.MaxPayload},
		{"MaxQueue", o.MaxQueue},
		{"MaxQueuedTotal", o.MaxQueuedTotal},
		{"MaxInbound", o.MaxInbound},
		{"MaxHandshake", o.MaxHandshake},
		{"MaxAttachmentBytes", o.MaxAttachmentBytes},
	} {
		if f.value != 0 && (f.value < leastBytes || f.value > mostBytes) {
			return fmt.Errorf("mojo: Options.%s is %d bytes; want 0, or from %d to %d", f.name, f.value, leastBytes, mostBytes)
		}
	}
	if queue := cmp.Or(o.MaxQueue, defaultQueue); o.MaxQueuedTotal != 0 && o.MaxQueuedTotal < queue {
		return fmt.Errorf("mojo: Options.MaxQueuedTotal is %d bytes; want at least MaxQueue, which is %d", o.MaxQueuedTotal, queue)
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"MaxConnsPerSession", o.MaxConnsPerSession},
		{"MaxConnsPerUser", o.MaxConnsPerUser},
		{"RevalidateFailures", o.RevalidateFailures},
		{"MaxConns", o.MaxConns},
		{"MaxUnconnected", o.MaxUnconnected},
		{"MaxRooms", o.MaxRooms},
		{"MaxRoomName", o.MaxRoomName},
		{"MaxPendingAcks", o.MaxPendingAcks},
		{"MaxRate", o.MaxRate},
	} {
		if f.value < 0 {
			return fmt.Errorf("mojo: Options.%s is %d; want 0 or more", f.name, f.value)
		}
	}
	if o.MaxAttachments < 0 || o.MaxAttachments > mostAttachments {
		return fmt.Errorf("mojo: Options.MaxAttachments is %d; want from 0 to %d", o.MaxAttachments, mostAttachments)
	}
	for i, t := range o.Transports {
		if t != Polling && t != WebSocket {
			return fmt.Errorf("mojo: Options.Transports[%d] is %q; want %q or %q", i, t, Polling, WebSocket)
		}
		if slices.Contains(o.Transports[:i], t) {
			return fmt.Errorf("mojo: Options.Transports has %q twice", t)
		}
	}
	return nil
}

func checkOrigin(origin string, identity bool) error {
	if origin == "*" {
		if identity {
			return errors.New(`mojo: Options.Origins has "*"; with Cookies or Identify every site could act as its visitors here, so list the sites`)
		}
		return nil
	}
	if !isOrigin(origin) {
		return fmt.Errorf("mojo: Options.Origins has %q; want scheme://host, scheme://host:port, "+
			"one of these with *. in front of a host of two labels or more, file:// or null", origin)
	}
	return nil
}

func isOrigin(origin string) bool {
	if origin == "null" || origin == "file://" {
		return true
	}
	scheme, host, _ := strings.Cut(origin, "://")
	if parent, pattern := strings.CutPrefix(host, "*."); pattern {
		u, err := url.Parse(scheme + "://" + parent)
		if err != nil || !isParent(u.Hostname()) {
			return false
		}
		host = parent
	}
	u, err := url.Parse(scheme + "://" + host)
	return err == nil && u.Host != "" && u.Host == host && strings.EqualFold(u.Scheme, scheme) &&
		!strings.Contains(host, "*") && !strings.HasSuffix(host, ":")
}

// isParent reports whether names under a host may be listed by a pattern: not those
// of a whole top-level domain, nor addresses.
func isParent(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" {
			return false
		}
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != host && strings.Trim(last, "0123456789") != ""
}

func (o *Options) fillIn() {
	orTime := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	orTime(&o.PingInterval, 25*time.Second)
	orTime(&o.PingTimeout, 20*time.Second)
	orTime(&o.UpgradeTimeout, 10*time.Second)
	orTime(&o.ConnectTimeout, 45*time.Second)
	orTime(&o.PresenceGrace, 5*time.Second)
	orTime(&o.RevalidateEvery, time.Minute)
	orTime(&o.AckTimeout, time.Minute)
	orInt := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	orInt(&o.MaxPayload, 1_000_000)
	orInt(&o.MaxQueue, defaultQueue)
	orInt(&o.MaxQueuedTotal, max(256<<20, o.MaxQueue))
	orInt(&o.MaxInbound, 1<<20)
	orInt(&o.MaxHandshake, 8<<10)
	orInt(&o.MaxAttachmentBytes, o.MaxPayload)
	orInt(&o.MaxAttachments, mostAttachments)
	orInt(&o.MaxUnconnected, 50_000)
	orInt(&o.MaxRooms, 1000)
	orInt(&o.MaxRoomName, 256)
	orInt(&o.MaxPendingAcks, 1000)
	orInt(&o.RevalidateFailures, 3)
	o.Origins = slices.Clone(o.Origins)
	o.Transports = slices.Clone(o.Transports)
	if len(o.Transports) == 0 {
		o.Transports = []Transport{Polling, WebSocket}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// engine is the part of the options that the engine goes by.
func (o *Options) engine() engineio.Options {
	transports := make([]engineio.Transport, len(o.Transports))
	for i, t := range o.Transports {
		transports[i] = engineio.Transport(t)
	}
	return engineio.Options{
		PingInterval:   o.PingInterval,
		PingTimeout:    o.PingTimeout,
		UpgradeTimeout: o.UpgradeTimeout,
		MaxPayload:     o.MaxPayload,
		MaxQueue:       o.MaxQueue,
		MaxQueuedTotal: o.MaxQueuedTotal,
		MaxInbound:     o.MaxInbound,
		MaxSessions:    o.MaxConns,
		Transports:     transports,
		Logger:         o.Logger,
	}
}
