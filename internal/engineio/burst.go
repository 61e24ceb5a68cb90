package engineio

import "time"

// A client may send so many bytes in each burstRest, where a frame counts as frameCost
// more. It may be ahead of that by burstAhead, so that one large message does not wait,
// and has to rest then, so that others have their turn. An event loop does this by
// itself, see restAfter. This is for goroutines that read one client: a WebSocket over
// TLS, or a POST. It does not go by the time that all this takes, which is long for
// everybody on a machine that is busy.
const (
	burstBytes = 64 << 10
	burstRest  = time.Millisecond
	burstAhead = 4 * burstRest
	frameCost  = 2 << 10
)

// burst is until when a client would have been allowed to send what it has, on the
// engine's clock.
type burst time.Duration

// add notes that bytes have come for a session, and rests if they are too many, unless
// the session is over.
func (b *burst) add(s *Session, bytes int) {
	e := s.engine
	now := e.now()
	*b = max(*b, burst(now)) + burst(time.Duration(bytes)*burstRest/burstBytes)
	if time.Duration(*b)-now >= burstAhead && s.isOpen() {
		e.rest(burstRest)
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
