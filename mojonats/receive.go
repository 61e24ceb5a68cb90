package mojonats

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/mojosocket/mojo/cluster"
)

// deliver calls the node for all that arrives. It returns when the connection is
// lost or the link is closed.
func (s *session) deliver() error {
	defer context.AfterFunc(s.closed, s.dialer.abort)()
	var following sync.WaitGroup
	following.Go(s.followChanges)
	defer following.Wait()
	defer s.dialer.abort()
	s.publishers.resume()
	for {
		for _, m := range s.inbox.take() {
			select {
			case <-s.ended:
				return s.cause()
			default:
			}
			if s.closed.Err() != nil {
				return errClosed
			}
			if m == nil {
				s.publishers.resume()
				s.lose("a queue was full")
				continue
			}
			s.inbox.release(m)
			s.message(m)
		}
		select {
		case <-s.inbox.wake:
		case <-s.ended:
			return s.cause()
		}
	}
}

// followChanges subscribes to rooms as they become occupied.
func (s *session) followChanges() {
	for {
		select {
		case <-s.wake:
			if err := s.follow(); err != nil {
				s.dialer.abort()
			}
		case <-s.ended:
			return
		}
	}
}

// lose tells the node that messages were lost.
func (l *link) lose(why string, args ...any) {
	l.log.report(lost, append([]any{"node", l.name, "reason", why}, args...)...)
	l.node.Link(cluster.LinkResumed)
}

// message handles a frame.
func (l *link) message(m *nats.Msg) {
	h, body, err := decodeFrame(m.Data, l.options.MaxMessage)
	if err == nil && h.name == l.name {
		if h.kind != kindControl || h.toAll {
			return // it is for the others
		}
	}
	if err == nil {
		var gap bool
		body, gap, err = l.publishers.receive(&h, body)
		if gap {
			l.lose("there is a gap in what a node sends", "from", h.name)
		}
	}
	if err == nil && body != nil {
		err = l.apply(h.kind, body)
	}
	if err != nil {
		l.log.report(malformed, "subject", shorten(m.Subject), "error", err)
	}
}

// apply passes a message of another node to this one.
func (l *link) apply(kind byte, body []byte) error {
	switch kind {
	case kindEvent:
		e, err := decodeEvent(body, l.occupied)
		if e != nil {
			l.node.Event(e)
		}
		return err
	case kindCommand:
		c, err := decodeCommand(body)
		if c != nil {
			l.node.Command(c)
		}
		return err
	case kindControl:
		l.node.Control(body)
	}
	return nil
}

// occupied reports whether this node has connections that an event may be for.
func (l *link) occupied(a *cluster.Address) bool {
	for _, room := range a.Rooms {
		if l.node.Occupied(a.Namespace, room) {
			return true
		}
	}
	return len(a.Rooms) == 0 && l.node.Occupied(a.Namespace, "")
}

// shorten cuts a subject for the log.
func shorten(subject string) string {
	const most = 100
	if len(subject) > most {
		return subject[:most] + "..."
	}
	return subject
}
