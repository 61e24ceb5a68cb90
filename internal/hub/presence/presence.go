// Package presence finds out when a session or user comes online and goes
// offline. An id goes offline a grace period after its last seat was removed.
// The caller must hold a lock.
package presence

import (
	"iter"
	"maps"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/fifo"
)

// Transition is the event that an id comes online or goes offline.
type Transition struct {
	Namespace string      // empty: the whole server
	Key       command.Key // a Session or User
	Online    bool
}

// Work is what the caller must do after a change of presence.
type Work struct {
	// Notify reports that there are transitions and that no caller takes them,
	// see BeginNotifying.
	Notify bool
	// EndGraceAfter is the time after which the caller must call EndGrace;
	// zero: it need not.
	EndGraceAfter time.Duration
	// Changes reports that the index has changed, and that no caller takes the
	// changes, see hub.Config.TrackEntries.
	Changes bool
}

// Key is an id in a namespace or, if that is empty, in the whole server.
type Key struct {
	Namespace string
	command.Key
}

// Presence is the state of all keys. The exported fields must be set before the
// first call. A key is present between Enter and Exit, which must alternate.
type Presence struct {
	Now     func() time.Time
	Grace   time.Duration
	Watched map[string]bool // the namespaces with transitions; "": the whole server

	inGrace        map[Key]int64 // keys in their grace period, with the number of their latest departure
	departures     fifo.Queue[departure]
	lastNumber     int64
	timerRequested bool // a caller will call EndGrace
	graceEnded     bool // there are no grace periods any more

	transitions fifo.Queue[Transition] // that no caller has taken
	notifying   bool                   // a caller takes transitions
}

// departure is the beginning of a grace period. It is obsolete if inGrace has
// another number for the key, or none.
type departure struct {
	key    Key
	number int64
	due    time.Time
}

// Enter records that a key is present.
func (p *Presence) Enter(k Key) {
	if _, ok := p.inGrace[k]; ok {
		delete(p.inGrace, k) // it was offline for a short time, for instance during a reload
		return
	}
	p.add(k, true)
}

// Exit records that a key is not present any more.
func (p *Presence) Exit(k Key) {
	if p.graceEnded || p.Grace == 0 {
		p.add(k, false)
		return
	}
	if p.inGrace == nil {
		p.inGrace = make(map[Key]int64)
	}
	p.lastNumber++
	p.inGrace[k] = p.lastNumber
	p.departures.Push(departure{k, p.lastNumber, p.Now().Add(p.Grace)})
}

// IsInGrace reports whether a key is in its grace period: not present, and not
// offline yet.
func (p *Presence) IsInGrace(k Key) bool {
	_, ok := p.inGrace[k]
	return ok
}

// InGrace iterates over the keys in their grace period.
func (p *Presence) InGrace() iter.Seq[Key] { return maps.Keys(p.inGrace) }

func (p *Presence) add(k Key, online bool) {
	if p.Watched[k.Namespace] {
		p.transitions.Push(Transition{k.Namespace, k.Key, online})
	}
}

// Work returns what the caller must do after changes.
func (p *Presence) Work() (work Work) {
	work.Notify = p.transitions.Len() > 0 && !p.notifying
	if p.departures.Len() > 0 && !p.timerRequested {
		p.timerRequested = true
		work.EndGraceAfter = max(p.departures.At(0).due.Sub(p.Now()), 1)
	}
	return work
}

// EndGrace ends the grace periods that are over. See Work.EndGraceAfter.
func (p *Presence) EndGrace() {
	p.timerRequested = false
	p.takeOffline()
}

// EndAllGrace ends all grace periods, and there are none from now on.
func (p *Presence) EndAllGrace() {
	p.graceEnded = true
	p.takeOffline()
}

func (p *Presence) takeOffline() {
	now := p.Now()
	for p.departures.Len() > 0 && (p.graceEnded || !now.Before(p.departures.At(0).due)) {
		d := p.departures.Pop()
		if p.inGrace[d.key] == d.number {
			delete(p.inGrace, d.key)
			p.add(d.key, false)
		}
	}
}

// BeginNotifying reports whether the caller must notify applications of
// transitions. If so, the caller takes transitions with Next until there is
// none left. It returns false if there is none, or if another caller notifies.
func (p *Presence) BeginNotifying() bool {
	if p.transitions.Len() == 0 || p.notifying {
		return false
	}
	p.notifying = true
	return true
}

// Next takes the oldest transition. If there is none, it returns false, and the
// caller has finished what BeginNotifying began. The transitions of one key
// alternate.
func (p *Presence) Next() (Transition, bool) {
	if p.transitions.Len() == 0 {
		p.notifying = false
		return Transition{}, false
	}
	return p.transitions.Pop(), true
}
