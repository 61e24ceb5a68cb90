package interop_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mojosocket/mojo"
)

// visit handles a browser's request for a page of the site, which may log the
// browser in or out. It returns the Cookie header of the browser's next
// request, and its session and user.
//
// From before LogOut until after its return, it sends events "duringLogout" to
// the user. Each event says whether it was sent after the return. When LogOut
// returns, it sends "afterLogout" to the new session.
func (s *site) visit(_ context.Context, in struct {
	Cookie string
	LogIn  string
	LogOut bool
},
) (any, error) {
	server := s.server()
	var err error
	var now mojo.Identity
	page := server.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if in.LogIn != "" {
			err = server.LogIn(w, r, in.LogIn)
		} else if in.LogOut {
			emitDuring(server.LoggedInSessions().Get(server.Identity(r).UserID), func() {
				err = server.LogOut(w, r)
				_ = server.CurrentSessions().Get(server.Identity(r).SessionID).Emit("afterLogout")
			})
		}
		now = server.Identity(r)
	}))
	r := httptest.NewRequest(http.MethodGet, s.url(), nil)
	r.Header.Set("Cookie", in.Cookie)
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return map[string]string{"cookie": nextCookies(r, w), "session": now.SessionID, "user": now.UserID}, err
}

// emitDuring emits events to a user while do runs, and five events after it.
func emitDuring(user mojo.Session, do func()) {
	const after = 5
	var returned atomic.Bool
	begun := make(chan struct{})
	var emits sync.WaitGroup
	emits.Go(func() {
		for n, remaining := 0, after; remaining > 0; n++ {
			late := returned.Load()
			_ = user.Emit("duringLogout", map[string]any{"n": n, "late": late})
			if late {
				remaining--
			}
			if n == 0 {
				close(begun)
			}
		}
	})
	<-begun
	do()
	returned.Store(true)
	emits.Wait()
}

// revoke revokes a session or a user, on all apps or on one.
func (s *site) revoke(ctx context.Context, in struct {
	App, Session, User, Except string
	Code                       int
	Reason                     mojo.Reason
	Reconnect                  bool
},
) (any, error) {
	sessions, users := s.server().CurrentSessions(), s.server().LoggedInSessions()
	if channel, ok := s.server().Channel(in.App); ok {
		sessions, users = channel.CurrentSessions(), channel.LoggedInSessions()
	}
	target := sessions.Get(in.Session)
	if in.User != "" {
		target = users.Get(in.User)
	}
	why := mojo.Revocation{Code: in.Code, Reason: in.Reason, Reconnect: in.Reconnect}
	return nil, target.RevokeExcept(ctx, in.Except, why)
}

// nextCookies returns the Cookie header of a browser's next request, after the
// request r and its answer w.
func nextCookies(r *http.Request, w *httptest.ResponseRecorder) string {
	cookies := make(map[string]string)
	for _, c := range r.Cookies() {
		cookies[c.Name] = c.Value
	}
	for _, c := range w.Result().Cookies() {
		if delete(cookies, c.Name); c.MaxAge >= 0 {
			cookies[c.Name] = c.Value
		}
	}
	var pairs []string
	for name, value := range cookies {
		pairs = append(pairs, name+"="+value)
	}
	return strings.Join(pairs, "; ")
}
