// Package visitor is for the tests of the examples in this folder. A Visitor is
// a browser on their site.
package visitor

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/mojosocket/mojo/mojotest"
)

// Visitor is a browser that has loaded the page of the site.
type Visitor struct {
	*mojotest.Browser
	t testing.TB
}

// New returns a browser that has loaded the page.
func New(t testing.TB, site *mojotest.Server) *Visitor {
	t.Helper()
	v := &Visitor{site.NewBrowser(t), t}
	v.Get("/")
	return v
}

// Post sends a form. The pairs are alternating names and values. It returns the
// status of the response after redirects.
func (v *Visitor) Post(path string, pairs ...string) int {
	v.t.Helper()
	form := make(url.Values)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return v.Browser.Post(path, form).Status
}

// Header returns a header with the current cookies of the browser.
func (v *Visitor) Header() http.Header {
	r := http.Request{Header: make(http.Header)}
	for _, cookie := range v.Cookies() {
		r.AddCookie(cookie)
	}
	return r.Header
}

// Notes opens a connection to the app Notes. It requires that the connection
// has the user, "" for none.
func (v *Visitor) Notes(transport mojotest.Transport, user string) *mojotest.Socket {
	v.t.Helper()
	notes := v.Dial("/NotesSocket", &mojotest.DialOptions{Transport: transport})
	notes.Expect("you", user)
	return notes
}
