package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/mojosocket/mojo"
)

// serveControl serves the requests that scenarios send to the test: POST /verb
// with a JSON object. It has its own address, because some scenarios stop the
// site.
func serveControl(t *testing.T, s *site) string {
	t.Helper()
	mux := http.NewServeMux()
	handleVerb(mux, "conn", s.describe)
	handleVerb(mux, "tab", s.findTab)
	handleVerb(mux, "reason", s.waitForReason)
	handleVerb(mux, "handshakes", s.countHandshakes)
	handleVerb(mux, "emit", s.emit)
	handleVerb(mux, "call", s.call)
	handleVerb(mux, "disconnect", s.disconnect)
	handleVerb(mux, "broadcast", s.broadcast)
	handleVerb(mux, "notify", s.notify)
	handleVerb(mux, "count", s.count)
	handleVerb(mux, "stop", func(context.Context, struct{}) (any, error) { s.stop(); return nil, nil })
	handleVerb(mux, "start", func(_ context.Context, in serverOptions) (any, error) { return nil, s.start(in) })
	handleVerb(mux, "shutdown", func(ctx context.Context, _ struct{}) (any, error) { return nil, s.server().Shutdown(ctx) })
	handleVerb(mux, "visit", s.visit)
	handleVerb(mux, "revoke", s.revoke)
	handleVerb(mux, "reached", s.pauses.waitFor)
	handleVerb(mux, "continue", s.pauses.resume)
	control := httptest.NewServer(mux)
	t.Cleanup(control.Close)
	return control.URL
}

// handleVerb mounts a function at the path of its name. The answer is {"value":
// ...} or {"error": ...}.
func handleVerb[In, Out any](mux *http.ServeMux, name string, fn func(context.Context, In) (Out, error)) {
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

// connRequest is a request about a connection.
type connRequest struct {
	ID     string
	Event  string
	Args   []any
	Within int // milliseconds
}

func (s *site) connection(id string) (*mojo.Conn, error) {
	r := s.record(id)
	if r == nil {
		return nil, fmt.Errorf("no app has accepted %q", id)
	}
	if c, ok := r.conn.Channel().Conn(id); !ok || c != r.conn {
		return nil, fmt.Errorf("%q is not connected", id)
	}
	return r.conn, nil
}

func (s *site) describe(_ context.Context, in connRequest) (any, error) {
	c, err := s.connection(in.ID)
	if err != nil {
		return nil, err
	}
	h := c.Handshake()
	auth := authOf(c)
	delete(auth, "tab")
	return map[string]any{
		"id": c.ID(), "namespace": c.Channel().Namespace(), "transport": c.Transport(), "rooms": c.Rooms(),
		"auth": auth, "query": h.Query(), "header": h.Header(), "session": c.SessionID(), "user": c.UserID(),
	}, nil
}

// findTab waits for the latest live connection of a tab, see trial.mjs, and
// returns its id. A tab that sends two CONNECTs has none for a moment.
func (s *site) findTab(ctx context.Context, in tab) (string, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		s.mu.Lock()
		ids := slices.Clone(s.tabs[in])
		s.mu.Unlock()
		for _, id := range slices.Backward(ids) {
			if _, err := s.connection(id); err == nil {
				return id, nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", fmt.Errorf("no app has a connection of %+v", in)
		}
	}
}

func (s *site) waitForReason(ctx context.Context, in connRequest) (mojo.Reason, error) {
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

func (s *site) emit(_ context.Context, in connRequest) (any, error) {
	c, err := s.connection(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, c.Emit(in.Event, in.Args...)
}

// call returns the arguments of the client's ack, or the text of an error.
func (s *site) call(ctx context.Context, in connRequest) (any, error) {
	c, err := s.connection(in.ID)
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

func (s *site) disconnect(_ context.Context, in connRequest) (any, error) {
	c, err := s.connection(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, c.Disconnect()
}

// broadcast emits to a Broadcast of an app.
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
		c, err := s.connection(id)
		if err != nil {
			return nil, err
		}
		b = b.Without(c)
	}
	return nil, b.Emit(in.Event, in.Args...)
}

// notify emits to a session or a user, on all apps.
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

// count returns the numbers of connections of a session and of a user, on all
// apps.
func (s *site) count(_ context.Context, in struct{ Session, User string }) (map[string]int, error) {
	return map[string]int{
		"session": s.server().CurrentSessions().Get(in.Session).Len(),
		"user":    s.server().LoggedInSessions().Get(in.User).Len(),
	}, nil
}
