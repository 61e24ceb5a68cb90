package mojo

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

const cookieTestMaxAge = time.Hour

var (
	cookieTestKey    = Key{Hash: bytes.Repeat([]byte("h"), 32), Block: bytes.Repeat([]byte("b"), 32)}
	cookieOldKey     = Key{Hash: bytes.Repeat([]byte("o"), 64), Block: bytes.Repeat([]byte("p"), 16)}
	cookieUnknownKey = Key{Hash: bytes.Repeat([]byte("f"), 32), Block: bytes.Repeat([]byte("g"), 32)}
)

// cookieText returns the text of a cookie. It is encrypted if the key has a
// Block.
func cookieText(key Key, name, content string, date any) string {
	return cookietest.Text(key.Hash, key.Block, name, content, date)
}

// sessionCookie returns a name and value for a Cookie header. The JSON of the
// cookie is content, and it was signed age ago.
func sessionCookie(key Key, content string, age time.Duration) string {
	return "session_id=" + cookieText(Key{Hash: key.Hash}, "session_id", content, time.Now().Add(-age).Unix())
}

// loginCookie returns a name and value for a Cookie header. The JSON of the
// cookie is content, and it was signed age ago.
func loginCookie(key Key, content string, age time.Duration) string {
	return "logged_in=" + cookieText(key, "logged_in", content, time.Now().Add(-age).Unix())
}

// newTestCookies is NewCookies with keys and a MaxAge, if opts has none.
func newTestCookies(t testing.TB, opts CookieOptions) *Cookies {
	t.Helper()
	if opts.Keys == nil {
		opts.Keys = []Key{cookieTestKey, cookieOldKey}
	}
	if opts.MaxAge == 0 {
		opts.MaxAge = cookieTestMaxAge
	}
	c, err := NewCookies(opts)
	require.NoError(t, err)
	return c
}

