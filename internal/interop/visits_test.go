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

// visit is a browser's request for a page of the site, which may log in or out on the way. It returns the
// Cookie header of the browser's next request, and who the page took it for.
//
// Before a logout has begun and until after it has returned, "storm" events are sent to the user that leaves;
// each says whether it was sent after the return. The session of then gets "calm" at the return.
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
			storm(server.LoggedInSessions().Get(server.Identity(r).UserID), func() {
				err = server.LogOut(w, r)
				_ = server.CurrentSessions().Get(server.Identity(r).SessionID).Emit("calm")
			})
		}
		now = server.Identity(r)
	}))
	r := httptest.NewRequest(http.MethodGet, s.url(), nil)
	r.Header.Set("Cookie", in.Cookie)
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return map[string]string{"cookie": jar(r, w), "session": now.SessionID, "user": now.UserID}, err
}

// storm emits to a user while do runs, and for a while after it.
func storm(user mojo.Session, do func()) {
	const more = 5
	var over atomic.Bool
	begun := make(chan struct{})
	var emits sync.WaitGroup
	emits.Go(func() {
		for n, left := 0, more; left > 0; n++ {
			late := over.Load()
			_ = user.Emit("storm", map[string]any{"n": n, "late": late})
			if late {
				left--
			}
			if n == 0 {
				close(begun)
			}
		}
	})
	<-begun
	do()
	over.Store(true)
	emits.Wait()
}

// revoke closes a session or a user, over all apps or on one.
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
	whom := sessions.Get(in.Session)
	if in.User != "" {
		whom = users.Get(in.User)
	}
	why := mojo.Revocation{Code: in.Code, Reason: in.Reason, Reconnect: in.Reconnect}
	return nil, whom.RevokeExcept(ctx, in.Except, why)
}

// jar returns the Cookie header of a browser's next request, after a request
// and its answer.
func jar(r *http.Request, w *httptest.ResponseRecorder) string {
	kept := make(map[string]string)
	for _, c := range r.Cookies() {
		kept[c.Name] = c.Value
	}
	for _, c := range w.Result().Cookies() {
		if delete(kept, c.Name); c.MaxAge >= 0 {
			kept[c.Name] = c.Value
		}
	}
	var pairs []string
	for name, value := range kept {
		pairs = append(pairs, name+"="+value)
	}
	return strings.Join(pairs, "; ")
}
