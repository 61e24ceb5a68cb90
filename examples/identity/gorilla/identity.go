package main

import (
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"github.com/mojosocket/mojo"
)

// The name of the cookie, and the keys of the session's values.
const (
	sessionName = "site"
	idKey       = "id"
	userKey     = "user"
	expiresKey  = "until"
)

// identify returns the function that tells mojo the session and the user of a
// request. The sessions of a CookieStore have no id. So this site stores an id
// of its own in each session, with the time at which it expires. The id changes
// at each login and logout.
//
// Get returns an error for a cookie that was modified, has expired, or was
// written with an old key. Such a request has no identity, like a request
// without a cookie. With an error mojo would refuse the browser until it
// deletes the cookie.
func identify(store sessions.Store) func(*http.Request) (mojo.Identity, error) {
	return func(r *http.Request) (mojo.Identity, error) {
		session, err := store.Get(r, sessionName)
		if err != nil {
			return mojo.Identity{}, nil
		}
		id, _ := session.Values[idKey].(string)
		user, _ := session.Values[userKey].(string)
		seconds, _ := session.Values[expiresKey].(int64)
		expires := time.Unix(seconds, 0)
		if !expires.After(time.Now()) {
			return mojo.Identity{}, nil
		}
		return mojo.Identity{SessionID: id, UserID: user, Expires: expires}, nil
	}
}