func TestIdentifyByCookies(t *testing.T) {
	const second = time.Second
	session := func(content string, age time.Duration) string { return sessionCookie(cookieTestKey, content, age) }
	login := func(content string, age time.Duration) string { return loginCookie(cookieTestKey, content, age) }
	type result struct {
		session, user string
		expires       time.Duration // from now; 0: the zero time
		faults        cookieFaults
	}
	nobody := func(faults cookieFaults) result { return result{faults: faults} }
	onlySession := func(faults cookieFaults) result { return result{"s", "", cookieTestMaxAge, faults} }

	for name, test := range map[string]struct {
		cookies func() []string // called in the bubble, because it uses the time
		want    result
	}{
		"no cookies":         {func() []string { return nil }, nobody(0)},
		"other cookies":      {func() []string { return []string{"theme=dark", "sid=" + session(`"s"`, 0)} }, nobody(0)},
		"session":            {func() []string { return []string{session(`"s"`, 0)} }, onlySession(0)},
		"session and login":  {func() []string { return []string{session(`"s"`, 0), login(`"u"`, 0)} }, result{"s", "u", cookieTestMaxAge, 0}},
		"login alone":        {func() []string { return []string{login(`"u"`, 7*second)} }, result{"", "u", cookieTestMaxAge - 7*second, 0}},
		"bound login":        {func() []string { return []string{session(`"s"`, 0), login(`["u","s"]`, 0)} }, result{"s", "u", cookieTestMaxAge, 0}},
		"bound, other order": {func() []string { return []string{login(`["u","s"]`, 0), session(`"s"`, 0)} }, result{"s", "u", cookieTestMaxAge, 0}},
		"bound to another":   {func() []string { return []string{session(`"s"`, 0), login(`["u","z"]`, 0)} }, onlySession(cookieUnbound)},
		"bound, no session":  {func() []string { return []string{login(`["u","s"]`, 0)} }, nobody(cookieUnbound)},
		"bound, session old": {func() []string { return []string{session(`"s"`, cookieTestMaxAge), login(`["u","s"]`, 0)} }, nobody(cookieExpired | cookieUnbound)},
		"session is earlier": {func() []string { return []string{session(`"s"`, 9*second), login(`"u"`, 0)} }, result{"s", "u", cookieTestMaxAge - 9*second, 0}},
		"login is earlier":   {func() []string { return []string{session(`"s"`, 0), login(`"u"`, 9*second)} }, result{"s", "u", cookieTestMaxAge - 9*second, 0}},
		"JSON with spaces":   {func() []string { return []string{session(" \"s\"\n", 0)} }, onlySession(0)},
		"unusual characters": {func() []string { return []string{session(`"\u00e9|<\"\n"`, 0)} }, result{"é|<\"\n", "", cookieTestMaxAge, 0}},
		"in quotes":          {func() []string { return []string{strings.Replace(session(`"s"`, 0), "=", `="`, 1) + `"`} }, onlySession(0)},
		"older key": {func() []string {
			return []string{sessionCookie(cookieOldKey, `"s"`, 0), loginCookie(cookieOldKey, `"u"`, 0)}
		}, result{"s", "u", cookieTestMaxAge, 0}},
		"keys mixed":         {func() []string { return []string{session(`"s"`, 0), loginCookie(cookieOldKey, `["u","s"]`, 0)} }, result{"s", "u", cookieTestMaxAge, 0}},
		"unknown key":        {func() []string { return []string{sessionCookie(cookieUnknownKey, `"s"`, 0)} }, nobody(cookieForged)},
		"login, unknown key": {func() []string { return []string{session(`"s"`, 0), loginCookie(cookieUnknownKey, `"u"`, 0)} }, onlySession(cookieForged)},
		"block of other key": {func() []string {
			return []string{loginCookie(Key{cookieTestKey.Hash, cookieOldKey.Block}, `"user-1"`, 0)}
		}, nobody(cookieMalformed)},
		"of another name": {func() []string {
			return []string{"session_id=" + cookieText(Key{Hash: cookieTestKey.Hash}, "other", `"s"`, time.Now().Unix())}
		}, nobody(cookieForged)},
		"login as session": {func() []string { return []string{strings.Replace(login(`"u"`, 0), "logged_in", "session_id", 1)} }, nobody(cookieForged)},
		"session as login": {func() []string { return []string{strings.Replace(session(`"s"`, 0), "session_id", "logged_in", 1)} }, nobody(cookieForged)},
		"login not encrypted": {func() []string {
			return []string{loginCookie(Key{Hash: cookieTestKey.Hash}, `"a user id that is long enough"`, 0)}
		}, nobody(cookieMalformed)},
		"unsigned":       {func() []string { return []string{"session_id=s", `logged_in="u"`} }, nobody(cookieForged)},
		"empty text":     {func() []string { return []string{"session_id=", "logged_in="} }, nobody(cookieForged)},
		"date alone":     {func() []string { return []string{"session_id=" + base64.URLEncoding.EncodeToString([]byte("1|"))} }, nobody(cookieForged)},
		"last second":    {func() []string { return []string{session(`"s"`, cookieTestMaxAge-second)} }, result{"s", "", second, 0}},
		"expired":        {func() []string { return []string{session(`"s"`, cookieTestMaxAge)} }, nobody(cookieExpired)},
		"long expired":   {func() []string { return []string{session(`"s"`, 1000*cookieTestMaxAge)} }, nobody(cookieExpired)},
		"login expired":  {func() []string { return []string{session(`"s"`, 0), login(`"u"`, cookieTestMaxAge)} }, onlySession(cookieExpired)},
		"a minute ahead": {func() []string { return []string{session(`"s"`, -60*second)} }, result{"s", "", cookieTestMaxAge + 60*second, 0}},
		"further ahead":  {func() []string { return []string{session(`"s"`, -61*second)} }, nobody(cookieAhead)},
		"login ahead":    {func() []string { return []string{session(`"s"`, 0), login(`"u"`, -61*second)} }, onlySession(cookieAhead)},
		"end of time": {func() []string {
			return []string{"session_id=" + cookieText(Key{Hash: cookieTestKey.Hash}, "session_id", `"s"`, int64(math.MaxInt64))}
		}, nobody(cookieAhead)},
		"start of time": {func() []string {
			return []string{"session_id=" + cookieText(Key{Hash: cookieTestKey.Hash}, "session_id", `"s"`, int64(math.MinInt64))}
		}, nobody(cookieExpired)},
		"date is no number": {func() []string {
			return []string{"session_id=" + cookieText(Key{Hash: cookieTestKey.Hash}, "session_id", `"s"`, "1e9")}
		}, nobody(cookieMalformed)},
		"too long":            {func() []string { return []string{"session_id=" + strings.Repeat("A", 4097)} }, nobody(cookieTooLong)},
		"id too long":         {func() []string { return []string{session(`"`+strings.Repeat("s", 1025)+`"`, 0)} }, nobody(cookieTooLong)},
		"session empty":       {func() []string { return []string{session(`""`, 0)} }, nobody(cookieMalformed)},
		"login empty":         {func() []string { return []string{session(`"s"`, 5*second), login(`""`, 9*second)} }, result{"s", "", cookieTestMaxAge - 5*second, 0}},
		"login empty, alone":  {func() []string { return []string{login(`""`, 0)} }, nobody(0)},
		"session is a pair":   {func() []string { return []string{session(`["s","s"]`, 0)} }, nobody(cookieMalformed)},
		"twice the same":      {func() []string { return []string{session(`"s"`, 9*second), session(`"s"`, 2*second)} }, result{"s", "", cookieTestMaxAge - 2*second, 0}},
		"two sessions":        {func() []string { return []string{session(`"s"`, 0), session(`"z"`, second)} }, onlySession(cookieDuplicate)},
		"two, other order":    {func() []string { return []string{session(`"z"`, second), session(`"s"`, 0)} }, onlySession(cookieDuplicate)},
		"two of one second":   {func() []string { return []string{session(`"z"`, 0), session(`"s"`, 0)} }, onlySession(cookieDuplicate)},
		"two sessions, login": {func() []string { return []string{session(`"s"`, 0), session(`"z"`, second), login(`"u"`, 0)} }, result{"s", "u", cookieTestMaxAge, cookieDuplicate}},
		"two, older key":      {func() []string { return []string{session(`"z"`, second), sessionCookie(cookieOldKey, `"s"`, 0)} }, onlySession(cookieDuplicate)},
		"two, one forged":     {func() []string { return []string{"session_id=x", session(`"s"`, 0)} }, onlySession(cookieForged)},
		"two, one expired":    {func() []string { return []string{session(`"s"`, 0), session(`"z"`, cookieTestMaxAge)} }, onlySession(cookieExpired)},
		"two logins":          {func() []string { return []string{session(`"s"`, 0), login(`"u"`, 0), login(`"v"`, second)} }, result{"s", "u", cookieTestMaxAge, cookieDuplicate}},
		"login and logout":    {func() []string { return []string{session(`"s"`, 0), login(`"u"`, 0), login(`""`, 0)} }, onlySession(cookieDuplicate)},
		"logout and login":    {func() []string { return []string{session(`"s"`, 0), login(`""`, 0), login(`"u"`, 0)} }, onlySession(cookieDuplicate)},
		"logout, later login": {func() []string { return []string{session(`"s"`, 0), login(`"u"`, 0), login(`""`, second)} }, result{"s", "u", cookieTestMaxAge, cookieDuplicate}},
		"login, later logout": {func() []string { return []string{session(`"s"`, 0), login(`""`, 0), login(`"u"`, second)} }, onlySession(cookieDuplicate)},
		"two, one unbound":    {func() []string { return []string{session(`"s"`, 0), login(`["v","z"]`, 0), login(`["u","s"]`, 0)} }, result{"s", "u", cookieTestMaxAge, cookieDuplicate | cookieUnbound}},
		"newer session, pair": {func() []string {
			return []string{session(`"z"`, 0), session(`"s"`, 9*second), login(`["u","s"]`, 9*second)}
		}, result{"s", "u", cookieTestMaxAge - 9*second, cookieDuplicate}},
		"two pairs": {func() []string {
			return []string{session(`"z"`, 9*second), session(`"s"`, 0), login(`["v","z"]`, 9*second), login(`["u","s"]`, 0)}
		}, result{"s", "u", cookieTestMaxAge, cookieDuplicate}},
		"two pairs, crossed": {func() []string {
			return []string{session(`"z"`, 0), session(`"s"`, 0), login(`["u","s"]`, 0), login(`["v","z"]`, 9*second)}
		}, result{"s", "u", cookieTestMaxAge, cookieDuplicate}},
		"two pairs of one second": {func() []string {
			return []string{session(`"z"`, 0), login(`["v","z"]`, 0), session(`"s"`, 0), login(`["u","s"]`, 0)}
		}, result{"s", "u", cookieTestMaxAge, cookieDuplicate}},
		"pair, one without session": {func() []string {
			return []string{session(`"s"`, 9*second), login(`["u","s"]`, 9*second), login(`["v","z"]`, 0)}
		}, result{"s", "u", cookieTestMaxAge - 9*second, cookieDuplicate | cookieUnbound}},
		"a session twice, pair": {func() []string {
			return []string{session(`"s"`, 9*second), session(`"s"`, 2*second), session(`"z"`, 0), login(`["u","s"]`, 3*second)}
		}, result{"s", "u", cookieTestMaxAge - 3*second, cookieDuplicate}},
		"sixteen, one valid":   {func() []string { return append(slices.Repeat([]string{"session_id=x"}, 15), session(`"s"`, 0)) }, onlySession(cookieForged)},
		"seventeen, one valid": {func() []string { return append(slices.Repeat([]string{"session_id=x"}, 16), session(`"s"`, 0)) }, nobody(cookieForged | cookieDuplicate)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTestCookies(t, CookieOptions{})
				want := Identity{SessionID: test.want.session, UserID: test.want.user}
				if test.want.expires != 0 {
					want.Expires = time.Now().Add(test.want.expires)
				}
				r := cookietest.Request(test.cookies()...)

				got, err := c.Identify(r)
				_, faults := c.identify(r)

				require.NoError(t, err)
				require.Equal(t, want, got)
				require.Equal(t, test.want.faults.String(), faults.String())
			})
		})
	}
}

