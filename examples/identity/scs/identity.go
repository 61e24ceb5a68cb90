package main

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"github.com/alexedwards/scs/v2"

	"github.com/mojosocket/mojo"
)

// identify tells mojo who made a request. It reads the cookie by itself: below
// LoadAndSave a long poll or a WebSocket would load the session when it begins
// and could write it back when it ends, after a logout.
//
// A session that the store does not know is nobody's. A store that does not
// answer is an error, which refuses the request; the client tries again.
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

// sessionID is mojo's name for a session: the same as long as the token is. The
// token itself would give the session to anybody who reads it in a log.
func sessionID(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
