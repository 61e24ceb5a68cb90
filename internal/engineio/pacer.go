package engineio

import "time"

// A client may send paceBytes in each pacePause, where each frame counts as
// frameCost additional bytes. It may be ahead of that by paceAhead, so that one
// large message causes no pause. If a client is further ahead, its reader
// pauses, so that other goroutines can run.
//
// Event loops limit clients in another way, see pauseAfter. The pacer is for
// goroutines that read from one client: a WebSocket over TLS, or a POST. It
// does not measure the time of handling, which is long for every client on a
// busy machine.
const (
	paceBytes = 64 << 10
	pacePause = time.Millisecond
	paceAhead = 4 * pacePause
	frameCost = 2 << 10
)

// pacer is the time, on the engine's clock, at which a client would have been
// allowed to send the bytes that it has sent.
type pacer time.Duration

// add counts bytes that were read for a session. It pauses if they are too
// many, unless the session has ended.
func (p *pacer) add(s *Session, bytes int) {
	e := s.engine
	now := e.now()
	*p = max(*p, pacer(now)) + pacer(time.Duration(bytes)*pacePause/paceBytes)
	if time.Duration(*p)-now >= paceAhead && s.isOpen() {
		e.pause(pacePause)
	}
}

// pause sleeps for d, or longer: only as many readers pause at a time as there
// are event loops, and the others wait for them. So many clients together are
// not served more often than a few.
func (e *Engine) pause(d time.Duration) {
	e.pauseSlots <- struct{}{}
	time.Sleep(d)
	<-e.pauseSlots
}