func TestCookieWithOtherContentIsInvalid(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	for _, content := range []string{
		``, `s`, `null`, `true`, `1`, `{}`, `{"id":"s"}`, `[]`, `["s"]`, `["s","s","s"]`, `["s",""]`, `["","s"]`,
		`["s",null]`, `[1,"s"]`, `"s`, "\"\xff\"", "[\"\xff\",\"s\"]", "[" + strings.Repeat("[", 1000),
	} {
		t.Run(content, func(t *testing.T) {
			r := cookietest.Request(sessionCookie(cookieTestKey, content, 0), loginCookie(cookieTestKey, content, 0))

			identity, faults := c.identify(r)

			require.Zero(t, identity)
			require.Equal(t, cookieMalformed, faults)
		})
	}
}

// Base64 has several texts for one value, because its last character may have
// unused bits. Ids of several lengths produce each kind of ending.
func TestCookieWithOneBitChangedIsRefused(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	for _, id := range []string{"s", "se", "ses", "sess", "sessi", "sessio"} {
		for _, whole := range []string{sessionCookie(cookieTestKey, `"`+id+`"`, 0), loginCookie(cookieTestKey, `"`+id+`"`, 0)} {
			identity, _ := c.Identify(cookietest.Request(whole))
			require.NotZero(t, identity)

			for i := strings.IndexByte(whole, '=') + 1; i < len(whole); i++ {
				for bit := range 8 {
					changed := []byte(whole)
					changed[i] ^= 1 << bit
					identity, _ := c.Identify(cookietest.Request(string(changed)))
					require.Zero(t, identity, "bit %d of byte %d of %s", bit, i, whole)
				}
			}
		}
	}
}

