package mojonats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mojosocket/mojo/cluster"
)

// entry is a message that is encoded.
type entry struct {
	kind    byte
	subject string
	toAll   bool
	toSelf  bool
	body    []byte
}

const (
	// minPayload is the least max_payload of a server.
	minPayload = 4 << 10
	// maxPayload is the greatest length of a frame.
	maxPayload = 1 << 20
	// markAfter is the most time from a message that is not to all to something
	// that is: nodes find out by its number that messages were lost.
	markAfter = 25 * time.Millisecond
)

// publisher is what a link publishes with.
type publisher struct {
	turn chan struct{} // has an element while a call has its turn

	// These belong to that call.

	number    uint64 // of the latest frame to all
	confirmed uint64 // the number of the latest frame to all that a server has confirmed
	pieces    uint64 // how many messages were sent in pieces
	unmarked  bool   // something was published that is not to all, and nothing to all after it
	marked    time.Time
	frame     []byte // is used again

	marking sync.Mutex
	timer   *time.Timer // publishes a mark; nil: none
	stopped bool
}

// Publish publishes messages. It implements cluster.Link.
func (l *link) Publish(ctx context.Context, messages []cluster.Message) error {
	entries := make([]entry, 0, len(messages)+1)
	var refused error
	for i := range messages {
		e, err := l.entry(&messages[i])
		if err != nil {
			refused = errors.Join(refused, fmt.Errorf("mojonats: publish: message %d of %d: %w", i+1, len(messages), err))
			continue
		}
		entries = append(entries, e)
	}
	if err := l.publish(ctx, entries); err != nil {
		return errors.Join(refused, fmt.Errorf("mojonats: publish: %w", err))
	}
	return refused
}

// entry encodes a message.
func (l *link) entry(message *cluster.Message) (e entry, err error) {
	kinds := 0
	for _, set := range []bool{message.Event != nil, message.Command != nil, message.Control != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		return e, fmt.Errorf("has %d of Event, Command and Control, must have 1", kinds)
	}
	if message.To != "" && message.Control == nil {
		return e, errors.New("has To, which is for Control only")
	}
	switch {
	case message.Event != nil:
		e = entry{kind: kindEvent, subject: l.subjects.event(&message.Event.Address), body: appendEvent(nil, message.Event)}
	case message.Command != nil:
		e = entry{kind: kindCommand, toAll: true, body: appendCommand(nil, message.Command)}
	case message.To != "":
		if err := checkName(message.To); err != nil {
			return e, err
		}
		e = entry{kind: kindControl, subject: l.subjects.node(message.To), toSelf: message.To == l.name, body: message.Control}
	default:
		e = entry{kind: kindControl, toAll: true, body: message.Control}
	}
	if e.toAll {
		e.subject = l.subjects.all()
	}
	if len(e.body) > l.options.MaxMessage {
		err = fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(e.body), l.options.MaxMessage)
		l.log.report(tooLarge, "subject", shorten(e.subject), "error", err)
	}
	return e, err
}

// publish returns when the server has accepted all entries. After an error some
// of the entries may not have been published, and will not be later: the
// connection is ended, and the next one has a greater epoch.
func (l *link) publish(ctx context.Context, entries []entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed.Done():
		return errClosed
	}
	s := l.current()
	if s == nil {
		return l.whyDown()
	}
	defer context.AfterFunc(ctx, s.dialer.abort)()
	err := s.follow()
	if err == nil {
		err = s.send(entries)
	}
	if err == nil && l.unmarked && time.Since(l.marked) >= markAfter {
		err = s.sendMark()
	}
	if err == nil {
		err = s.flush(ctx)
	}
	if err != nil {
		s.dialer.abort()
		return err
	}
	l.confirmed = l.number
	if l.unmarked {
		l.markLater()
	}
	return nil
}

// begin sends the first mark of a session. The numbers go on after those that are
// confirmed: receivers that miss one of these find out.
func (s *session) begin(ctx context.Context) error {
	s.turn <- struct{}{} // a call of an earlier session ends soon
	defer func() { <-s.turn }()
	s.number = s.confirmed
	if err := s.sendMark(); err != nil {
		return err
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	s.confirmed = s.number
	return nil
}

func (l *link) whyDown() error {
	if l.closed.Err() != nil {
		return errClosed
	}
	return errDown
}

// send sends entries, the large ones in several frames. The caller must have its
// turn, or be the first of the session.
func (s *session) send(entries []entry) error {
	most := int(min(s.nc.MaxPayload(), maxPayload)) - maxHeader
	for i := range entries {
		e := &entries[i]
		h := header{kind: e.kind, toAll: e.toAll, name: s.name, epoch: s.epoch}
		rest := e.body
		if len(rest) > most {
			s.pieces++
			h.total, h.message = len(rest), s.pieces
		}
		for first := true; first || len(rest) > 0; first = false {
			if e.toAll {
				s.number++
			}
			h.number = s.number
			n := min(len(rest), most)
			s.frame = append(h.append(s.frame[:0]), rest[:n]...)
			if err := s.nc.Publish(e.subject, s.frame); err != nil {
				return err
			}
			rest = rest[n:]
			h.offset += n
		}
		switch {
		case e.toAll:
			s.unmarked, s.marked = false, time.Now()
		case !e.toSelf:
			s.unmarked = true
		}
	}
	return nil
}

// sendMark sends a mark to all.
func (s *session) sendMark() error {
	return s.send([]entry{{kind: kindMark, subject: s.subjects.all(), toAll: true}})
}

// markLater lets a mark follow soon.
func (l *link) markLater() {
	l.marking.Lock()
	defer l.marking.Unlock()
	if l.timer == nil && !l.stopped {
		l.timer = time.AfterFunc(markAfter, l.mark)
	}
}

// mark sends a mark, unless there is no connection.
func (l *link) mark() {
	l.marking.Lock()
	l.timer = nil
	stopped := l.stopped
	l.marking.Unlock()
	if stopped {
		return
	}
	select {
	case l.turn <- struct{}{}:
	default:
		return // who has the turn sees to it
	}
	defer func() { <-l.turn }()
	if s := l.current(); s != nil && l.unmarked {
		if s.sendMark() != nil {
			s.dialer.abort()
		}
	}
}

// stopMarks ends the timer.
func (l *link) stopMarks() {
	l.marking.Lock()
	defer l.marking.Unlock()
	l.stopped = true
	if l.timer != nil {
		l.timer.Stop()
	}
}
