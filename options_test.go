package mojo

import (
	"context"
	"errors"
	"math"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
)

func TestNewRefuses(t *testing.T) {
	cookies := newTestCookies(t, CookieOptions{})
	identify := func(*http.Request) (Identity, error) { return Identity{}, nil }
	revalidate := func(context.Context, Identity) (bool, error) { return true, nil }
	bus, key := cluster.NewMemory(), make([]byte, 32)
	for name, test := range map[string]struct {
		opts Options
		want string
	}{
		"two identities":       {Options{Cookies: cookies, Identify: identify}, "mojo: Options.Cookies and Options.Identify are both set; want one of them"},
		"cookies without keys": {Options{Cookies: &Cookies{}}, "mojo: Options.Cookies is a zero Cookies, which has no keys; want one that NewCookies made"},
		"no cookie to set":     {Options{BeginSessions: true}, "mojo: Options.BeginSessions is set, but not Cookies, so there is no cookie to set"},
		"unknown policy":       {Options{Limits: Limits{ConnPolicy: 2}}, "mojo: Options.Limits.ConnPolicy is 2; want RefuseNew or CloseOldest"},
		"no identities":        {Options{RequireSession: true}, "mojo: Options.RequireSession is set, but neither Cookies nor Identify, so every client would be refused"},

		"any origin with cookies":  {Options{Cookies: cookies, Origins: []string{"*"}}, `mojo: Options.Origins has "*"; with Cookies or Identify every site could act as its visitors here, so list the sites`},
		"any origin with Identify": {Options{Identify: identify, Origins: []string{"*"}}, `mojo: Options.Origins has "*"; with Cookies or Identify every site could act as its visitors here, so list the sites`},
		"origin without a scheme":  {Options{Origins: []string{"example.com"}}, `mojo: Options.Origins has "example.com"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"origin with a path":       {Options{Origins: []string{"https://example.com/"}}, `mojo: Options.Origins has "https://example.com/"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"origin with a user":       {Options{Origins: []string{"https://a@example.com"}}, `mojo: Options.Origins has "https://a@example.com"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"origin with a bad port":   {Options{Origins: []string{"https://example.com:x"}}, `mojo: Options.Origins has "https://example.com:x"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"origin with empty port":   {Options{Origins: []string{"https://example.com:"}}, `mojo: Options.Origins has "https://example.com:"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"origin of a whole domain": {Options{Origins: []string{"https://*.com"}}, `mojo: Options.Origins has "https://*.com"; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},
		"empty origin":             {Options{Origins: []string{""}}, `mojo: Options.Origins has ""; want scheme://host, scheme://host:port, one of these with *. in front of a host of two labels or more, file:// or null`},

		"PingInterval":      {Options{Timeouts: Timeouts{PingInterval: -1}}, "mojo: Options.Timeouts.PingInterval is -1ns; want 0, or from 1ms to 24h0m0s"},
		"PingTimeout":       {Options{Timeouts: Timeouts{PingTimeout: time.Microsecond}}, "mojo: Options.Timeouts.PingTimeout is 1µs; want 0, or from 1ms to 24h0m0s"},
		"UpgradeTimeout":    {Options{Timeouts: Timeouts{UpgradeTimeout: -time.Hour}}, "mojo: Options.Timeouts.UpgradeTimeout is -1h0m0s; want 0, or from 1ms to 24h0m0s"},
		"ConnectTimeout":    {Options{Timeouts: Timeouts{ConnectTimeout: 999 * time.Microsecond}}, "mojo: Options.Timeouts.ConnectTimeout is 999µs; want 0, or from 1ms to 24h0m0s"},
		"MaxPayload":        {Options{Limits: Limits{MaxPayload: -1}}, "mojo: Options.Limits.MaxPayload is -1 bytes; want 0, or from 1024 to 1073741824"},
		"MaxQueue":          {Options{Limits: Limits{MaxQueue: 1023}}, "mojo: Options.Limits.MaxQueue is 1023 bytes; want 0, or from 1024 to 1073741824"},
		"MaxQueuedTotal":    {Options{Limits: Limits{MaxQueuedTotal: 1}}, "mojo: Options.Limits.MaxQueuedTotal is 1 bytes; want 0, or from 1024 to 1073741824"},
		"total below queue": {Options{Limits: Limits{MaxQueuedTotal: 1 << 20}}, "mojo: Options.Limits.MaxQueuedTotal is 1048576 bytes; want at least MaxQueue, which is 16777216"},
		"MaxInbound":        {Options{Limits: Limits{MaxInbound: 1}}, "mojo: Options.Limits.MaxInbound is 1 bytes; want 0, or from 1024 to 1073741824"},
		"time too long":     {Options{Timeouts: Timeouts{PingInterval: math.MaxInt64}}, "mojo: Options.Timeouts.PingInterval is 2562047h47m16.854775807s; want 0, or from 1ms to 24h0m0s"},
		"size too large":    {Options{Limits: Limits{MaxPayload: math.MaxInt32}}, "mojo: Options.Limits.MaxPayload is 2147483647 bytes; want 0, or from 1024 to 1073741824"},

		"MaxConnsPerSession":     {Options{Cookies: cookies, Limits: Limits{MaxConnsPerSession: -1}}, "mojo: Options.Limits.MaxConnsPerSession is -1; want 0 or more"},
		"MaxConnsPerUser":        {Options{Cookies: cookies, Limits: Limits{MaxConnsPerUser: -2}}, "mojo: Options.Limits.MaxConnsPerUser is -2; want 0 or more"},
		"limit without identity": {Options{Limits: Limits{MaxConnsPerUser: 1}}, "mojo: Options.Limits.MaxConnsPerUser is set, but neither Cookies nor Identify, so nobody has a session"},
		"PresenceGrace":          {Options{Timeouts: Timeouts{PresenceGrace: -time.Second}}, "mojo: Options.Timeouts.PresenceGrace is -1s; want 0, or from 1ms to 24h0m0s"},
		"RevalidateEvery":        {Options{Revalidation: Revalidation{Every: 25 * time.Hour}}, "mojo: Options.Revalidation.Every is 25h0m0s; want 0, or from 1ms to 24h0m0s"},
		"RevalidateFailures":     {Options{Revalidation: Revalidation{Failures: -1}}, "mojo: Options.Revalidation.Failures is -1; want 0 or more"},
		"Check without identity": {Options{Revalidation: Revalidation{Check: revalidate}}, "mojo: Options.Revalidation.Check is set, but neither Cookies nor Identify, so nobody has a session"},

		"ClusterKey alone":     {Options{ClusterKey: key}, "mojo: Options.ClusterKey is set, but not Cluster"},
		"OnIsolation alone":    {Options{OnIsolation: RefuseIsolated}, "mojo: Options.OnIsolation is set, but not Cluster"},
		"Advertise alone":      {Options{Advertise: "http://10.0.0.5"}, "mojo: Options.Advertise is set, but not Cluster"},
		"unknown isolation":    {Options{Cluster: bus, ClusterKey: key, OnIsolation: 2}, "mojo: Options.OnIsolation is 2; want ServeIsolated or RefuseIsolated"},
		"cluster without keys": {Options{Cluster: bus}, "mojo: Options.Cluster is set, but neither Cookies nor ClusterKey; want a ClusterKey that all processes share"},
		"short ClusterKey":     {Options{Cluster: bus, ClusterKey: key[1:]}, "mojo: Options.ClusterKey has 31 bytes; want at least 32 random bytes"},
		"Advertise":            {Options{Cluster: bus, ClusterKey: key, Advertise: "10.0.0.5:80"}, `mojo: Options.Advertise is "10.0.0.5:80"; want the address of this process for the others, as http://10.0.0.5:8080`},
		"Advertise with path":  {Options{Cluster: bus, ClusterKey: key, Advertise: "http://10.0.0.5/x"}, `mojo: Options.Advertise is "http://10.0.0.5/x"; want the address of this process for the others, as http://10.0.0.5:8080`},
		"bus":                  {Options{Cluster: brokenBus{}, ClusterKey: key}, "mojo: Options.Cluster: no such host"},

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

// brokenBus is a Bus that can never work.
type brokenBus struct{}

func (brokenBus) Open(string, cluster.Node) (cluster.Link, error) {
	return nil, errors.New("no such host")
}

func TestNewAccepts(t *testing.T) {
	cookies := newTestCookies(t, CookieOptions{})
	for name, opts := range map[string]Options{
		"nothing":        {},
		"any origin":     {Origins: []string{"*"}},
		"sessions begin": {Cookies: cookies, BeginSessions: true, RequireSession: true},
		"listed origins": {Cookies: cookies, RequireSession: true, Origins: []string{"https://example.com", "http://localhost:8080"}},
		"least values":   {Timeouts: Timeouts{PingInterval: minTime, PingTimeout: minTime, UpgradeTimeout: minTime, ConnectTimeout: minTime, PresenceGrace: minTime}, Limits: Limits{MaxPayload: minBytes, MaxQueue: minBytes, MaxQueuedTotal: minBytes, MaxInbound: minBytes}, Revalidation: Revalidation{Every: minTime}},
		"limits":         {Cookies: cookies, Limits: Limits{MaxConnsPerSession: 1, MaxConnsPerUser: math.MaxInt}, Revalidation: Revalidation{Failures: 1}},
		"one transport":  {Transports: []Transport{WebSocket}},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := New(opts)

			require.NoError(t, err)
			require.NotNil(t, srv)
		})
	}
}

// New refuses a negative value of any field of Limits, Timeouts and
// Revalidation by an error with the path of the field.
func TestNewChecksEachField(t *testing.T) {
	checked := 0
	for _, group := range []string{"Limits", "Timeouts", "Revalidation"} {
		typ := reflect.ValueOf(Options{}).FieldByName(group).Type()
		for i := range typ.NumField() {
			var opts Options
			field := reflect.ValueOf(&opts).Elem().FieldByName(group).Field(i)
			if !field.CanInt() {
				continue
			}
			field.SetInt(-1)
			checked++

			_, err := New(opts)

			path := group + "." + typ.Field(i).Name
			require.ErrorContains(t, err, "mojo: Options."+path+" is -1", path)
		}
	}
	require.Equal(t, 24, checked)
}

// Zero options get the documented defaults.
func TestZeroOptions(t *testing.T) {
	var opts Options

	opts.fillIn()

	require.Equal(t, []time.Duration{25 * time.Second, 20 * time.Second, 10 * time.Second, 45 * time.Second, 5 * time.Second, time.Minute},
		[]time.Duration{opts.Timeouts.PingInterval, opts.Timeouts.PingTimeout, opts.Timeouts.UpgradeTimeout, opts.Timeouts.ConnectTimeout, opts.Timeouts.PresenceGrace, opts.Revalidation.Every})
	require.Equal(t, []int{1_000_000, 16 << 20, 256 << 20, 1 << 20}, []int{opts.Limits.MaxPayload, opts.Limits.MaxQueue, opts.Limits.MaxQueuedTotal, opts.Limits.MaxInbound})
	require.Equal(t, []int{0, 0, 3}, []int{opts.Limits.MaxConnsPerSession, opts.Limits.MaxConnsPerUser, opts.Revalidation.Failures})
	require.Equal(t, []Transport{Polling, WebSocket}, opts.Transports)
	require.NotNil(t, opts.Logger)
}