// base64 would ignore a line break in a cookie, which net/http does not allow.
func TestOneCookieHasOneText(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	text := strings.TrimPrefix(sessionCookie(cookieTestKey, `"s"`, 0), "session_id=")
	_, fault := c.open("session_id", text, c.sessionCodecs)
	require.Zero(t, fault)

	for _, other := range []string{text + "\n", "\r" + text, text[:9] + "\r\n" + text[9:]} {
		_, fault := c.open("session_id", other, c.sessionCodecs)
		require.Equal(t, cookieForged, fault)
	}
}

func TestCookiesOfASitesOwnCodeAreRead(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	json := securecookie.JSONEncoder{}
	session, err := securecookie.New(cookieTestKey.Hash, nil).SetSerializer(json).Encode("session_id", "s-1")
	require.NoError(t, err)
	login, err := securecookie.New(cookieTestKey.Hash, cookieTestKey.Block).SetSerializer(json).Encode("logged_in", "user-42")
	require.NoError(t, err)

	identity, _ := c.Identify(cookietest.Request("session_id="+session, "logged_in="+login))

	require.Equal(t, "s-1", identity.SessionID)
	require.Equal(t, "user-42", identity.UserID)
}

func TestChangedKeys(t *testing.T) {
	before := newTestCookies(t, CookieOptions{Keys: []Key{cookieOldKey}})
	during := newTestCookies(t, CookieOptions{Keys: []Key{cookieTestKey, cookieOldKey}})
	after := newTestCookies(t, CookieOptions{Keys: []Key{cookieTestKey}})
	w := httptest.NewRecorder()
	require.NoError(t, before.SetLogin(w, "user-42"))

	identity, _ := during.Identify(cookietest.NextRequest(w))
	require.Equal(t, "user-42", identity.UserID, "the older key still reads")

	identity, _ = after.Identify(cookietest.NextRequest(w))
	require.Zero(t, identity, "a key that was taken out does not")

	w = httptest.NewRecorder()
	require.NoError(t, during.SetLogin(w, "user-42"))
	identity, _ = after.Identify(cookietest.NextRequest(w))
	require.Equal(t, "user-42", identity.UserID, "the first key writes")
}

