// Package visitor is for the tests of the examples beside it: a browser on their site.
package visitor

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// Visitor has cookies of its own.
type Visitor struct {
	t      testing.TB
	site   *siotest.Site
	client *http.Client
	tabs   []*siotest.Client
}

// New opens a browser and the page in it.
func New(t testing.TB, site *siotest.Site) *Visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := *site.Client()
	client.Jar = jar
	res, err := client.Get(site.URL)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return &Visitor{t: t, site: site, client: &client}
}

// Post sends a form, given as name, value, name, value, and returns the status of the page that it leads to.
func (v *Visitor) Post(path string, pairs ...string) int {
	v.t.Helper()
	form := make(url.Values)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	res, err := v.client.PostForm(v.site.URL+path, form)
	require.NoError(v.t, err)
	require.NoError(v.t, res.Body.Close())
	for _, tab := range v.tabs {
		tab.Engine.SetHeader(v.Header())
	}
	return res.StatusCode
}

// Header has the cookies that the browser sends now.
func (v *Visitor) Header() http.Header {
	v.t.Helper()
	site, err := url.Parse(v.site.URL)
	require.NoError(v.t, err)
	r := http.Request{Header: make(http.Header)}
	for _, cookie := range v.client.Jar.Cookies(site) {
		r.AddCookie(cookie)
	}
	return r.Header
}

// Notes opens a connection to the app of the examples, with the cookies of now. It is told who it is: user, ""
// for nobody.
func (v *Visitor) Notes(transport, user string) *siotest.Socket {
	v.t.Helper()
	client := siotest.Dial(v.t, v.site, siotest.Options{Transport: transport, Header: v.Header(), Page: v.Header})
	v.tabs = append(v.tabs, client)
	notes := client.Connect("/NotesSocket", nil)
	notes.Expect("you", user)
	return notes
}
