package socketio

import "time"

// rate is a bucket of as many packets as may come in a second, which fills up in a
// second. The zero value is full.
type rate struct {
	spent float64
	at    time.Time
}

// allows takes one packet out, and reports whether there was any.
func (r *rate) allows(perSecond int) bool {
	if perSecond == 0 {
		return true
	}
	now := time.Now()
	r.spent = max(r.spent-now.Sub(r.at).Seconds()*float64(perSecond), 0) + 1
	r.at = now
	return r.spent <= float64(perSecond)
}
