package mojoredis

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/msgjson"
)

// Questions go to the Node servers on the wire, on the channel of requests. Nodes
// of mojo ignore those of each other, whose uids begin with "~". How many servers
// have to answer is the number of subscribers of that channel, less that of a
// channel of mojo that each of its nodes subscribes to at the same time. Without
// Node servers nothing is published.

var (
	errNotConnected = errors.New("mojoredis: not connected")
	errResponse     = errors.New("mojoredis: not an answer of @socket.io/redis-adapter")
)

// questions are the questions to Node servers. link.mu guards it.
type questions struct {
	byID map[string]*question
	// heard has the namespaces whose answers arrive, or will: the channels are
	// closed when Redis has confirmed that.
	heard map[string]chan struct{}
}

// question is a question to Node servers.
type question struct {
	kind int
	cluster.Replies

	servers int // that have not said how many connections they ask; guarded by link.mu
}

// EmitWithAck asks the clients of Node servers. It implements cluster.Asker.
func (l *link) EmitWithAck(ctx context.Context, e *cluster.Event, timeout time.Duration, r cluster.Replies) {
	id := rand.Text()
	body, err := encodeQuestion(l.uid, id, e, timeout)
	if err != nil {
		r.Done(err)
		return
	}
	l.ask(ctx, e.Namespace, id, body, &question{kind: requestBroadcast, Replies: r})
}

// encodeQuestion encodes an event with acks as the official adapter does:
//
//	{uid, requestId, type: 7, packet: {type: 2, data: [name, ...], nsp}, opts: {rooms, except, flags: {timeout}}}
func encodeQuestion(uid, id string, e *cluster.Event, timeout time.Duration) ([]byte, error) {
	w := msgjson.NewWriter()
	w.Map(5)
	w.Text("uid", uid, "requestId", id, "type")
	w.Int(requestBroadcast)
	w.Text("packet")
	if err := encodePacket(w, e); err != nil {
		return nil, err
	}
	w.Text("opts")
	encodeOptions(w, uid, e, max(timeout, 1))
	return w.Bytes(), nil
}

// ServerSideEmit sends an event for the code of Node servers. It implements
// cluster.Asker.
func (l *link) ServerSideEmit(ctx context.Context, namespace string, data []byte, r cluster.Replies) {
	kind := requestServerSideEmit
	request := wireRequest{UID: l.uid, Type: &kind, Data: data}
	if r == nil {
		body, err := marshal(request)
		if err == nil {
			err = l.publishRequest(namespace, body)
		}
		if err != nil && l.closed.Err() == nil {
			l.log.report(disconnected, "error", err)
		}
		return
	}
	id := rand.Text()
	request.RequestID, _ = json.Marshal(id) // cannot fail
	body, err := marshal(request)
	if err != nil {
		r.Done(err)
		return
	}
	l.ask(ctx, namespace, id, body, &question{kind: kind, Replies: r})
}

func (l *link) publishRequest(namespace string, body []byte) error {
	e := entry{l.channels.request(namespace), body}
	if err := l.acceptSize(e); err != nil {
		return err
	}
	return l.publisher.publish(l.closed, []entry{e}) // the end of a question must not abort the connection
}

// ask publishes a question, if there are Node servers.
func (l *link) ask(ctx context.Context, namespace, id string, body []byte, q *question) {
	if ctx.Err() != nil {
		return
	}
	servers, err := l.otherServers(namespace)
	if l.closed.Err() != nil {
		err = errClosed
	}
	if err != nil || servers == 0 {
		q.Done(err)
		return
	}
	if err := l.hear(ctx, namespace); err != nil {
		q.Done(err)
		return
	}
	q.servers = servers
	if q.kind == requestServerSideEmit {
		q.Expect(servers)
		q.Done(nil)
	}
	l.mu.Lock()
	l.questions.byID[id] = q
	l.mu.Unlock()
	forget := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.questions.byID, id)
	}
	stop := context.AfterFunc(ctx, forget)
	if err := l.publishRequest(namespace, body); err != nil {
		stop()
		forget()
		q.Done(err)
	}
}

