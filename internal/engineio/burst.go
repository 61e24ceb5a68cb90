package engineio

import "time"

// A client that sends more than this has to rest before more is read of it, so that
// others have their turn. An event loop does so by itself, see restAfter. This is for
// goroutines that read one client: a WebSocket over TLS, or a POST.
const (
	burstBytes = 64 << 10
	burstTime  = 4 * portionTime      // to handle them
	burstSpan  = 2 * time.Millisecond // after which it counts anew
	burstRest  = time.Millisecond
)

// burst is what a client has sent in a while.
type burst struct {
	begun time.Duration
	bytes int
	spent time.Duration
}

// add notes that bytes have come for a session at a time since when they were handled.
// It rests if they are too many, unless the session is over.
func (b *burst) add(s *Session, bytes int, since time.Duration) {
	e := s.engine
	now := e.now()
	if now-b.begun > burstSpan {
		*b = burst{begun: since}
	}
	b.bytes += bytes
	b.spent += now - since
	if (b.bytes >= burstBytes || b.spent >= burstTime) && s.isOpen() {
		e.rest(burstRest)
		*b = burst{begun: e.now()}
	}
}

func (s *Session) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == open
}

// rest takes so long or longer: clients rest one after another, as if an event loop
// read them, so that what many of them send does not add up.
func (e *Engine) rest(d time.Duration) {
	e.resting <- struct{}{}
	time.Sleep(d)
	<-e.resting
}
