package mojo

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzTornado opens any text: as it came, and signed, so that the fuzzer also gets past the signature.
// Whatever is accepted must be, byte for byte, what Tornado writes for that id and date.
func FuzzTornado(f *testing.F) {
	const maxAge = math.MaxInt32 * time.Second // so that inputs found once stay meaningful
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
				tornado2Signed(tornadoOld, text),
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
					tornado2(tornadoOld, 12, written, name, value),
					tornado1(tornadoSecret, name, written, value),
				}, text)
				require.Empty(t, opened.sessionID)
				require.True(t, opened.expires.After(time.Now()))
			}
		}
	})
}
