// Package gzipped says whether an HTTP client accepts an answer in gzip.
package gzipped

import (
	"net/http"
	"strconv"
	"strings"
)

// Accepted reports whether the header Accept-Encoding of a request names gzip
// with a weight above 0 (RFC 9110, section 12.5.3). "*" does not count: the
// clients that send it are not browsers.
func Accepted(h http.Header) bool {
	for _, line := range h["Accept-Encoding"] {
		for part := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				return weight(params) > 0
			}
		}
	}
	return false
}

// weight returns the weight in the parameters of a coding: 1 if there is none,
// 0 if it is not a number.
func weight(params string) float64 {
	name, value, _ := strings.Cut(strings.TrimSpace(params), "=")
	if !strings.EqualFold(name, "q") {
		return 1
	}
	w, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0
	}
	return w
}
