package mojoredis

import (
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/msgjson"
)

// The time for acks, unless the request has one; and the longest.
const (
	defaultAckTimeout = 5 * time.Second
	maxAckTimeout     = time.Hour
)

// fields are the fields of an answer. Other servers wait until each server has
// answered, so there is always one, and its lists are never null.
type fields map[string]any

// wireSocket is a connection on the wire.
type wireSocket struct {
	ID        string          `json:"id"`
	Handshake json.RawMessage `json:"handshake"`
	Rooms     []string        `json:"rooms"`
	Data      json.RawMessage `json:"data"`
}

// noResponder answers for a node that is no cluster.Responder.
type noResponder struct{}

func (noResponder) Rooms(string) []string                     { return nil }
func (noResponder) Sockets(*cluster.Address) []cluster.Socket { return nil }

func (noResponder) EmitWithAck(*cluster.Event, time.Duration, func([]byte, [][]byte)) int { return 0 }

func (noResponder) ServerSideEmit(_ string, _ []byte, answer func([]byte)) {
	if answer != nil {
		answer([]byte("null"))
	}
}

// question answers a question of another server.
func (l *link) question(m *redis.Message) error {
	namespace, ok := l.channels.requestNamespace(m.Channel)
	if !ok {
		return nil
	}
	request, err := decodeRequest(m.Payload)
	if err != nil || isNode(request.UID) {
		return err
	}
	responder, ok := l.node.(cluster.Responder)
	if !ok {
		responder = noResponder{}
	}
	address := request.address(namespace)
	// A large answer must not delay the messages that arrive meanwhile.
	later := func(key string, value func() any) {
		l.enqueue(answer{namespace: namespace, encode: func() ([]byte, error) {
			return marshal(fields{"requestId": request.RequestID, key: value()})
		}})
	}
	switch *request.Type {
	case requestSockets:
		address.Rooms = request.Rooms
		later("sockets", func() any {
			ids := []string{}
			for _, s := range responder.Sockets(&address) {
				ids = append(ids, s.ID)
			}
			return ids
		})
	case requestRooms:
		later("rooms", func() any { return notNil(responder.Rooms(namespace)) })
	case requestFetch:
		later("sockets", func() any {
			sockets := []wireSocket{}
			for _, s := range responder.Sockets(&address) {
				sockets = append(sockets, wireSocket{s.ID, publicHandshake(s.Handshake), notNil(s.Rooms), orEmpty(s.Data)})
			}
			return sockets
		})
	case requestServerSideEmit:
		return l.serverSideEmit(responder, namespace, request)
	case requestBroadcast:
		return l.emitWithAck(responder, address, request)
	}
	return nil // a command, or of a later version
}

func (l *link) serverSideEmit(responder cluster.Responder, namespace string, request *wireRequest) error {
	if len(request.Data) == 0 || request.Data[0] != '[' || len(request.attachments) > 0 {
		return errRequest
	}
	if len(request.RequestID) == 0 {
		responder.ServerSideEmit(namespace, request.Data, nil)
		return nil
	}
	var once sync.Once
	responder.ServerSideEmit(namespace, request.Data, func(data []byte) {
		once.Do(func() {
			l.respond(namespace, fields{"type": requestServerSideEmit, "requestId": request.RequestID, "data": json.RawMessage(data)})
		})
	})
	return nil
}

func (l *link) emitWithAck(responder cluster.Responder, address cluster.Address, request *wireRequest) error {
	if len(request.RequestID) == 0 || !isEventData(request.Packet.Data) {
		return errRequest
	}
	e := &cluster.Event{Address: address, Data: request.Packet.Data, Attachments: request.attachments}
	timeout := defaultAckTimeout
	if request.Options != nil {
		e.Volatile = string(request.Options.Flags.Volatile) == "true"
		var ms float64
		if json.Unmarshal(request.Options.Flags.Timeout, &ms) == nil && ms >= 1 {
			timeout = time.Duration(min(ms, float64(maxAckTimeout/time.Millisecond))) * time.Millisecond
		}
	}
	clients := responder.EmitWithAck(e, timeout, func(data []byte, attachments [][]byte) {
		body, err := encodeAck(request.RequestID, data, attachments)
		l.enqueue(answer{address.Namespace, func() ([]byte, error) { return body, err }, len(body)})
	})
	l.respond(address.Namespace, fields{"type": answerClientCount, "requestId": request.RequestID, "clientCount": clients})
	return nil
}

// encodeAck encodes the answer with the ack of one client.
func encodeAck(id json.RawMessage, data []byte, attachments [][]byte) ([]byte, error) {
	w := msgjson.NewWriter()
	w.Map(3)
	w.Text("type")
	w.Int(answerAck)
	w.Text("requestId")
	if err := w.JSON(id, nil); err != nil {
		return nil, err
	}
	w.Text("packet")
	err := w.JSON(data, attachments)
	return w.Bytes(), err
}

// respond encodes an answer and publishes it later.
func (l *link) respond(namespace string, f fields) {
	body, err := marshal(f)
	l.enqueue(answer{namespace, func() ([]byte, error) { return body, err }, len(body)})
}

// enqueue queues an answer, unless too many wait already.
func (l *link) enqueue(a answer) {
	if !l.answers.put(a) {
		l.log.report(unanswered, "namespace", a.namespace, "error", "too many answers wait for Redis")
	}
}

// publicHandshake returns a handshake without the secrets of the client.
func publicHandshake(handshake []byte) json.RawMessage {
	var all, headers map[string]json.RawMessage
	if json.Unmarshal(handshake, &all) != nil || all == nil {
		return json.RawMessage("{}")
	}
	if json.Unmarshal(all["headers"], &headers) != nil {
		headers = nil
	}
	maps.DeleteFunc(headers, func(name string, _ json.RawMessage) bool {
		return strings.EqualFold(name, "cookie") || strings.EqualFold(name, "authorization")
	})
	all["headers"], _ = json.Marshal(headers) // null if it was no object
	text, _ := json.Marshal(all)
	return text
}

// orEmpty returns a JSON value, or {} in place of one that is empty or broken.
func orEmpty(value []byte) json.RawMessage {
	if !json.Valid(value) {
		return json.RawMessage("{}")
	}
	return value
}
