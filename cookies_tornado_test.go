package mojo

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e/cookietest"
)

const (
	tornadoSecret    = "mojo-test-secret-0123456789abcdef"
	tornadoOldSecret = "another-test-secret-0123456789"
	tornadoClock     = 1300000000 // the date of the cookies below
)

// tornado2 returns a cookie's text in version 2. The fields are key version,
// date, name and value in base64.
func tornado2(secret string, fields ...any) string {
	text := "2|"
	for _, field := range fields {
		text += fmt.Sprintf("%d:%v|", len(fmt.Sprint(field)), field)
	}
	return tornado2Signed(secret, text)
}

// tornado2Signed appends the signature to a text of version 2.
func tornado2Signed(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprint(mac, text)
	return fmt.Sprintf("%s%x", text, mac.Sum(nil))
}

// tornado1 returns a cookie's text in version 1.
func tornado1(secret, name string, date any, value string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	fmt.Fprintf(mac, "%s%s%v", name, value, date)
	return fmt.Sprintf("%s|%v|%x", value, date, mac.Sum(nil))
}

// base64Text returns an id in base64.
func base64Text(id string) string { return base64.StdEncoding.EncodeToString([]byte(id)) }

// newTornadoCookies returns Cookies that also read cookies of Tornado.
func newTornadoCookies(t testing.TB, tornado TornadoCookies) *Cookies {
	return newTestCookies(t, CookieOptions{Tornado: &tornado})
}

// allTornado returns secrets for both versions.
func allTornado() TornadoCookies {
	return TornadoCookies{Secrets: map[int]string{0: tornadoSecret, 7: tornadoSecret, 12: tornadoOldSecret}, Version1Secret: tornadoSecret}
}

// atTornadoClock runs a test in a bubble at the date of the cookies below.
func atTornadoClock(t *testing.T, test func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(tornadoClock, 0)))
		test(t)
	})
}

// These texts were written by Tornado.
const (
	tornadoSession2 = "2|1:0|10:1300000000|10:session_id|48:N2M5ZTY2NzktNzQyNS00MGRlLTk0NGItZTA3ZmMxZjkwYWU3|0995d8b083c93d1ab9d549a37be8d1bc4fce41d8ef0e0dfa81d3503c595b2540"
	tornadoLogin2   = "2|1:7|10:1300000000|9:logged_in|12:dXNlci00Mg==|f0a95c0ceabc2d04ffe9cf972c8e3679ffbd6b5aa265542fd87f39198fddcadc"
	tornadoLogout2  = "2|1:0|10:1300000000|9:logged_in|0:|36e1b37bc2926e49f2090a3ce37e488ba9f9428ad20476d950e1e681536374e5"
	tornadoSession1 = "N2M5ZTY2NzktNzQyNS00MGRlLTk0NGItZTA3ZmMxZjkwYWU3|1300000000|0bd3e58255cacfc4e340b4190fc9c2ff70e6379e"
	tornadoLogin1   = "dXNlci00Mg==|1300000000|cf27e5440419134e4c3062631bb5485b4ae32504"
	tornadoLogout1  = "|1300000000|0a4700d5cc5987a207014af61b0ee1a2984e14c8"
)

