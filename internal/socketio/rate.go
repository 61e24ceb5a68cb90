package socketio

import "time"

// rate is a bucket of as many packets as may come in a second, which fills up
// in a second. The zero value is full.
type rate struct {
	spent float32
	at    uint32 // ms since the server was made, modulo 2^32
}

// allows takes one packet out, and reports whether there was any.
func (r *rate) allows(perSecond int, now time.Duration) bool {
	at := uint32(now.Milliseconds())
	passed := float32(at-r.at) / 1000
	r.spent = max(r.spent-passed*float32(perSecond), 0) + 1
	r.at = at
	return r.spent <= float32(perSecond)
}
