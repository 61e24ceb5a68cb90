package socketio

import "time"

// rate is a token bucket. It holds the packets of one second and is refilled in
// one second. The zero value is full.
type rate struct {
	spent float32
	at    uint32 // of the last packet: ms since the server was created, modulo 2^32
}

// allows takes one token, and reports whether there was one.
func (r *rate) allows(perSecond int, now time.Duration) bool {
	at := uint32(now.Milliseconds())
	passed := float32(at-r.at) / 1000
	r.spent = max(r.spent-passed*float32(perSecond), 0) + 1
	r.at = at
	return r.spent <= float32(perSecond)
}
