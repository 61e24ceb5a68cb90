package engineio

import "time"

// A client may send paceBytes in each paceRest, where a frame counts as
// frameCost bytes more. It may be ahead of that by paceAhead, so that one large
// message does not have to rest. A client that is further ahead rests, so that
// other goroutines have their turn.
//
// Event loops have their own way to do this, see restAfter. The pacer is for
// goroutines that read one client: a WebSocket over TLS, or a POST. It does not
// measure the time that handling takes, which is long for every client on a
// busy machine.
const (
	paceBytes = 64 << 10
	paceRest  = time.Millisecond
	paceAhead = 4 * paceRest
	frameCost = 2 << 10
)

// pacer is the time, on the engine's clock, at which a client would have been
// allowed to send the bytes that it has sent.
type pacer time.Duration

// add counts bytes that were read for a session. It rests if they are too many,
// unless the session has ended.
func (p *pacer) add(s *Session, bytes int) {
	e := s.engine
	now := e.now()
	*p = max(*p, pacer(now)) + pacer(time.Duration(bytes)*paceRest/paceBytes)
	if time.Duration(*p)-now >= paceAhead && s.isOpen() {
		e.rest(paceRest)
	}
}

// rest sleeps for d, or longer: as many clients rest at a time as there are
// event loops, and the others wait for them. So the bytes of many clients do
// not add up.
func (e *Engine) rest(d time.Duration) {
	e.resting <- struct{}{}
	time.Sleep(d)
	<-e.resting
}
