// Package tornado verifies the signed cookies of Python sites on Tornado.
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

// Verifier verifies the signature of a cookie and returns the parts that were
// signed, or false. It is a function because functions print as addresses, so
// that nothing that holds one prints a secret.
type Verifier func(name, text string) (Parts, bool)

// Parts are the parts of a cookie that are the same in both versions.
type Parts struct {
	Date  string // when it was signed, in seconds
	Value string // in base64
}

// NewVerifier returns a Verifier for cookies in version 2 with these secrets by
// key version, and in version 1 with that secret, if it is not empty.
func NewVerifier(version2 map[int]string, version1 string) Verifier {
	// The text of a key version has one spelling in this map.
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
// where each length stands before its field, and everything up to the last "|"
// is signed. The rest is the text behind the first "|".
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

// cutField takes "length:field|" off the front of text.
func cutField(text string) (field, rest string, ok bool) {
	digits, rest, found := strings.Cut(text, ":")
	length, ok := ParseNumber(digits)
	if !found || !ok || length >= int64(len(rest)) || rest[length] != '|' {
		return "", "", false
	}
	return rest[:length], rest[length+1:], true
}

// verify1 verifies "dXNlci00Mg==|1300000000|signature", where the signature is
// of name, value and date put together. Digits could move from one to its
// neighbour under the same signature, so the date must have the ten digits that
// it has from 2001 until 2286.
func verify1(secret []byte, name, text string) (Parts, bool) {
	value, rest, _ := strings.Cut(text, "|")
	date, signature, found := strings.Cut(rest, "|")
	if !found || len(secret) == 0 || len(date) != 10 || !isSigned(sha1.New, secret, signature, name, value, date) {
		return Parts{}, false
	}
	return Parts{date, value}, true
}

// isSigned reports in constant time whether the signature, in lower case, is
// the one of parts.
func isSigned(algorithm func() hash.Hash, secret []byte, signature string, parts ...string) bool {
	mac := hmac.New(algorithm, secret)
	for _, part := range parts {
		_, _ = io.WriteString(mac, part)
	}
	return hmac.Equal([]byte(signature), hex.AppendEncode(nil, mac.Sum(nil)))
}

// ParseNumber reads a number as Python writes it: digits alone, with no 0 in
// front.
func ParseNumber(text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err == nil && (text[0] != '0' || text == "0")
}
