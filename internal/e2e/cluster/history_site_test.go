package cluster

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/mojosocket/mojo"
)

// slowEvent is an event that a historyApp delays before it is queued.
const slowEvent = "slow"

// historyApp answers "echo", accepts some connections late, and delays events
// that its node emits between the selection of their receivers and the queue.
type historyApp struct{}

func (historyApp) OnConnect(c *mojo.Conn) error {
	if c.Handshake().Query().Has("slow") {
		time.Sleep(40 * time.Millisecond)
	}
	return nil
}

func (historyApp) OnMessage(c *mojo.Conn, m *mojo.Message) {
	var stamp int
	if m.Decode(&stamp) == nil {
		_ = c.Emit("echo", stamp) // the client may have gone
	}
}

func (historyApp) OnDisconnect(*mojo.Conn, mojo.Reason) {}

func (historyApp) OnEmit(_ *mojo.Conn, event string, args []any) {
	if event != slowEvent {
		return
	}
	if _, own := args[0].(int); own { // from another node it is a float64
		time.Sleep(15 * time.Millisecond)
	}
}

// sessionStore has the sessions of a site that has no Cookies.
type sessionStore struct {
	mu    sync.Mutex
	users map[string]string
}

func (s *sessionStore) identify(r *http.Request) (mojo.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := r.Header.Get("X-Session")
	user, known := s.users[session]
	if !known {
		return mojo.Identity{}, errors.New("no such session")
	}
	return mojo.Identity{SessionID: session, UserID: user}, nil
}

func (s *sessionStore) set(session, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[session] = user
}

// revoke ends a session or, if that is empty, the logins of a user.
func (s *sessionStore) revoke(session, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, session)
	for other, name := range s.users {
		if session == "" && name == user {
			s.users[other] = ""
		}
	}
}