func TestTornadoCookies(t *testing.T) {
	const (
		clock   = tornadoClock
		maxAge  = int64(cookieTestMaxAge / time.Second)
		session = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	)
	session2 := func(fields ...any) string { return "session_id=" + tornado2(tornadoSecret, fields...) }
	login2 := func(date int64, id string) string {
		return "logged_in=" + tornado2(tornadoSecret, 0, date, "logged_in", base64Text(id))
	}
	session1 := func(date any, value string) string {
		return "session_id=" + tornado1(tornadoSecret, "session_id", date, value)
	}
	own := func(content string) string { return sessionCookie(cookieTestKey, content, 0) }
	ownLogin := func(content string) string { return loginCookie(cookieTestKey, content, 0) }
	type result struct {
		session, user string
		signed        int64 // the Unix time that Expires counts from; 0: no identity
		faults        cookieFaults
	}
	nobody := func(faults cookieFaults) result { return result{faults: faults} }

	for name, test := range map[string]struct {
		cookies func() []string // called in the bubble, because it uses the time
		want    result
	}{
		"vector, session":    {func() []string { return []string{"session_id=" + tornadoSession2} }, result{session, "", clock, 0}},
		"vector, login":      {func() []string { return []string{"logged_in=" + tornadoLogin2} }, result{"", "user-42", clock, 0}},
		"vectors, both":      {func() []string { return []string{"logged_in=" + tornadoLogin2, "session_id=" + tornadoSession2} }, result{session, "user-42", clock, 0}},
		"vector, logged out": {func() []string { return []string{"session_id=" + tornadoSession2, "logged_in=" + tornadoLogout2} }, result{session, "", clock, 0}},
		"vectors, version 1": {func() []string { return []string{"session_id=" + tornadoSession1, "logged_in=" + tornadoLogin1} }, result{session, "user-42", clock, 0}},
		"version 1, logged out": {func() []string {
			return []string{"session_id=" + tornadoSession1, "logged_in=" + tornadoLogout1}
		}, result{session, "", clock, 0}},
		"in quotes, as Python sends it": {func() []string { return []string{`logged_in="` + tornadoLogin2 + `"`} }, result{"", "user-42", clock, 0}},
		"unusual characters":            {func() []string { return []string{session2(0, clock, "session_id", base64Text("ż|;\"\x00🐢"))} }, result{"ż|;\"\x00🐢", "", clock, 0}},
		"another secret": {func() []string {
			return []string{"session_id=" + tornado2(tornadoOldSecret, 12, clock, "session_id", "cw==")}
		}, result{"s", "", clock, 0}},

		"last second":    {func() []string { return []string{session2(0, clock-maxAge+1, "session_id", "cw==")} }, result{"s", "", clock - maxAge + 1, 0}},
		"expired":        {func() []string { return []string{session2(0, clock-maxAge, "session_id", "cw==")} }, nobody(cookieExpired)},
		"long expired":   {func() []string { return []string{session2(0, 0, "session_id", "cw==")} }, nobody(cookieExpired)},
		"a minute ahead": {func() []string { return []string{session2(0, clock+60, "session_id", "cw==")} }, result{"s", "", clock + 60, 0}},
		"further ahead":  {func() []string { return []string{session2(0, clock+61, "session_id", "cw==")} }, nobody(cookieAhead)},
		"end of time":    {func() []string { return []string{session2(0, "9223372036854775807", "session_id", "cw==")} }, nobody(cookieAhead)},
		"date too large": {func() []string { return []string{session2(0, "9223372036854775808", "session_id", "cw==")} }, nobody(cookieMalformed)},
		"version 1, last second": {func() []string {
			return []string{session1(clock-maxAge+1, "cw==")}
		}, result{"s", "", clock - maxAge + 1, 0}},
		"version 1, expired": {func() []string { return []string{session1(clock-maxAge, "cw==")} }, nobody(cookieExpired)},
		"version 1, ahead":   {func() []string { return []string{session1(clock+61, "cw==")} }, nobody(cookieAhead)},

		"unknown key version": {func() []string { return []string{session2(1, clock, "session_id", "cw==")} }, nobody(cookieForged)},
		"key of another version": {func() []string {
			return []string{"session_id=" + tornado2(tornadoOldSecret, 0, clock, "session_id", "cw==")}
		}, nobody(cookieForged)},
		"unknown secret": {func() []string { return []string{"session_id=" + tornado2("unknown", 0, clock, "session_id", "cw==")} }, nobody(cookieForged)},
		"version 1, unknown secret": {func() []string {
			return []string{"session_id=" + tornado1(tornadoOldSecret, "session_id", clock, "cw==")}
		}, nobody(cookieForged)},
		"of another name":            {func() []string { return []string{"session_id=" + tornadoLogin2} }, nobody(cookieForged)},
		"of a longer name":           {func() []string { return []string{session2(0, clock, "session_id2", "cw==")} }, nobody(cookieForged)},
		"version 1, of another name": {func() []string { return []string{"session_id=" + tornadoLogin1} }, nobody(cookieForged)},
		"session empty":              {func() []string { return []string{session2(0, clock, "session_id", "")} }, nobody(cookieMalformed)},
		"not UTF-8":                  {func() []string { return []string{session2(0, clock, "session_id", base64Text("\xff"))} }, nobody(cookieMalformed)},
		"longest id":                 {func() []string { return []string{login2(clock, strings.Repeat("u", 1024))} }, result{"", strings.Repeat("u", 1024), clock, 0}},
		"id too long":                {func() []string { return []string{login2(clock, strings.Repeat("u", 1025))} }, nobody(cookieTooLong)},
		"text too long":              {func() []string { return []string{"session_id=2|" + strings.Repeat("1", 4096)} }, nobody(cookieTooLong)},

		"same id in both formats": {func() []string { return []string{session2(0, clock-9, "session_id", "cw=="), own(`"s"`)} }, result{"s", "", clock, 0}},
		"same id in all formats": {func() []string {
			return []string{own(`"s"`), session2(0, clock, "session_id", "cw=="), session1(clock, "cw==")}
		}, result{"s", "", clock, 0}},
		"two ids in two formats":  {func() []string { return []string{own(`"z"`), session2(0, clock, "session_id", "cw==")} }, result{"s", "", clock, cookieDuplicate}},
		"two ids in two versions": {func() []string { return []string{session1(clock, "eg=="), session2(0, clock, "session_id", "cw==")} }, result{"s", "", clock, cookieDuplicate}},
		"the newer in version 1":  {func() []string { return []string{session1(clock, "eg=="), session2(0, clock-1, "session_id", "cw==")} }, result{"z", "", clock, cookieDuplicate}},
		"two, one forged":         {func() []string { return []string{"session_id=2|x", own(`"s"`)} }, result{"s", "", clock, cookieForged}},
		"seventeen": {func() []string {
			return append(slices.Repeat([]string{session2(0, clock-1, "session_id", "cw==")}, 16), own(`"z"`))
		}, result{"s", "", clock - 1, cookieDuplicate}},
		"login, logout of mojo":  {func() []string { return []string{own(`"s"`), login2(clock, "u"), ownLogin(`""`)} }, result{"s", "", clock, cookieDuplicate}},
		"login to own session":   {func() []string { return []string{own(`"s"`), login2(clock-9, "u")} }, result{"s", "u", clock - 9, 0}},
		"own login, bound to it": {func() []string { return []string{session2(0, clock-9, "session_id", "cw=="), ownLogin(`["u","s"]`)} }, result{"s", "u", clock - 9, 0}},
		"own login, not bound to it": {func() []string {
			return []string{session2(0, clock, "session_id", "cw=="), ownLogin(`["u","z"]`)}
		}, result{"s", "", clock, cookieUnbound}},
	} {
		t.Run(name, func(t *testing.T) {
			atTornadoClock(t, func(t *testing.T) {
				c := newTornadoCookies(t, allTornado())
				want := Identity{SessionID: test.want.session, UserID: test.want.user}
				if test.want.signed != 0 {
					want.Expires = time.Unix(test.want.signed, 0).Add(cookieTestMaxAge)
				}

				got, faults := c.identify(cookietest.Request(test.cookies()...))

				require.Equal(t, want, got)
				require.Equal(t, test.want.faults.String(), faults.String())
			})
		})
	}
}

