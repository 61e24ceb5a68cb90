package main

import (
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"github.com/mojosocket/mojo"
)

// What the site keeps in a session.
const (
	sessionName = "site" // of the cookie
	idKey       = "id"
	userKey     = "user"
	untilKey    = "until"
)

// identify tells mojo who made a request. A CookieStore gives its sessions no
// id, so this site puts one of its own into each, a new one whenever somebody
// logs in or out, and the time until which that holds.
//
// A cookie that was changed, has expired or was written with a key that is gone
// is an error of Get. It is nobody's, like none at all: an error here would
// keep that browser out until it drops the cookie.
func identify(store sessions.Store) func(*http.Request) (mojo.Identity, error) {
	return func(r *http.Request) (mojo.Identity, error) {
		session, err := store.Get(r, sessionName)
		if err != nil {
			return mojo.Identity{}, nil
		}
		id, _ := session.Values[idKey].(string)
		user, _ := session.Values[userKey].(string)
		seconds, _ := session.Values[untilKey].(int64)
		until := time.Unix(seconds, 0)
		if !until.After(time.Now()) {
			return mojo.Identity{}, nil
		}
		return mojo.Identity{SessionID: id, UserID: user, Expires: until}, nil
	}
}
