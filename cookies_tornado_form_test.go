package mojo

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e/cookietest"
)

// A text that Tornado cannot have written is refused, even with a valid
// signature.
func TestTornadoCookieOfAnotherFormIsRefused(t *testing.T) {
	signed := func(text string) string { return tornado2Signed(tornadoSecret, text) }
	fields := func(fields ...any) string { return tornado2(tornadoSecret, fields...) }
	const good, end = "2|1:0|10:1300000000|10:session_id|4:cw==|", "10:session_id|4:cw==|"
	signature := strings.TrimPrefix(signed(good), good)

	for name, test := range map[string]struct {
		text string
		want cookieFaults
	}{
		"only the version":      {"2|", cookieForged},
		"one field":             {"2|1:0|", cookieForged},
		"negative length":       {"2|-1:0|10:1|", cookieForged},
		"length beyond the end": {"2|1:0|10:1300000000|99999999999:x|", cookieForged},
		"length up to the end":  {"2|1:0|10:1300000000|1:x", cookieForged},
		"version 999":           {"999|x", cookieForged},
		"no version":            {"1000|x|y", cookieForged},
		"version alone":         {"2", cookieForged},
		"separator alone":       {"|", cookieForged},
		"separators":            {"||", cookieForged},
		"many separators":       {"||||||||", cookieForged},
		"endless length":        {signed("2|" + strings.Repeat("9", 4000) + ":0|"), cookieForged},
		"length of 2^64":        {signed("2|18446744073709551616:0|10:1300000000|" + end), cookieForged},

		"signature missing":       {good, cookieForged},
		"signature cut":           {good + signature[:63], cookieForged},
		"signature longer":        {good + signature + "0", cookieForged},
		"signature in upper case": {good + strings.ToUpper(signature), cookieForged},
		"signature twice":         {good + signature + "|" + signature, cookieForged},
		"space behind":            {good + signature + " x", cookieForged},

		"length with a sign":    {signed("2|+1:0|10:1300000000|" + end), cookieForged},
		"length with a zero":    {signed("2|01:0|10:1300000000|" + end), cookieForged},
		"length with a space":   {signed("2| 1:0|10:1300000000|" + end), cookieForged},
		"length with a _":       {signed("2|1:0|1_0:1300000000|" + end), cookieForged},
		"length in hexadecimal": {signed("2|1:0|0xa:1300000000|" + end), cookieForged},
		"no length":             {signed("2|:0|10:1300000000|" + end), cookieForged},
		"length too small":      {signed("2|1:0|9:1300000000|" + end), cookieForged},
		"length too big":        {signed("2|1:0|11:1300000000|" + end), cookieForged},
		"wrong separator":       {signed("2|1:0+10:1300000000|" + end), cookieForged},
		"field missing":         {signed("2|1:0|10:1300000000|10:session_id|"), cookieForged},
		"field too many":        {signed("2|1:0|10:1300000000|" + end + "1:x|"), cookieForged},
		"version 3":             {signed("3|1:0|10:1300000000|" + end), cookieForged},
		"version 02":            {signed("02|1:0|10:1300000000|" + end), cookieForged},
		"key version +7":        {fields("+7", tornadoClock, "session_id", "cw=="), cookieForged},
		"key version 07":        {fields("07", tornadoClock, "session_id", "cw=="), cookieForged},
		"key version -0":        {fields("-0", tornadoClock, "session_id", "cw=="), cookieForged},
		"no key version":        {fields("", tornadoClock, "session_id", "cw=="), cookieForged},
		"unknown, no secret":    {tornado2("", 1, tornadoClock, "session_id", "cw=="), cookieForged},
		"no name":               {fields(0, tornadoClock, "", "cw=="), cookieForged},

		"no date":             {fields(0, "", "session_id", "cw=="), cookieMalformed},
		"date with a sign":    {fields(0, "+1300000000", "session_id", "cw=="), cookieMalformed},
		"date with a zero":    {fields(0, "01300000000", "session_id", "cw=="), cookieMalformed},
		"date with a point":   {fields(0, "1300000000.5", "session_id", "cw=="), cookieMalformed},
		"date with a space":   {fields(0, " 1300000000", "session_id", "cw=="), cookieMalformed},
		"value is no base64":  {fields(0, tornadoClock, "session_id", "c"), cookieMalformed},
		"value not padded":    {fields(0, tornadoClock, "session_id", "cw"), cookieMalformed},
		"value, wrong ending": {fields(0, tornadoClock, "session_id", "cx=="), cookieMalformed},
		"value, broken line":  {fields(0, tornadoClock, "session_id", "cw\n=="), cookieMalformed},
		"value, URL alphabet": {fields(0, tornadoClock, "session_id", "--__"), cookieMalformed},

		"version 1, one part":         {"cw==|", cookieForged},
		"version 1, two parts":        {"cw==|1300000000", cookieForged},
		"version 1, four parts":       {tornado1(tornadoSecret, "session_id", tornadoClock, "cw==") + "|", cookieForged},
		"version 1, upper case":       {strings.ToUpper(tornado1(tornadoSecret, "session_id", tornadoClock, "cw==")), cookieForged},
		"version 1, no date":          {tornado1(tornadoSecret, "session_id", "", "cw=="), cookieForged},
		"version 1, date with a zero": {tornado1(tornadoSecret, "session_id", "0300000000", "cw=="), cookieMalformed},
		"version 1, date with a sign": {tornado1(tornadoSecret, "session_id", "+300000000", "cw=="), cookieMalformed},
		"version 1, no base64":        {tornado1(tornadoSecret, "session_id", tornadoClock, "s"), cookieMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			atTornadoClock(t, func(t *testing.T) {
				c := newTornadoCookies(t, allTornado())

				_, fault := c.open("session_id", test.text, c.sessionCodecs)

				require.Equal(t, test.want.String(), fault.String())
			})
		})
	}
}

