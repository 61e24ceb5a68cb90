// Package page is the one page that the examples beside it show.
package page

import (
	_ "embed"
	"io"
	"net/http"
)

//go:embed page.html
var page string

// Serve answers with the page.
func Serve(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }
