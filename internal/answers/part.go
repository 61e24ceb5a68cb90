package answers

import (
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/parser"
)

// Part is the share of one node in a Collection, see Collection.AddPart. Its
// methods are safe for concurrent use, unless they say otherwise.
type Part struct {
	collection *Collection
	partByMu
}

// partByMu is guarded by Collection.mu.
type partByMu struct {
	told   bool // it has said whom it has asked
	lost   bool
	groups []group
}

// group is some who were asked together.
type group struct {
	first    int // the number of the first one in the Part
	describe func(i int) From
	answered []bool
	waiting  int
}

// AddPart adds a part, which is waited for until Part.Told and until all of its
// answers have come. It must be called before Ready.
func (c *Collection) AddPart() *Part {
	p := &Part{collection: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parts = append(c.parts, p)
	c.waiting++
	return p
}

// Ask notes that the next n were asked. They are numbered from 0 over all calls.
// describe returns who has a number in this call. It may be called at any time
// and takes no lock that is held while methods of p are called.
func (p *Part) Ask(n int, describe func(i int) From) {
	c := p.collection
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || p.lost || n == 0 {
		return
	}
	first := 0
	if last := len(p.groups) - 1; last >= 0 {
		first = p.groups[last].first + len(p.groups[last].answered)
	}
	p.groups = append(p.groups, group{first: first, describe: describe, answered: make([]bool, n), waiting: n})
	c.waiting += n
	c.asked += n
}

// Told notes that Ask was called for all.
func (p *Part) Told() {
	c := p.collection
	c.mu.Lock()
	if p.told || p.lost {
		c.mu.Unlock()
		return
	}
	p.told = true
	c.mu.Unlock()
	c.done(1)
}

// Answer adds the answer of the one with a number. Only the first one counts. The
// answer is from whom Ask has described.
func (p *Part) Answer(number int, a Answer) { p.answer(number, a, nil) }

// AnswerAs is Answer for an answer that was given with an identity.
func (p *Part) AnswerAs(number int, a Answer, id command.Identified) { p.answer(number, a, &id) }

func (p *Part) answer(number int, a Answer, id *command.Identified) {
	c := p.collection
	if a.Outcome == Answered && a.Args.Len() == 0 && len(a.Payload.JSON) > 0 {
		var err error
		if a.Args, err = parser.SplitArgs(a.Payload.JSON, a.Payload.Attachments); err != nil {
			a.Outcome = Ambiguous
		}
	}
	c.mu.Lock()
	g := p.findLocked(number)
	if g == nil || c.ended || p.lost || g.answered[number-g.first] {
		c.mu.Unlock()
		return
	}
	g.answered[number-g.first] = true
	g.waiting--
	a.From = g.describe(number - g.first)
	if id != nil {
		a.Identity = *id
	}
	if c.bytes+a.cost() > MaxUnread {
		a = Answer{From: a.From, Outcome: TooLarge}
	}
	c.unread.Push(a)
	c.bytes += a.cost()
	c.wakeLocked()
	c.mu.Unlock()
	c.done(1)
}

func (p *Part) findLocked(number int) *group {
	for i := range p.groups {
		if g := &p.groups[i]; number >= g.first && number-g.first < len(g.answered) {
			return g
		}
	}
	return nil
}

// Open reports whether answers of p are waited for.
func (p *Part) Open() bool {
	p.collection.mu.Lock()
	defer p.collection.mu.Unlock()
	return !p.lost && (!p.told || p.waitingLocked() > 0)
}

func (p *Part) waitingLocked() (n int) {
	for i := range p.groups {
		n += p.groups[i].waiting
	}
	return n
}

// Lose notes that no more answers come from p: those who are outstanding are
// missing.
func (p *Part) Lose() {
	c := p.collection
	c.mu.Lock()
	n := p.waitingLocked()
	if !p.told {
		n++
	}
	if c.ended || p.lost || n == 0 {
		c.mu.Unlock()
		return
	}
	p.lost, c.lost = true, true
	c.mu.Unlock()
	c.done(n)
}

func (p *Part) missing(out []Answer) []Answer {
	c := p.collection
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range p.groups {
		g := &p.groups[i]
		for j, answered := range g.answered {
			if answered {
				continue
			}
			a := Answer{From: g.describe(j)}
			if p.lost {
				a.Outcome = Lost
			}
			out = append(out, a)
		}
	}
	return out
}