func TestTornadoCookiesAreReadOnlyWhereAsked(t *testing.T) {
	version1 := "session_id=" + tornadoSession1
	version2 := "session_id=" + tornadoSession2
	unsigned1 := "session_id=" + tornado1("", "session_id", tornadoClock, "cw==")
	unsigned2 := "session_id=" + tornado2("", 0, tornadoClock, "session_id", "cw==")
	for name, test := range map[string]struct {
		opts   *TornadoCookies
		cookie string
		want   bool
	}{
		"neither, version 1":       {nil, version1, false},
		"neither, version 2":       {nil, version2, false},
		"Secrets, version 1":       {&TornadoCookies{Secrets: map[int]string{0: tornadoSecret}}, version1, false},
		"Secrets, version 2":       {&TornadoCookies{Secrets: map[int]string{0: tornadoSecret}}, version2, true},
		"Secrets of other version": {&TornadoCookies{Secrets: map[int]string{1: tornadoSecret}}, version2, false},
		"Secrets, no secret":       {&TornadoCookies{Secrets: map[int]string{0: tornadoSecret}}, unsigned1, false},
		"Version1Secret, none":     {&TornadoCookies{Version1Secret: tornadoSecret}, unsigned2, false},
		"Version1Secret, 1":        {&TornadoCookies{Version1Secret: tornadoSecret}, version1, true},
		"Version1Secret, 2":        {&TornadoCookies{Version1Secret: tornadoSecret}, version2, false},
	} {
		t.Run(name, func(t *testing.T) {
			atTornadoClock(t, func(t *testing.T) {
				c := newTestCookies(t, CookieOptions{Tornado: test.opts})

				identity, faults := c.identify(cookietest.Request(test.cookie))

				require.Equal(t, test.want, identity.SessionID != "")
				require.Equal(t, test.want, faults == 0)
			})
		})
	}
}

// In version 1 digits can move between the value and the date, and the
// signature stays the same. Such a text is refused.
func TestTornadoVersion1DigitsDoNotMove(t *testing.T) {
	c, err := NewCookies(CookieOptions{
		Keys: []Key{cookieTestKey}, MaxAge: 1<<31*time.Second - time.Second, Tornado: &TornadoCookies{Version1Secret: tornadoSecret},
	})
	require.NoError(t, err)
	const value, date = "dXNl", "1510111111" // dXNl1510 is valid base64, too, and 111111 is a valid date
	signed := tornado1(tornadoSecret, "session_id", date, value)
	signature := signed[strings.LastIndexByte(signed, '|'):]

	for i := range len(value+date) + 1 {
		_, fault := c.open("session_id", (value + date)[:i]+"|"+(value + date)[i:]+signature, nil)
		require.Equal(t, i != len(value), fault != 0, i)
	}
}

func TestTornadoCookieWithOneBitChangedIsRefused(t *testing.T) {
	c := newTornadoCookies(t, allTornado())
	now := time.Now().Unix()
	for i := range 100 {
		id := strings.Repeat("session-", 5)[:i%40+1] // the lengths produce each kind of base64 ending
		name := []string{"session_id", "logged_in"}[i%2]
		for _, text := range []string{
			tornado2(tornadoSecret, []int{0, 7}[i/2%2], now-int64(i), name, base64Text(id)),
			tornado1(tornadoSecret, name, now-int64(i), base64Text(id)),
		} {
			identity, _ := c.Identify(cookietest.Request(name + "=" + text))
			require.Equal(t, id, identity.SessionID+identity.UserID)

			changed := []byte(name + "=" + text)
			for at := len(name) + 1; at < len(changed); at++ {
				for bit := range 8 {
					changed[at] ^= 1 << bit
					identity, _ := c.Identify(cookietest.Request(string(changed)))
					if identity != (Identity{}) {
						t.Fatalf("bit %d of byte %d of %s: %+v", bit, at, text, identity)
					}
					changed[at] ^= 1 << bit
				}
			}
		}
	}
}

