// Package visitor is for the tests of the examples beside it: a browser on
// their site.
package visitor

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/mojosocket/mojo/mojotest"
)

// Visitor is a browser that has seen the page of the site.
type Visitor struct {
	*mojotest.Browser
	t testing.TB
}

// New opens a browser and the page in it.
func New(t testing.TB, site *mojotest.Server) *Visitor {
	t.Helper()
	v := &Visitor{site.NewBrowser(t), t}
	v.Get("/")
	return v
}

// Post sends a form, given as name, value, name, value, and returns the status
// of the page that it leads to.
func (v *Visitor) Post(path string, pairs ...string) int {
	v.t.Helper()
	form := make(url.Values)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return v.Browser.Post(path, form).Status
}

// Header has the cookies that the browser sends now.
func (v *Visitor) Header() http.Header {
	r := http.Request{Header: make(http.Header)}
	for _, cookie := range v.Cookies() {
		r.AddCookie(cookie)
	}
	return r.Header
}

// Notes opens a connection to the app of the examples. It is told who it is:
// user, "" for nobody.
func (v *Visitor) Notes(transport mojotest.Transport, user string) *mojotest.Socket {
	v.t.Helper()
	notes := v.Dial("/NotesSocket", &mojotest.DialOptions{Transport: transport})
	notes.Expect("you", user)
	return notes
}