// otherServers returns how many servers that are no nodes of mojo serve a
// namespace.
func (l *link) otherServers(namespace string) (int, error) {
	all, ours := l.channels.request(namespace), l.channels.served(namespace)
	counts, err := l.numSub(all, ours)
	return int(max(counts[all]-counts[ours], 0)), err
}

// numSub returns how many subscribers channels have.
func (l *link) numSub(channels ...string) (map[string]int64, error) {
	client, ok := l.client.(*redis.ClusterClient)
	if !ok {
		return l.publisher.numSub(l.closed, channels...)
	}
	ctx, cancel := context.WithTimeout(l.closed, l.options.Timeout)
	defer cancel()
	var mu sync.Mutex
	total := make(map[string]int64)
	err := client.ForEachShard(ctx, func(ctx context.Context, shard *redis.Client) error {
		counts, err := shard.PubSubNumSub(ctx, channels...).Result()
		mu.Lock()
		defer mu.Unlock()
		for channel, n := range counts {
			total[channel] += n
		}
		return err
	})
	return total, err
}

// hear subscribes to the answers in a namespace, and returns when Redis has
// confirmed that. They are heard from then on: a namespace in which there was one
// question will have more.
func (l *link) hear(ctx context.Context, namespace string) error {
	l.mu.Lock()
	if l.subscribed == nil {
		l.mu.Unlock()
		return errNotConnected
	}
	confirmed, ok := l.questions.heard[namespace]
	if !ok {
		confirmed = make(chan struct{})
		l.questions.heard[namespace] = confirmed
		// An error ends the connection, and the next has all namespaces.
		_ = l.subscribed.Subscribe(l.closed, l.channels.response(namespace))
	}
	l.mu.Unlock()
	timer := time.NewTimer(l.options.Timeout)
	defer timer.Stop()
	select {
	case <-confirmed:
		return nil
	case <-timer.C:
		return errNotConnected
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed.Done():
		return errClosed
	}
}

// confirmed notes that a channel is subscribed.
func (l *link) confirmed(channel string) {
	namespace, ok := l.channels.responseNamespace(channel)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if confirmed, ok := l.questions.heard[namespace]; ok {
		select {
		case <-confirmed:
		default:
			close(confirmed)
		}
	}
}

// wireResponse is an answer to a question.
type wireResponse struct {
	Type        int             `json:"type"`
	RequestID   json.RawMessage `json:"requestId"`
	ClientCount float64         `json:"clientCount"`
	Packet      json.RawMessage `json:"packet"`
	Data        json.RawMessage `json:"data"`
}

// response takes an answer of a Node server. Most are for others.
func (l *link) response(m *redis.Message) error {
	l.mu.Lock()
	waiting := len(l.questions.byID)
	l.mu.Unlock()
	if waiting == 0 {
		return nil
	}
	text, attachments, err := decodeText(m.Payload)
	if err != nil {
		return err
	}
	var r wireResponse
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	var id string
	if json.Unmarshal(r.RequestID, &id) != nil {
		return nil
	}
	l.mu.Lock()
	q := l.questions.byID[id]
	told := false
	if q != nil && r.Type == answerClientCount && q.servers > 0 {
		q.servers--
		told = q.servers == 0
	}
	l.mu.Unlock()
	switch {
	case q == nil:
	case q.kind == requestBroadcast && r.Type == answerClientCount:
		if r.ClientCount < 0 || r.ClientCount > maxClients {
			return errResponse
		}
		q.Expect(int(r.ClientCount))
		if told {
			q.Done(nil)
		}
	case q.kind == requestBroadcast && r.Type == answerAck:
		q.Reply(orNull(r.Packet), attachments)
	case q.kind == requestServerSideEmit && r.Type == requestServerSideEmit:
		q.Reply(orNull(r.Data), attachments)
	default:
		return errResponse
	}
	return nil
}

// maxClients is the greatest number of clients that is believed.
const maxClients = 1 << 20

func orNull(value json.RawMessage) []byte {
	if len(value) == 0 { // undefined in JavaScript
		return []byte("null")
	}
	return value
}

// loseQuestions is called when answers do not arrive any more.
func (l *link) loseQuestions(err error) {
	l.mu.Lock()
	lost := l.questions.byID
	l.questions.byID = make(map[string]*question)
	l.mu.Unlock()
	for _, q := range lost {
		q.Done(err)
	}
}
