package mojonats

import (
	"log/slog"
	"sync"
	"time"
)

// incident is a kind of what goes wrong.
type incident uint8

const (
	disconnected incident = iota
	malformed
	tooLarge
	lost
	incidentKinds
)

var incidentTexts = [incidentKinds]string{
	disconnected: "mojonats: no connection to NATS; will try again",
	malformed:    "mojonats: dropped a malformed message",
	tooLarge:     "mojonats: did not publish a message that is too large",
	lost:         "mojonats: messages to this node were lost",
}

// logInterval is how often an incident of a kind is logged at most.
const logInterval = time.Minute

// incidents counts what goes wrong, and logs each kind from time to time.
type incidents struct {
	logger *slog.Logger

	mu     sync.Mutex
	counts [incidentKinds]uint64
	logged [incidentKinds]struct {
		count uint64
		at    time.Time
	}
}

// report counts an incident, and logs it unless one of its kind was logged just
// now. The args are those of slog.Logger.Warn.
func (i *incidents) report(kind incident, args ...any) {
	i.mu.Lock()
	i.counts[kind]++
	last, now := &i.logged[kind], time.Now()
	if last.count > 0 && now.Sub(last.at) < logInterval {
		i.mu.Unlock()
		return
	}
	args = append(args, "count", i.counts[kind]-last.count)
	last.count, last.at = i.counts[kind], now
	i.mu.Unlock()
	i.logger.Warn(incidentTexts[kind], args...)
}

func (i *incidents) count(kind incident) uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.counts[kind]
}
