package main

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"github.com/alexedwards/scs/v2"

	"github.com/mojosocket/mojo"
)

// identify returns the function that tells mojo the session and the user of a
// request. It reads the cookie itself. LoadAndSave would load the session at
// the beginning of a long poll or WebSocket. At its end, perhaps after a
// logout, it could write the old data back.
//
// A request with an unknown session has no identity. If the store fails,
// identify returns the error. Then mojo refuses the request, and the client
// tries again.
func identify(sessions *scs.SessionManager) func(*http.Request) (mojo.Identity, error) {
	return func(r *http.Request) (mojo.Identity, error) {
		cookie, err := r.Cookie(sessions.Cookie.Name)
		if err != nil {
			return mojo.Identity{}, nil
		}
		ctx, err := sessions.Load(r.Context(), cookie.Value)
		if err != nil {
			return mojo.Identity{}, err
		}
		token := sessions.Token(ctx)
		if token == "" {
			return mojo.Identity{}, nil
		}
		return mojo.Identity{
			SessionID: sessionID(token),
			UserID:    sessions.GetString(ctx, userKey),
			Expires:   sessions.Deadline(ctx),
		}, nil
	}
}

// sessionID returns the session id for mojo, which is a hash of the token. With
// the token itself everybody who reads it in a log could use the session.
func sessionID(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
