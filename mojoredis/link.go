package mojoredis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/command"
)

// nodeUID begins the uid of each node of mojo. No other server has such a uid.
const nodeUID = "~"

// isNode reports whether a uid is that of a node of mojo.
func isNode(uid string) bool { return strings.HasPrefix(uid, nodeUID) }

// hasIDs reports whether rooms of a message may be ids of connections. Those of
// other programs may always be: their ids have another form.
func hasIDs(uid string, rooms []string) bool {
	return !isNode(uid) || slices.ContainsFunc(rooms, command.IsConnID)
}

// link is a node's end of a Bus. It has two connections: one that publishes and
// one that is subscribed.
type link struct {
	*Bus
	name string
	uid  string // of the node on the wire of other servers
	node cluster.Node

	publisher publisher
	answers   *answers

	closed  context.Context // done when Close is called
	cancel  context.CancelFunc
	running sync.WaitGroup

	probing   sync.Mutex    // is held while a message to itself is published
	probed    atomic.Uint64 // the number of the last message to itself that was published
	delivered atomic.Uint64 // the greatest number that has arrived

	mu         sync.Mutex
	namespaces []string      // that are mounted
	subscribed *redis.PubSub // gets namespaces that are mounted; nil without a connection
	questions  questions
}

var (
	_ cluster.Link    = (*link)(nil)
	_ cluster.Mounter = (*link)(nil)
	_ cluster.Asker   = (*link)(nil)
)

func newLink(b *Bus, name string, n cluster.Node) *link {
	l := &link{
		Bus:     b,
		name:    name,
		uid:     nodeUID + name,
		node:    n,
		answers: newAnswers(),
	}
	l.questions = questions{make(map[string]*question), make(map[string]chan struct{})}
	l.closed, l.cancel = context.WithCancel(context.Background())
	l.publisher = publisher{
		connect: func(ctx context.Context) (*connection, error) { return b.connect(ctx, b.channels.control(name)) },
		timeout: b.options.Timeout,
		closing: l.closed,
		turn:    make(chan struct{}, 1),
	}
	l.running.Go(l.receive)
	l.running.Go(l.probe)
	l.running.Go(l.answer)
	return l
}

// Publish publishes messages. It implements cluster.Link.
func (l *link) Publish(ctx context.Context, messages []cluster.Message) error {
	entries := make([]entry, 0, len(messages))
	var refused error
	for i := range messages {
		e, err := l.entry(l.uid, l.name, &messages[i])
		if err == nil {
			err = l.acceptSize(e)
		}
		if err != nil {
			refused = errors.Join(refused, fmt.Errorf("mojoredis: publish: message %d of %d: %w", i+1, len(messages), err))
			continue
		}
		entries = append(entries, e)
	}
	if err := l.publisher.publish(ctx, entries); err != nil {
		return errors.Join(refused, fmt.Errorf("mojoredis: publish: %w", err))
	}
	return refused
}

// acceptSize is checkSize, and reports the error.
func (l *link) acceptSize(e entry) error {
	err := l.checkSize(e)
	if err != nil {
		l.log.report(tooLarge, "channel", e.channel, "error", err)
	}
	return err
}

// Mount subscribes to the questions of other servers about a namespace. They
// count the subscribers to know how many answers to wait for, so there must be
// one subscription for each node that answers. It implements cluster.Mounter.
func (l *link) Mount(namespace string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.namespaces, namespace) {
		return
	}
	l.namespaces = append(l.namespaces, namespace)
	if l.subscribed != nil {
		// An error ends the connection, and the next has all namespaces.
		_ = l.subscribed.Subscribe(l.closed, l.channels.request(namespace), l.channels.served(namespace))
	}
}

// Close disconnects the node. It implements cluster.Link.
func (l *link) Close() error {
	l.cancel()
	l.running.Wait()
	l.loseQuestions(errClosed)
	l.publisher.close()
	return nil
}

// probe tests the connections. At each tick it asks for a PONG that says which
// message to itself was published before. It must arrive after that message.
func (l *link) probe() {
	ticker := time.NewTicker(l.options.Ping)
	defer ticker.Stop()
	for {
		select {
		case <-l.closed.Done():
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		subscribed := l.subscribed
		l.mu.Unlock()
		if subscribed == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(l.closed, l.options.Ping)
		_ = subscribed.Ping(ctx, strconv.FormatUint(l.probed.Load(), 10))
		_ = l.publishProbe(ctx)
		cancel()
	}
}

// publishProbe publishes a message to this node. An error needs no report: the
// node's own messages have it as well.
func (l *link) publishProbe(ctx context.Context) error {
	l.probing.Lock()
	defer l.probing.Unlock()
	next := l.probed.Load() + 1
	err := l.publisher.publish(ctx, []entry{{l.channels.probe(l.name), strconv.AppendUint(nil, next, 10)}})
	if err == nil {
		l.probed.Store(next)
	}
	return err
}

// answer publishes answers to other servers, those that wait at once.
func (l *link) answer() {
	for {
		select {
		case <-l.closed.Done():
			return
		case <-l.answers.wake:
		}
		for waiting := range slices.Chunk(l.answers.take(), pipelineLen) {
			var entries []entry
			for _, a := range waiting {
				entries = l.appendAnswer(entries, a)
			}
			if err := l.publisher.publish(l.closed, entries); err != nil && l.closed.Err() == nil {
				l.log.report(unanswered, "answers", len(entries), "error", err)
			}
		}
	}
}

// appendAnswer encodes an answer.
func (l *link) appendAnswer(entries []entry, a answer) []entry {
	body, err := a.encode()
	if err == nil && len(body) > l.options.MaxAnswer {
		err = fmt.Errorf("%w: %d bytes, at most %d", errAnswer, len(body), l.options.MaxAnswer)
	}
	if err != nil {
		l.log.report(unanswered, "namespace", a.namespace, "error", err)
		return entries
	}
	return append(entries, entry{l.channels.response(a.namespace), body})
}
