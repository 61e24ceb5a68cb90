// Package tornado verifies signed cookies that were written by Tornado, a
// Python web framework.
package tornado

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"strconv"
	"strings"
)

// Verifier verifies the signature of a cookie and returns the signed parts, or
// false. It is a function because fmt prints functions as addresses: a struct
// with a Verifier can be printed without printing a secret.
type Verifier func(name, text string) (Parts, bool)

// Parts are the signed parts that cookies of both versions have.
type Parts struct {
	Date  string // the time of the signature, in seconds
	Value string // in base64
}

// NewVerifier returns a Verifier. For cookies in version 2 it uses the secrets
// in version2, by key version. For cookies in version 1 it uses the secret
// version1, unless that is empty.
func NewVerifier(version2 map[int]string, version1 string) Verifier {
	// As strings, so that a key version like "01" is unknown.
	secrets := make(map[string][]byte, len(version2))
	for version, secret := range version2 {
		secrets[strconv.Itoa(version)] = []byte(secret)
	}
	secret1 := []byte(version1)
	return func(name, text string) (Parts, bool) {
		if rest, found := strings.CutPrefix(text, "2|"); found {
			return verify2(secrets, name, text, rest)
		}
		return verify1(secret1, name, text)
	}
}

// verify2 verifies "2|1:0|10:1300000000|9:logged_in|12:dXNlci00Mg==|signature",
// where each field follows its length, and all text up to the last "|" is
// signed. The rest is the text after the first "|".
func verify2(secrets map[string][]byte, name, text, rest string) (Parts, bool) {
	var fields [4]string // key version, date, name, value
	for i := range fields {
		var ok bool
		if fields[i], rest, ok = cutField(rest); !ok {
			return Parts{}, false
		}
	}
	secret, known := secrets[fields[0]]
	if !known || !isSigned(sha256.New, secret, rest, strings.TrimSuffix(text, rest)) || fields[2] != name {
		return Parts{}, false
	}
	return Parts{Date: fields[1], Value: fields[3]}, true
}

// cutField removes "length:field|" from the beginning of text.
func cutField(text string) (field, rest string, ok bool) {
	digits, rest, found := strings.Cut(text, ":")
	length, ok := ParseNumber(digits)
	if !found || !ok || length >= int64(len(rest)) || rest[length] != '|' {
		return "", "", false
	}
	return rest[:length], rest[length+1:], true
}

// verify1 verifies "dXNlci00Mg==|1300000000|signature". The signature is that
// of name, value and date, concatenated without separators. An attacker could
// move digits from the date to the value and keep the signature. So the date
// must have exactly ten digits, as all dates from 2001 to 2286 have.
func verify1(secret []byte, name, text string) (Parts, bool) {
	value, rest, _ := strings.Cut(text, "|")
	date, signature, found := strings.Cut(rest, "|")
	if !found || len(secret) == 0 || len(date) != 10 || !isSigned(sha1.New, secret, signature, name, value, date) {
		return Parts{}, false
	}
	return Parts{date, value}, true
}

// isSigned reports in constant time whether the signature, in lower-case
// hexadecimal digits, is the HMAC of the concatenated parts.
func isSigned(algorithm func() hash.Hash, secret []byte, signature string, parts ...string) bool {
	mac := hmac.New(algorithm, secret)
	for _, part := range parts {
		_, _ = io.WriteString(mac, part)
	}
	return hmac.Equal([]byte(signature), hex.AppendEncode(nil, mac.Sum(nil)))
}

// ParseNumber parses a number as Python writes it: only digits, without leading
// zeros.
func ParseNumber(text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err == nil && (text[0] != '0' || text == "0")
}
