package mojoredis

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo/cluster"
)

var errStarved = errors.New("mojoredis: the connection works, but messages to this node do not arrive: " +
	"the connections that publish and that are subscribed may lead to different servers")

// The time before a connection is made again grows from the first to the last.
const (
	firstDelay = 50 * time.Millisecond
	lastDelay  = time.Second
)

// receive subscribes and delivers what arrives, again and again until the link
// is closed.
func (l *link) receive() {
	state, delay := cluster.LinkUp, firstDelay
	for {
		s, err := l.subscribe()
		isUp := err == nil
		if isUp {
			l.node.Link(state)
			state, delay = cluster.LinkResumed, firstDelay
			err = s.deliver()
			s.end()
			l.loseQuestions(err)
		}
		if l.closed.Err() != nil {
			return
		}
		l.log.report(disconnected, "error", err)
		if isUp {
			l.node.Link(cluster.LinkDown)
		}
		timer := time.NewTimer(delay/2 + rand.N(delay/2))
		select {
		case <-timer.C:
		case <-l.closed.Done():
			timer.Stop()
			return
		}
		delay = min(2*delay, lastDelay)
	}
}

// subscription is the connection of a link that is subscribed.
type subscription struct {
	*link
	conn   *connection
	pubsub *redis.PubSub
	stop   func() bool // ends that Close aborts the connection
}

// subscribe makes a connection and returns when all that is published from now
// on arrives there.
func (l *link) subscribe() (*subscription, error) {
	ctx, cancel := context.WithTimeout(l.closed, l.options.Timeout)
	defer cancel()
	conn, err := l.connect(ctx, l.channels.control(l.name))
	if err != nil {
		return nil, err
	}
	s := &subscription{link: l, conn: conn, pubsub: conn.Subscribe(ctx)}
	s.stop = context.AfterFunc(l.closed, conn.abort)
	if err := s.confirm(ctx); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// end ends the connection.
func (s *subscription) end() {
	s.mu.Lock()
	if s.subscribed == s.pubsub {
		s.subscribed = nil
	}
	s.mu.Unlock()
	s.stop()
	_ = s.pubsub.Close()
	s.conn.abort()
}

// confirm subscribes, and waits until Redis has confirmed all subscriptions and
// a message of the node to itself has arrived. What arrives meanwhile is
// dropped: the node is not connected yet.
func (s *subscription) confirm(ctx context.Context) error {
	pending, err := s.send(ctx)
	if err != nil {
		return err
	}
	for len(pending) > 0 {
		received, err := s.next(ctx)
		if err != nil {
			return err
		}
		if confirmed, ok := received.(*redis.Subscription); ok {
			delete(pending, confirmed.Channel)
			s.confirmed(confirmed.Channel)
		}
	}
	if err := s.publishProbe(ctx); err != nil {
		return err
	}
	for number := s.probed.Load(); s.delivered.Load() < number; {
		received, err := s.next(ctx)
		if err != nil {
			return err
		}
		if message, ok := received.(*redis.Message); ok && message.Channel == s.channels.probe(s.name) {
			s.probeArrived(message.Payload)
		}
	}
	return nil
}

// send subscribes, and returns the channels and patterns.
func (s *subscription) send(ctx context.Context) (map[string]bool, error) {
	patterns := []string{s.channels.events, s.channels.requests}
	if err := s.pubsub.PSubscribe(ctx, patterns...); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{s.channels.control(""), s.channels.control(s.name), s.channels.probe(s.name)}
	for _, namespace := range s.namespaces {
		names = append(names, s.channels.request(namespace), s.channels.served(namespace))
	}
	for namespace := range s.questions.heard {
		names = append(names, s.channels.response(namespace))
	}
	if err := s.pubsub.Subscribe(ctx, names...); err != nil {
		return nil, err
	}
	s.subscribed = s.pubsub
	pending := make(map[string]bool)
	for _, name := range append(names, patterns...) {
		pending[name] = true
	}
	return pending, nil
}

// next receives something before the deadline of ctx.
func (s *subscription) next(ctx context.Context) (any, error) {
	deadline, _ := ctx.Deadline()
	return s.pubsub.ReceiveTimeout(ctx, max(time.Until(deadline), time.Millisecond))
}

// deliver calls the node for all that arrives. It returns when the connection
// has ended or must end.
func (s *subscription) deliver() error {
	for {
		received, err := s.pubsub.ReceiveTimeout(s.closed, 2*s.options.Ping)
		switch {
		case s.closed.Err() != nil:
			return errClosed
		case err != nil:
			return err
		}
		switch received := received.(type) {
		case *redis.Message:
			s.message(received)
		case *redis.Subscription:
			s.confirmed(received.Channel)
		case *redis.Pong:
			number, _ := strconv.ParseUint(received.Payload, 10, 64)
			if s.delivered.Load() < number {
				return errStarved
			}
		}
	}
}

func (l *link) probeArrived(payload string) {
	if number, err := strconv.ParseUint(payload, 10, 64); err == nil && number > l.delivered.Load() {
		l.delivered.Store(min(number, l.probed.Load()+1))
	}
}

// message handles a message. A request arrives twice: for the pattern, which
// serves commands in any namespace, and for a namespace that is mounted, which
// serves questions.
func (l *link) message(m *redis.Message) {
	var err error
	switch {
	case m.Pattern == l.channels.events:
		err = l.event(m)
	case m.Pattern == l.channels.requests:
		err = l.command(m)
	case m.Channel == l.channels.probe(l.name):
		l.probeArrived(m.Payload)
	case m.Channel == l.channels.control("") || m.Channel == l.channels.control(l.name):
		err = l.control(m)
	case strings.HasPrefix(m.Channel, l.channels.key+"-response#"):
		err = l.response(m)
	default:
		err = l.question(m)
	}
	if err != nil {
		l.log.report(malformed, "channel", m.Channel, "error", err)
	}
}

// event delivers an event, unless no connection here is one of its targets.
func (l *link) event(m *redis.Message) error {
	targets := l.channels.eventTargets(m.Channel)
	if !l.mayBeOccupied(targets) {
		return nil
	}
	b, err := decodeBroadcast(m.Payload)
	if err != nil || b.uid == l.uid {
		return err
	}
	for _, t := range targets {
		if t.namespace == b.Namespace {
			if !l.occupied(&b.Address) {
				return nil
			}
			e, err := b.event()
			if err == nil {
				l.node.Event(e)
			}
			return err
		}
	}
	return nil // it is for another namespace, as a server ignores it, too
}

// mayBeOccupied reports whether a connection is in one of the targets of a
// channel. A name with many "#" has many, and is not worth the look-ups.
func (l *link) mayBeOccupied(targets []target) bool {
	const most = 8
	if len(targets) > most {
		return true
	}
	for _, t := range targets {
		if l.node.Occupied(t.namespace, t.room) {
			return true
		}
	}
	return false
}

func (l *link) occupied(a *cluster.Address) bool {
	for _, room := range a.Rooms {
		if l.node.Occupied(a.Namespace, room) {
			return true
		}
	}
	return len(a.Rooms) == 0 && l.node.Occupied(a.Namespace, "")
}
