// Package page serves the page that the examples in this folder share.
package page

import (
	_ "embed"
	"io"
	"net/http"
)

//go:embed page.html
var page string

// Serve writes the page.
func Serve(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }
