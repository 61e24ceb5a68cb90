package socketio

import "time"

// rate is a bucket of as many packets as may come in a second, which fills up
// in a second. The zero value is full.
type rate struct {
	spent float64
	at    time.Duration // since the server was made
}

// allows takes one packet out, and reports whether there was any.
func (r *rate) allows(perSecond int, now time.Duration) bool {
	r.spent = max(r.spent-(now-r.at).Seconds()*float64(perSecond), 0) + 1
	r.at = now
	return r.spent <= float64(perSecond)
}
