// Package cookietest makes cookies and requests for tests. It imports neither
// mojo nor the cookie library that mojo uses, so a test with it notices when
// the format changes.
package cookietest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
)

// Text returns the text of a cookie with this content, signed with hash at
// date, a Unix time. It is encrypted unless block is nil.
func Text(hash, block []byte, name, content string, date any) string {
	data := []byte(content)
	if block != nil {
		c, err := aes.NewCipher(block)
		if err != nil {
			panic(err)
		}
		iv := make([]byte, c.BlockSize())
		cipher.NewCTR(c, iv).XORKeyStream(data, data)
		data = append(iv, data...)
	}
	dated := fmt.Sprintf("%v|%s", date, base64.URLEncoding.EncodeToString(data))
	mac := hmac.New(sha256.New, hash)
	mac.Write([]byte(name + "|" + dated))
	return base64.URLEncoding.EncodeToString(append([]byte(dated+"|"), mac.Sum(nil)...))
}

// Request returns a GET request with cookies, each name=value.
func Request(cookies ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if len(cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(cookies, "; "))
	}
	return r
}

// NextRequest returns the next request of a browser that got the response w: it
// has the cookies that w sets, and none that w removes.
func NextRequest(w http.ResponseWriter) *http.Request {
	r := Request()
	for _, line := range w.Header()["Set-Cookie"] {
		if cookie, err := http.ParseSetCookie(line); err == nil && cookie.MaxAge > 0 {
			r.AddCookie(cookie)
		}
	}
	return r
}
