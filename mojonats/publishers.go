package mojonats

import (
	"errors"
	"maps"
	"time"
)

// publishers is what a node knows of the nodes that it gets messages from: which
// connection of theirs is the latest, which number was the last, and the message
// that has arrived in part. It belongs to the goroutine of a link.
type publishers struct {
	byName     map[string]*source
	maxMessage int
	size       int // of the parts of all
}

// source is one publisher.
type source struct {
	epoch, number uint64
	numbered      bool      // number is known
	heard         time.Time // for forget

	beginning header // of the message that has arrived in part; total is 0 if there is none
	part      []byte
}

const (
	// maxSources bounds the publishers that are remembered.
	maxSources = 4096
	// silentFor is how long one is remembered that sends nothing. Nodes send
	// something to all each second.
	silentFor = time.Minute
	// maxParts bounds the bytes of messages that have arrived in part, in
	// messages of the greatest size.
	maxParts = 8
)

var (
	errSources = errors.New("mojonats: too many nodes publish")
	errParts   = errors.New("mojonats: too many messages have arrived in part")
)

func newPublishers(maxMessage int) publishers {
	return publishers{byName: make(map[string]*source), maxMessage: maxMessage}
}

// resume is called when the node is told that messages of any publisher may have
// been lost: what is lost until now needs no other report.
func (p *publishers) resume() {
	for _, s := range p.byName {
		s.numbered = false
	}
}

// receive takes a frame. It returns the body of the message that is whole with
// it, or nil. gap reports that messages of the publisher were lost before.
func (p *publishers) receive(h *header, body []byte) (whole []byte, gap bool, err error) {
	s := p.byName[h.name]
	if s == nil {
		if len(p.byName) >= maxSources && !p.forget() {
			return nil, false, errSources
		}
		s = &source{epoch: h.epoch}
		p.byName[h.name] = s
	}
	s.heard = time.Now()
	if h.epoch < s.epoch {
		return nil, false, nil // it was given up
	}
	expected := s.number
	if h.toAll {
		expected++
	}
	if s.numbered && h.epoch == s.epoch && h.number < expected {
		return nil, false, nil // it has come before
	}
	gap = s.numbered && h.number > expected
	s.epoch, s.number, s.numbered = h.epoch, h.number, true
	continues := h.offset > 0 && len(s.part) == h.offset && s.beginning.isOf(h)
	if s.beginning.total > 0 && !continues {
		gap = true
		p.drop(s)
	}
	switch {
	case h.total == 0:
		return body, gap, nil
	case !continues && h.offset > 0:
		return nil, gap, nil // its beginning was published before this node subscribed, or is lost with a gap
	case p.size+len(body) > maxParts*p.maxMessage:
		for _, other := range p.byName {
			p.drop(other)
		}
		return nil, true, errParts
	}
	if !continues {
		s.beginning = *h
	}
	s.part = append(s.part, body...)
	p.size += len(body)
	if len(s.part) < h.total {
		return nil, gap, nil
	}
	whole = s.part
	p.drop(s)
	return whole, gap, nil
}

// isOf reports whether two frames are of the same message.
func (h *header) isOf(other *header) bool {
	return h.message == other.message && h.epoch == other.epoch && h.kind == other.kind && h.total == other.total
}

// drop drops the message that has arrived in part.
func (p *publishers) drop(s *source) {
	p.size -= len(s.part)
	s.beginning, s.part = header{}, nil
}

// forget forgets publishers that are silent, and reports whether there were any.
func (p *publishers) forget() (forgotten bool) {
	before := len(p.byName)
	maps.DeleteFunc(p.byName, func(_ string, s *source) bool {
		silent := time.Since(s.heard) > silentFor
		if silent {
			p.drop(s)
		}
		return silent
	})
	return len(p.byName) < before
}
