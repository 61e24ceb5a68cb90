package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mojosocket/mojo"
)

// serveControl serves the requests of scenarios to the server: POST /verb with
// a JSON object. It has an address of its own, because some scenarios stop the
// site.
func serveControl(t *testing.T, s *site) string {
	t.Helper()
	mux := http.NewServeMux()
	verb(mux, "conn", s.describe)
	verb(mux, "reason", s.waitForReason)
	verb(mux, "handshakes", s.countHandshakes)
	verb(mux, "emit", s.emit)
	verb(mux, "call", s.call)
	verb(mux, "disconnect", s.disconnect)
	verb(mux, "broadcast", s.broadcast)
	verb(mux, "notify", s.notify)
	verb(mux, "count", s.count)
	verb(mux, "stop", func(context.Context, struct{}) (any, error) { s.stop(); return nil, nil })
	verb(mux, "start", func(_ context.Context, in tuning) (any, error) { return nil, s.start(in) })
	verb(mux, "shutdown", func(ctx context.Context, _ struct{}) (any, error) { return nil, s.server().Shutdown(ctx) })
	verb(mux, "visit", s.visit)
	verb(mux, "revoke", s.revoke)
	verb(mux, "reached", s.doors.waitFor)
	verb(mux, "open", s.doors.open)
	control := httptest.NewServer(mux)
	t.Cleanup(control.Close)
	return control.URL
}

// verb mounts a function under its name. It answers {"value": ...} or {"error": ...}.
func verb[In, Out any](mux *http.ServeMux, name string, fn func(context.Context, In) (Out, error)) {
	mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		var in In
		answer := make(map[string]any)
		err := json.NewDecoder(r.Body).Decode(&in)
		if err == nil {
			answer["value"], err = fn(ctx, in)
		}
		if err != nil {
			answer["error"] = err.Error()
		}
		json.NewEncoder(w).Encode(answer)
	})
}

// target is a connection and an event for it.
type target struct {
	ID     string
	Event  string
	Args   []any
	Within int // milliseconds
}

func (s *site) live(id string) (*mojo.Conn, error) {
	r := s.record(id)
	if r == nil {
		return nil, fmt.Errorf("no app has accepted %q", id)
	}
	if c, ok := r.conn.Channel().Conn(id); !ok || c != r.conn {
		return nil, fmt.Errorf("%q is not live", id)
	}
	return r.conn, nil
}

func (s *site) describe(_ context.Context, in target) (any, error) {
	c, err := s.live(in.ID)
	if err != nil {
		return nil, err
	}
	h := c.Handshake()
	return map[string]any{
		"id": c.ID(), "namespace": c.Channel().Namespace(), "transport": c.Transport(), "rooms": c.Rooms(),
		"auth": h.Auth, "query": h.Query(), "header": h.Header(), "session": c.SessionID(), "user": c.UserID(),
	}, nil
}

func (s *site) waitForReason(ctx context.Context, in target) (mojo.Reason, error) {
	r := s.record(in.ID)
	if r == nil {
		return "", fmt.Errorf("no app has accepted %q", in.ID)
	}
	select {
	case <-r.ended:
		return r.reason, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%q has not ended", in.ID)
	}
}

func (s *site) countHandshakes(context.Context, struct{}) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handshakes, nil
}

func (s *site) emit(_ context.Context, in target) (any, error) {
	c, err := s.live(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, c.Emit(in.Event, in.Args...)
}

// call returns the arguments of the client's answer, or a name of the error.
func (s *site) call(ctx context.Context, in target) (any, error) {
	c, err := s.live(in.ID)
	if err != nil {
		return nil, err
	}
	if in.Within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(in.Within)*time.Millisecond)
		defer cancel()
	}
	m, err := c.EmitWithAck(ctx, in.Event, in.Args...)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline exceeded", nil
	case errors.Is(err, mojo.ErrNotConnected):
		return "not connected", nil
	case err != nil:
		return nil, err
	}
	return arguments(m)
}

func (s *site) disconnect(_ context.Context, in target) (any, error) {
	c, err := s.live(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, c.Disconnect()
}

// broadcast emits to a Broadcast of the app.
func (s *site) broadcast(_ context.Context, in struct {
	App                 string
	To, Except, Without []string
	Event               string
	Args                []any
},
) (any, error) {
	channel, ok := s.server().Channel(in.App)
	if !ok {
		return nil, fmt.Errorf("no app %q", in.App)
	}
	b := channel.Except(in.Except...)
	if in.To != nil {
		b = b.To(in.To...)
	}
	for _, id := range in.Without {
		c, err := s.live(id)
		if err != nil {
			return nil, err
		}
		b = b.Without(c)
	}
	return nil, b.Emit(in.Event, in.Args...)
}

// notify emits to a session or a user, over all apps.
func (s *site) notify(_ context.Context, in struct {
	Session, User string
	Event         string
	Args          []any
},
) (any, error) {
	if in.User != "" {
		return nil, s.server().LoggedInSessions().Get(in.User).Emit(in.Event, in.Args...)
	}
	return nil, s.server().CurrentSessions().Get(in.Session).Emit(in.Event, in.Args...)
}

// count returns how many connections a session and a user have, over all apps.
func (s *site) count(_ context.Context, in struct{ Session, User string }) (map[string]int, error) {
	return map[string]int{
		"session": s.server().CurrentSessions().Get(in.Session).Len(),
		"user":    s.server().LoggedInSessions().Get(in.User).Len(),
	}, nil
}
