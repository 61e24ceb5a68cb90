package mojoredis

import (
	"sync/atomic"

	"github.com/mojosocket/mojo/internal/warn"
)

// incident is a kind of what goes wrong.
type incident uint8

const (
	disconnected incident = iota
	malformed
	tooLarge
	unanswered
	incidentKinds
)

var incidentTexts = [incidentKinds]string{
	disconnected: "mojoredis: no connection to Redis; will try again",
	malformed:    "mojoredis: dropped a malformed message",
	tooLarge:     "mojoredis: did not publish a message that is too large",
	unanswered:   "mojoredis: did not answer another server",
}

// incidents counts what goes wrong, and logs each kind from time to time.
type incidents struct {
	log    *warn.Log
	counts [incidentKinds]atomic.Uint64
}

// report counts an incident, and logs it unless one of its kind was logged just
// now. The args are those of slog.Logger.Warn.
func (i *incidents) report(kind incident, args ...any) {
	i.counts[kind].Add(1)
	i.log.Warn(incidentTexts[kind], incidentTexts[kind], args...)
}

func (i *incidents) count(kind incident) uint64 { return i.counts[kind].Load() }
