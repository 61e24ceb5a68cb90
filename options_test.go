package mojo

import (
	"context"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

func TestNewRefuses(t *testing.T) {
	cookies := newTestCookies(t, CookieOptions{})
	identify := func(*http.Request) (Identity, error) { return Identity{}, nil }
	revalidate := func(context.Context, Identity) (bool, error) { return true, nil }
	for name, test := range map[string]struct {
		opts Options
		want string
	}{
		"two identities":       {Options{Cookies: cookies, Identify: identify}, "mojo: Options.Cookies and Options.Identify are both set; want one of them"},
		"cookies without keys": {Options{Cookies: &Cookies{}}, "mojo: Options.Cookies is a zero Cookies, which knows nobody; make it with NewCookies"},
		"no cookie to set":     {Options{BeginSessions: true}, "mojo: Options.BeginSessions is set, but not Cookies, so there is no cookie to set"},
		"no policy":            {Options{OnLimit: 2}, "mojo: Options.OnLimit is 2; want RefuseNew or CloseOldest"},
		"nobody could connect": {Options{RequireSession: true}, "mojo: Options.RequireSession is set, but neither Cookies nor Identify, so nobody could connect"},

		"any origin with cookies":  {Options{Cookies: cookies, Origins: []string{"*"}}, `mojo: Options.Origins has "*"; with Cookies or Identify every site could act as its visitors here, so list the sites`},
		"any origin with Identify": {Options{Identify: identify, Origins: []string{"*"}}, `mojo: Options.Origins has "*"; with Cookies or Identify every site could act as its visitors here, so list the sites`},
		"origin without a scheme":  {Options{Origins: []string{"example.com"}}, `mojo: Options.Origins has "example.com"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"origin with a path":       {Options{Origins: []string{"https://example.com/"}}, `mojo: Options.Origins has "https://example.com/"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"origin with a user":       {Options{Origins: []string{"https://a@example.com"}}, `mojo: Options.Origins has "https://a@example.com"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"origin with a bad port":   {Options{Origins: []string{"https://example.com:x"}}, `mojo: Options.Origins has "https://example.com:x"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"origin with no port":      {Options{Origins: []string{"https://example.com:"}}, `mojo: Options.Origins has "https://example.com:"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"origin of a whole domain": {Options{Origins: []string{"https://*.com"}}, `mojo: Options.Origins has "https://*.com"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"empty origin":             {Options{Origins: []string{""}}, `mojo: Options.Origins has ""; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},

		"PingInterval":   {Options{PingInterval: -1}, "mojo: Options.PingInterval is -1ns; want 0, or from 1ms to 24h0m0s"},
		"PingTimeout":    {Options{PingTimeout: time.Microsecond}, "mojo: Options.PingTimeout is 1µs; want 0, or from 1ms to 24h0m0s"},
		"UpgradeTimeout": {Options{UpgradeTimeout: -time.Hour}, "mojo: Options.UpgradeTimeout is -1h0m0s; want 0, or from 1ms to 24h0m0s"},
		"ConnectTimeout": {Options{ConnectTimeout: 999 * time.Microsecond}, "mojo: Options.ConnectTimeout is 999µs; want 0, or from 1ms to 24h0m0s"},
		"MaxPayload":     {Options{MaxPayload: -1}, "mojo: Options.MaxPayload is -1 bytes; want 0, or from 1024 to 1073741824"},
		"MaxQueue":       {Options{MaxQueue: 1023}, "mojo: Options.MaxQueue is 1023 bytes; want 0, or from 1024 to 1073741824"},
		"MaxQueuedTotal": {Options{MaxQueuedTotal: 1}, "mojo: Options.MaxQueuedTotal is 1 bytes; want 0, or from 1024 to 1073741824"},
		"small total":    {Options{MaxQueuedTotal: 1 << 20}, "mojo: Options.MaxQueuedTotal is 1048576 bytes; want at least MaxQueue, which is 16777216"},
		"MaxInbound":     {Options{MaxInbound: 1}, "mojo: Options.MaxInbound is 1 bytes; want 0, or from 1024 to 1073741824"},
		"endless time":   {Options{PingInterval: math.MaxInt64}, "mojo: Options.PingInterval is 2562047h47m16.854775807s; want 0, or from 1ms to 24h0m0s"},
		"endless size":   {Options{MaxPayload: math.MaxInt32}, "mojo: Options.MaxPayload is 2147483647 bytes; want 0, or from 1024 to 1073741824"},

		"MaxConnsPerSession": {Options{Cookies: cookies, MaxConnsPerSession: -1}, "mojo: Options.MaxConnsPerSession is -1; want 0 or more"},
		"MaxConnsPerUser":    {Options{Cookies: cookies, MaxConnsPerUser: -2}, "mojo: Options.MaxConnsPerUser is -2; want 0 or more"},
		"limit for nobody":   {Options{MaxConnsPerUser: 1}, "mojo: Options.MaxConnsPerUser is set, but neither Cookies nor Identify, so nobody has a session"},
		"PresenceGrace":      {Options{PresenceGrace: -time.Second}, "mojo: Options.PresenceGrace is -1s; want 0, or from 1ms to 24h0m0s"},
		"RevalidateEvery":    {Options{RevalidateEvery: 25 * time.Hour}, "mojo: Options.RevalidateEvery is 25h0m0s; want 0, or from 1ms to 24h0m0s"},
		"RevalidateFailures": {Options{RevalidateFailures: -1}, "mojo: Options.RevalidateFailures is -1; want 0 or more"},
		"Revalidate nobody":  {Options{Revalidate: revalidate}, "mojo: Options.Revalidate is set, but neither Cookies nor Identify, so nobody has a session"},

		"unknown transport": {Options{Transports: []Transport{Polling, "webtransport"}}, `mojo: Options.Transports[1] is "webtransport"; want "polling" or "websocket"`},
		"transport twice":   {Options{Transports: []Transport{Polling, Polling}}, `mojo: Options.Transports has "polling" twice`},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := New(test.opts)

			require.EqualError(t, err, test.want)
			require.Nil(t, srv)
		})
	}
}

func TestNewTakes(t *testing.T) {
	cookies := newTestCookies(t, CookieOptions{})
	for name, opts := range map[string]Options{
		"nothing":        {},
		"any origin":     {Origins: []string{"*"}},
		"sessions begin": {Cookies: cookies, BeginSessions: true, RequireSession: true},
		"listed origins": {Cookies: cookies, RequireSession: true, Origins: []string{"https://example.com", "http://localhost:8080"}},
		"least values":   {PingInterval: leastTime, PingTimeout: leastTime, UpgradeTimeout: leastTime, ConnectTimeout: leastTime, MaxPayload: leastBytes, MaxQueue: leastBytes, MaxQueuedTotal: leastBytes, MaxInbound: leastBytes, PresenceGrace: leastTime, RevalidateEvery: leastTime},
		"limits":         {Cookies: cookies, MaxConnsPerSession: 1, MaxConnsPerUser: math.MaxInt, RevalidateFailures: 1},
		"one transport":  {Transports: []Transport{WebSocket}},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := New(opts)

			require.NoError(t, err)
			require.NotNil(t, srv)
		})
	}
}

// TestNewCopiesOptions: what the caller does with a slice later changes nothing.
func TestNewCopiesOptions(t *testing.T) {
	opts := Options{Transports: []Transport{WebSocket}, Origins: []string{"https://example.com"}}
	srv := newTestServer(t, opts)
	register(t, srv, "Chat", newApp())
	opts.Transports[0], opts.Origins[0] = Polling, "https://evil.example"
	site := siotest.Serve(t, siotest.Memory, srv)

	header := http.Header{"Origin": {"https://example.com"}}
	client := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: header})

	client.Connect(chatNamespace, nil)
}

func TestHandshakeTellsTheOptions(t *testing.T) {
	srv := newTestServer(t, Options{PingInterval: 3 * time.Second, PingTimeout: 2 * time.Second, MaxPayload: 4321})

	got := dial(t, siotest.Serve(t, siotest.Memory, srv), "polling").Engine.Handshake

	require.Equal(t, 3000, got.PingInterval)
	require.Equal(t, 2000, got.PingTimeout)
	require.Equal(t, 4321, got.MaxPayload)
	require.Equal(t, []string{"websocket"}, got.Upgrades)
}

// TestZeroOptions are those that Options names.
func TestZeroOptions(t *testing.T) {
	var opts Options

	opts.fillIn()

	require.Equal(t, []time.Duration{25 * time.Second, 20 * time.Second, 10 * time.Second, 45 * time.Second, 5 * time.Second, time.Minute},
		[]time.Duration{opts.PingInterval, opts.PingTimeout, opts.UpgradeTimeout, opts.ConnectTimeout, opts.PresenceGrace, opts.RevalidateEvery})
	require.Equal(t, []int{1_000_000, 16 << 20, 256 << 20, 1 << 20}, []int{opts.MaxPayload, opts.MaxQueue, opts.MaxQueuedTotal, opts.MaxInbound})
	require.Equal(t, []int{0, 0, 3}, []int{opts.MaxConnsPerSession, opts.MaxConnsPerUser, opts.RevalidateFailures})
	require.Equal(t, []Transport{Polling, WebSocket}, opts.Transports)
	require.NotNil(t, opts.Logger)
}