// A visitor of the Python site keeps the session and the login until mojo logs
// the visitor in or out. The first page replaces the cookies by mojo's.
func TestServerBesideTornado(t *testing.T) {
	atTornadoClock(t, func(t *testing.T) {
		cookies := newTornadoCookies(t, allTornado())
		srv, err := New(Options{Cookies: cookies})
		require.NoError(t, err)
		defer srv.Close()
		serve := func(handler http.HandlerFunc) http.ResponseWriter {
			w := httptest.NewRecorder()
			srv.EnsureSession(handler).ServeHTTP(w, cookietest.Request("session_id="+tornadoSession2, "logged_in="+tornadoLogin2))
			return w
		}

		first := serve(func(_ http.ResponseWriter, r *http.Request) {
			require.Equal(t, "7c9e6679-7425-40de-944b-e07fc1f90ae7", srv.Identity(r).SessionID)
			require.Equal(t, "user-42", srv.Identity(r).UserID)
		})
		require.Len(t, first.Header()["Set-Cookie"], 2)
		sent, faults := newTestCookies(t, CookieOptions{}).read(cookietest.NextRequest(first)) // without CookieOptions.Tornado
		require.Zero(t, faults)
		p, faults := sent.pick(nil)
		require.Zero(t, faults)
		require.Equal(t, cookieValue{id: "7c9e6679-7425-40de-944b-e07fc1f90ae7", expires: p.session.expires, current: true}, p.session)
		require.Equal(t, cookieValue{id: "user-42", expires: p.session.expires, current: true}, p.login)
		require.Equal(t, cookieTestMaxAge, time.Until(p.session.expires))

		loggedIn := serve(func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, srv.LogIn(w, r, "user-43"))
		})
		identity, faults := cookies.identify(cookietest.NextRequest(loggedIn))
		require.Zero(t, faults)
		require.Equal(t, "user-43", identity.UserID)
		require.NotEqual(t, "7c9e6679-7425-40de-944b-e07fc1f90ae7", identity.SessionID)
	})
}