func TestKeysAreCopied(t *testing.T) {
	keys := []Key{NewKey()}
	c := newTestCookies(t, CookieOptions{Keys: keys})
	w := httptest.NewRecorder()
	require.NoError(t, c.SetSession(w, "s"))
	require.NoError(t, c.SetLogin(w, "u"))

	clear(keys[0].Hash)
	clear(keys[0].Block)

	identity, _ := c.Identify(cookietest.NextRequest(w))
	require.Equal(t, "s", identity.SessionID)
	require.Equal(t, "u", identity.UserID)
}

func TestManyCookiesCostLittle(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	session := sessionCookie(cookieTestKey, `"s"`, 0)
	cost := func(n int, tiny string) (allocs float64, identity Identity) {
		r := cookietest.Request(strings.Repeat(tiny+"; ", n) + session)
		allocs = siotest.AllocsPerRun(5, func() { identity, _ = c.Identify(r) })
		return allocs, identity
	}

	t.Run("of other names", func(t *testing.T) {
		few, _ := cost(1_000, "a=b")
		many, identity := cost(2_000, "a=b")
		require.Equal(t, "s", identity.SessionID)
		require.LessOrEqual(t, many, few+2)
	})
	t.Run("more than net/http reads", func(t *testing.T) {
		allocs, identity := cost(10_000, "a=b")
		require.Zero(t, identity)
		require.LessOrEqual(t, allocs, 10.0)
	})
	t.Run("of our name", func(t *testing.T) {
		t.Setenv("GODEBUG", "httpcookiemaxnum=0")
		few, _ := cost(5_000, "session_id=b")
		many, identity := cost(10_000, "session_id=b")
		require.Zero(t, identity)
		require.LessOrEqual(t, many, 3*few)
	})
}

func TestCookiesFromManyGoroutines(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id := fmt.Sprint("s-", i)
			for range 50 {
				w := httptest.NewRecorder()
				if c.SetSession(w, id) != nil || c.setLoginBound(w, id, "u") != nil {
					t.Error("refused to write")
				}
				if identity, _ := c.Identify(cookietest.NextRequest(w)); identity.SessionID != id || identity.UserID != "u" {
					t.Errorf("got %+v", identity)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkIdentify(b *testing.B) {
	c := newTestCookies(b, CookieOptions{})
	session, login := sessionCookie(cookieTestKey, `"`+newSessionID()+`"`, 0), loginCookie(cookieTestKey, `"user-42"`, 0)
	for name, r := range map[string]*http.Request{
		"nobody":    cookietest.Request(),
		"session":   cookietest.Request(session),
		"login":     cookietest.Request(session, login),
		"older_key": cookietest.Request(sessionCookie(cookieOldKey, `"s"`, 0), loginCookie(cookieOldKey, `"u"`, 0)),
		"forged":    cookietest.Request(sessionCookie(cookieUnknownKey, `"s"`, 0), loginCookie(cookieUnknownKey, `"u"`, 0)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Identify(r)
			}
		})
	}
}