func TestTornadoCookieCostsLittle(t *testing.T) {
	c := newTornadoCookies(t, allTornado())
	for name, text := range map[string]string{
		"huge length":   "2|1:0|10:1300000000|99999999999:x|",
		"digits":        "2|" + strings.Repeat("9", maxCookieBytes-2),
		"separators":    strings.Repeat("|", maxCookieBytes),
		"empty fields":  "2|" + strings.Repeat("0:|", 1364),
		"no length":     "2|" + strings.Repeat("x", maxCookieBytes-2),
		"longest field": "2|1:0|10:1300000000|10:session_id|4000:" + strings.Repeat("A", 4000) + "|",
	} {
		t.Run(name, func(t *testing.T) {
			require.LessOrEqual(t, len(text), maxCookieBytes)
			r := cookietest.Request("session_id=" + text)

			const runs = 100
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range runs {
				_, _ = c.Identify(r)
			}
			runtime.ReadMemStats(&after)

			require.Less(t, (after.TotalAlloc-before.TotalAlloc)/runs, uint64(4*maxCookieBytes))
		})
	}
}

func TestNewCookiesRefusesTornado(t *testing.T) {
	for name, test := range map[string]struct {
		opts CookieOptions
		want string
	}{
		"no secret":          {CookieOptions{Tornado: &TornadoCookies{}}, "mojo: CookieOptions.Tornado has no secret; want Secrets, Version1Secret or both"},
		"negative version":   {CookieOptions{Tornado: &TornadoCookies{Secrets: map[int]string{1: "", -1: tornadoSecret}}}, "mojo: CookieOptions.Tornado.Secrets has the key version -1; want 0 or more"},
		"empty secret":       {CookieOptions{Tornado: &TornadoCookies{Secrets: map[int]string{0: tornadoSecret, 3: ""}}}, "mojo: CookieOptions.Tornado.Secrets[3] has 0 bytes; want at least 16"},
		"short secret":       {CookieOptions{Tornado: &TornadoCookies{Secrets: map[int]string{0: "fifteen-letters"}}}, "mojo: CookieOptions.Tornado.Secrets[0] has 15 bytes; want at least 16"},
		"short, version 1":   {CookieOptions{Tornado: &TornadoCookies{Version1Secret: "short"}}, "mojo: CookieOptions.Tornado.Version1Secret has 5 bytes; want none or at least 16"},
		"names, version 1":   {CookieOptions{SessionName: "user", LoginName: "username", Tornado: &TornadoCookies{Version1Secret: tornadoSecret}}, `mojo: CookieOptions.SessionName is "user" and LoginName is "username"; with Tornado.Version1Secret neither may begin with the other`},
		"names, other order": {CookieOptions{SessionName: "users", LoginName: "user", Tornado: &TornadoCookies{Version1Secret: tornadoSecret}}, `mojo: CookieOptions.SessionName is "users" and LoginName is "user"; with Tornado.Version1Secret neither may begin with the other`},
		"no key":             {CookieOptions{Keys: []Key{}, Tornado: &TornadoCookies{Secrets: map[int]string{0: tornadoSecret}}}, "mojo: CookieOptions.Keys is empty; want at least one key, see NewKey"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.opts.Keys == nil {
				test.opts.Keys = []Key{cookieTestKey}
			}

			c, err := NewCookies(test.opts)

			require.EqualError(t, err, test.want)
			require.Nil(t, c)
		})
	}
}

func TestTornadoOptionsAreCopied(t *testing.T) {
	opts := allTornado()
	atTornadoClock(t, func(t *testing.T) {
		c := newTestCookies(t, CookieOptions{Tornado: &opts})

		clear(opts.Secrets)
		opts.Version1Secret = ""

		for _, text := range []string{tornadoLogin1, tornadoLogin2} {
			identity, _ := c.Identify(cookietest.Request("logged_in=" + text))
			require.Equal(t, "user-42", identity.UserID)
		}
	})
}

func TestTornadoSecretsAreNotPrinted(t *testing.T) {
	secrets := TornadoCookies{Secrets: map[int]string{5: tornadoSecret}, Version1Secret: tornadoOldSecret}
	opts := CookieOptions{Keys: []Key{cookieTestKey}, Tornado: &secrets}
	c := newTestCookies(t, opts)
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t"} {
		for _, value := range []any{secrets, &secrets, opts, &opts, *c, c, struct{ c *Cookies }{c}} {
			fmt.Fprintf(&printed, verb+"\n", value)
		}
	}
	slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "tornado", secrets, "pointer", &secrets, "opts", opts, "cookies", c)
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "tornado", secrets, "pointer", &secrets, "cookies", c)

	for _, leak := range []string{tornadoSecret, tornadoOldSecret, "test-secret", fmt.Sprintf("%x", "secret"), fmt.Sprintf("%X", "secret"), fmt.Sprintf("% x", "secret")} {
		require.NotContains(t, printed.String(), leak)
	}
	require.Contains(t, printed.String(), "mojo.TornadoCookies(redacted)")
	require.NotPanics(t, func() { _ = fmt.Sprintf("%v", CookieOptions{}) })
}
