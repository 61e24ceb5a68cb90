// Package presence finds out when a session or user comes online and goes
// offline, the latter some time after its last seat was removed. Package hub
// guards it.
package presence

import (
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/fifo"
)

// Transition is an id that comes online or goes offline.
type Transition struct {
	Namespace string      // empty: the whole server
	Key       command.Key // a Session or User
	Online    bool
}

// Work is what a caller has to do after it has changed presence.
type Work struct {
	// Tell reports that transitions wait and that no caller takes them: see
	// BeginTelling.
	Tell bool
	// Wait asks the caller to call EndGrace after this time; zero: it does not.
	Wait time.Duration
}

// Key is an id in the whole server or, with a namespace, in that.
type Key struct {
	Namespace string
	command.Key
}

// Presence is the state of all keys. Set the fields before anything else. A key
// is present between Enter and Exit, which must alternate.
type Presence struct {
	Now     func() time.Time
	Grace   time.Duration
	Watched map[string]bool // the namespaces whose transitions are wanted, the server among them

	lingering  map[Key]int64 // not present and not offline yet; the value is the latest number in departures
	departures fifo.Queue[departure]
	number     int64
	armed      bool // a caller was asked to call EndGrace
	hurried    bool // there is no grace any more

	transitions fifo.Queue[Transition] // not told yet
	telling     bool                   // since BeginTelling
}

// departure is a key that is not present any more. It is void if the key does
// not linger under this number.
type departure struct {
	key    Key
	number int64
	due    time.Time
}

// Enter notes that a key is present.
func (p *Presence) Enter(k Key) {
	if _, lingers := p.lingering[k]; lingers {
		delete(p.lingering, k) // a page was reloaded
		return
	}
	p.add(k, true)
}

// Exit notes that a key is not present any more.
func (p *Presence) Exit(k Key) {
	if p.hurried || p.Grace == 0 {
		p.add(k, false)
		return
	}
	if p.lingering == nil {
		p.lingering = make(map[Key]int64)
	}
	p.number++
	p.lingering[k] = p.number
	p.departures.Push(departure{k, p.number, p.Now().Add(p.Grace)})
}

// Lingers reports whether a key is not present and not offline yet.
func (p *Presence) Lingers(k Key) bool {
	_, lingers := p.lingering[k]
	return lingers
}

func (p *Presence) add(k Key, online bool) {
	if p.Watched[k.Namespace] {
		p.transitions.Push(Transition{k.Namespace, k.Key, online})
	}
}

// Work returns what the caller has to do after changes.
func (p *Presence) Work() (work Work) {
	work.Tell = p.transitions.Len() > 0 && !p.telling
	if p.departures.Len() > 0 && !p.armed {
		p.armed = true
		work.Wait = max(p.departures.At(0).due.Sub(p.Now()), 1)
	}
	return work
}

// EndGrace is called some time after Work has asked for it.
func (p *Presence) EndGrace() {
	p.armed = false
	p.endGrace()
}

// Hurry ends all grace, now and from now on.
func (p *Presence) Hurry() {
	p.hurried = true
	p.endGrace()
}

func (p *Presence) endGrace() {
	now := p.Now()
	for p.departures.Len() > 0 && (p.hurried || !now.Before(p.departures.At(0).due)) {
		d := p.departures.Pop()
		if p.lingering[d.key] == d.number {
			delete(p.lingering, d.key)
			p.add(d.key, false)
		}
	}
}

// BeginTelling makes its caller the one that tells transitions: it has to take
// them, with Next, until there is none. BeginTelling reports false if there is
// none, or if another caller tells them.
func (p *Presence) BeginTelling() bool {
	if p.transitions.Len() == 0 || p.telling {
		return false
	}
	p.telling = true
	return true
}

// Next returns the oldest transition that was not taken. It reports false if
// there is none, which ends the telling. The transitions of one key alternate.
func (p *Presence) Next() (Transition, bool) {
	if p.transitions.Len() == 0 {
		p.telling = false
		return Transition{}, false
	}
	return p.transitions.Pop(), true
}