// FuzzTornado reads any text, unchanged and with a valid signature. If it is
// accepted, it must be the text that Tornado writes for that id and date.
func FuzzTornado(f *testing.F) {
	const maxAge = math.MaxInt32 * time.Second // so that stored inputs stay valid
	tornado := allTornado()
	c := newTestCookies(f, CookieOptions{MaxAge: maxAge, Tornado: &tornado})
	for _, seed := range []string{
		"", "|", "||", "2|", "2|1:0|", "2|-1:0|10:1|", "2|1:0|10:1300000000|99999999999:x|", "999|x", "1000|x|y",
		tornadoSession1, tornadoLogin1, tornadoLogout1, tornadoSession2, tornadoLogin2, tornadoLogout2,
		"2|1:0|10:1700000000|9:logged_in|12:dXNlci00Mg==|",
		"2|2:12|10:1700000000|10:session_id|4:cw==|",
		"2|1:0|11:01700000000|9:logged_in|0:|",
		"dXNlci00Mg==|1700000000",
		"|1700000000",
		"dXNlci00|0700000000",
		"cx==|1700000000",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, date, _ := strings.Cut(text, "|")
		for _, name := range []string{"session_id", "logged_in"} {
			for _, text := range []string{
				text,
				tornado2Signed(tornadoSecret, text),
				tornado2Signed(tornadoOldSecret, text),
				tornado1(tornadoSecret, name, date, value),
			} {
				opened, fault := c.open(name, text, nil)
				if fault != 0 {
					continue
				}
				written := opened.expires.Add(-maxAge).Unix()
				value := base64Text(opened.id)
				require.Contains(t, []string{
					tornado2(tornadoSecret, 0, written, name, value),
					tornado2(tornadoSecret, 7, written, name, value),
					tornado2(tornadoOldSecret, 12, written, name, value),
					tornado1(tornadoSecret, name, written, value),
				}, text)
				require.Empty(t, opened.sessionID)
				require.True(t, opened.expires.After(time.Now()))
			}
		}
	})
}
