package mojonats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// session is one connection of a link. When it is lost, the link makes another:
// a connection that reconnects by itself would send later what Publish has
// returned an error for.
type session struct {
	*link
	epoch    uint64
	dialer   *dialer
	nc       *nats.Conn
	incoming chan *nats.Msg // of all subscriptions, so that the order is kept
	inbox    *inbox
	ended    chan struct{} // closed when the connection is lost
	pumped   sync.WaitGroup

	subscribing   sync.Mutex // is held while subscriptions change
	subscriptions map[string]*nats.Subscription

	mu      sync.Mutex
	refused error // what the server does not permit
}

// incomingLen is how many messages nats.go may be ahead of the inbox, which
// takes them at once.
const incomingLen = 8192

// connect makes a connection, and subscribes. When it returns, all that is
// published from now on arrives in the inbox.
func (l *link) connect() (*session, error) {
	s := &session{
		link: l, epoch: max(l.epoch+1, uint64(time.Now().UnixNano())),
		incoming: make(chan *nats.Msg, incomingLen), inbox: newInbox(l.options.MaxPending),
		ended: make(chan struct{}), subscriptions: make(map[string]*nats.Subscription),
	}
	l.epoch = s.epoch
	options := l.nats
	options.Servers = slices.Concat(options.Servers, l.discovered)
	s.dialer = &dialer{ctx: l.closed, options: &l.nats}
	stop := context.AfterFunc(l.closed, s.dialer.abort)
	defer stop()
	s.configure(&options)
	var err error
	if s.nc, err = options.Connect(); err != nil {
		s.dialer.abort()
		return nil, err
	}
	s.pumped.Go(s.pump)
	l.attach(s)
	if err := s.confirm(); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// configure changes the options of the site's connection to those of a session.
func (s *session) configure(o *nats.Options) {
	o.CustomDialer = s.dialer
	if o.InProcessServer != nil {
		o.InProcessServer = s.dialer
	}
	if o.Name == "" {
		o.Name = "mojo"
	}
	o.Timeout, o.FlusherTimeout = s.options.Timeout, s.options.Timeout
	o.PingInterval, o.MaxPingsOut = s.options.Ping, 2
	o.AllowReconnect, o.RetryOnFailedConnect = false, false
	o.NoEcho, o.Verbose, o.Pedantic = false, false, false
	o.SkipSubjectValidation = true
	o.NoCallbacksAfterClientClose = false
	o.ClosedCB = func(*nats.Conn) { close(s.ended) }
	o.AsyncErrorCB = s.asyncError
	o.DisconnectedCB, o.DisconnectedErrCB, o.ConnectedCB, o.ReconnectedCB = nil, nil, nil, nil
	o.DiscoveredServersCB, o.LameDuckModeHandler = nil, nil
	o.ReconnectErrCB, o.ReconnectToServerCB, o.CustomReconnectDelayCB = nil, nil, nil
}

// asyncError is called by nats.go.
func (s *session) asyncError(_ *nats.Conn, _ *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		s.inbox.lose()
	case errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrMaxSubscriptionsExceeded):
		s.mu.Lock()
		if s.refused == nil {
			s.refused = err
		}
		s.mu.Unlock()
		s.dialer.abort() // what is not permitted would be lost in silence
	}
}

// pump moves what arrives into the inbox.
func (s *session) pump() {
	for {
		select {
		case m := <-s.incoming:
			s.inbox.push(m)
		case <-s.ended:
			return
		}
	}
}

// confirm waits until the server has confirmed the subscriptions, and a mark that
// the node has sent to all has come back. Its epoch tells the others to drop what
// earlier connections still carry. What arrives before is dropped: the node is
// not connected yet.
func (s *session) confirm() error {
	ctx, cancel := context.WithTimeout(s.closed, s.options.Timeout)
	defer cancel()
	defer context.AfterFunc(ctx, s.dialer.abort)()
	if most := s.nc.MaxPayload(); most < minPayload {
		return fmt.Errorf("mojonats: max_payload of the server is %d, must be at least %d", most, minPayload)
	}
	for _, subject := range []string{s.subjects.all(), s.subjects.node(s.name)} {
		if err := s.subscribe(subject); err != nil {
			return err
		}
	}
	if err := s.follow(); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	for {
		for _, m := range s.inbox.take() {
			if m == nil {
				continue
			}
			s.inbox.release(m)
			h, _, err := decodeFrame(m.Data, s.options.MaxMessage)
			if err == nil && h.kind == kindMark && h.name == s.name && h.epoch == s.epoch {
				return nil
			}
		}
		select {
		case <-s.inbox.wake:
		case <-s.ended:
			return s.cause()
		}
	}
}

// subscribe subscribes to a subject.
func (s *session) subscribe(subject string) error {
	subscription, err := s.nc.ChanSubscribe(subject, s.incoming)
	if err == nil {
		s.subscriptions[subject] = subscription
	}
	return err
}

// follow subscribes to the rooms that have become occupied, and unsubscribes from
// those that have become empty. An error says that the connection is lost.
func (s *session) follow() error {
	s.subscribing.Lock()
	defer s.subscribing.Unlock()
	for subject, wanted := range s.takeChanges() {
		subscription := s.subscriptions[subject]
		switch {
		case wanted && subscription == nil:
			if err := s.subscribe(subject); err != nil {
				return err
			}
		case !wanted && subscription != nil:
			delete(s.subscriptions, subject)
			if err := subscription.Unsubscribe(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush waits until the server has processed all that was sent.
func (s *session) flush(ctx context.Context) error {
	if err := s.nc.FlushWithContext(ctx); err != nil {
		if s.closed.Err() != nil {
			return errClosed
		}
		if ctx.Err() != nil {
			return fmt.Errorf("NATS has not confirmed it: %w", ctx.Err())
		}
		return s.cause()
	}
	return nil
}

// cause returns why the connection was lost.
func (s *session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed.Err() != nil:
		return errClosed
	case s.refused != nil:
		return s.refused
	case s.nc.LastError() != nil:
		return s.nc.LastError()
	}
	return errDown
}

// end ends the connection.
func (s *session) end() {
	s.detach(s)
	s.discovered = s.nc.DiscoveredServers()
	s.dialer.abort()
	s.nc.Close()
	<-s.ended
	s.pumped.Wait()
}
