package mojoredis

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/msgjson"
)

// The types of requests and of answers that have a type.
const (
	requestSockets = iota
	requestRooms
	requestJoin
	requestLeave
	requestDisconnect
	requestFetch
	requestServerSideEmit
	requestBroadcast
	answerClientCount
	answerAck
)

var verbs = map[int]cluster.Verb{
	requestJoin: cluster.Join, requestLeave: cluster.Leave, requestDisconnect: cluster.Disconnect,
}

var errRequest = errors.New("mojoredis: not a request of @socket.io/redis-adapter")

// wireOptions are the options of a request.
type wireOptions struct {
	Rooms  roomList `json:"rooms"`
	Except roomList `json:"except"`
	Flags  struct {
		Volatile json.RawMessage `json:"volatile,omitzero"`
		Timeout  json.RawMessage `json:"timeout,omitzero"` // milliseconds
	} `json:"flags,omitzero"`
}

// wireRequest is a request of the wire: JSON, or MessagePack with the same
// keys. Other servers decide by the value whether a flag is set, so the flags
// may be anything.
type wireRequest struct {
	UID       string          `json:"uid,omitempty"`
	RequestID json.RawMessage `json:"requestId,omitempty"`
	Type      *int            `json:"type"`
	Options   *wireOptions    `json:"opts,omitempty"`
	Rooms     roomList        `json:"rooms,omitzero"`
	Close     json.RawMessage `json:"close,omitempty"`
	SID       string          `json:"sid,omitempty"`  // of old adapters
	Room      json.RawMessage `json:"room,omitempty"` // of old adapters
	Data      json.RawMessage `json:"data,omitempty"`
	Packet    struct {
		Data json.RawMessage `json:"data"`
	} `json:"packet,omitzero"`

	attachments [][]byte
}

// roomList is an array of rooms. Numbers become strings.
type roomList []string

func (l *roomList) UnmarshalJSON(text []byte) error {
	var rooms []room
	if err := json.Unmarshal(text, &rooms); err != nil {
		return err
	}
	*l = make(roomList, len(rooms))
	for i, r := range rooms {
		(*l)[i] = string(r)
	}
	return nil
}

// room is a room in JSON: a string or a number.
type room string

func (r *room) UnmarshalJSON(text []byte) error {
	name, err := roomName(text)
	*r = room(name)
	return err
}

// roomName returns the name of a room in JSON. A request of another server may
// have very many, so it is fast for names without escapes.
func roomName(text json.RawMessage) (name string, err error) {
	switch {
	case len(text) == 0:
		return "", errRequest
	case text[0] == '-' || '0' <= text[0] && text[0] <= '9':
		return string(text), nil
	case text[0] != '"':
		return "", errRequest
	case bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text):
		return string(text[1 : len(text)-1]), nil
	}
	err = json.Unmarshal(text, &name)
	return name, err
}

// encodeCommand encodes a command. The official emitter gives no uid.
func encodeCommand(uid string, c *cluster.Command) ([]byte, error) {
	kind := -1
	for number, verb := range verbs {
		if verb == c.Verb {
			kind = number
		}
	}
	if kind < 0 {
		return nil, errors.New("has a Command without a Verb")
	}
	if uid == emitterUID {
		uid = ""
	}
	request := wireRequest{UID: uid, Type: &kind, Options: &wireOptions{Rooms: notNil(c.Rooms), Except: notNil(c.Except)}}
	if c.Verb == cluster.Disconnect {
		request.Close = json.RawMessage("false")
		if c.Close {
			request.Close = json.RawMessage("true")
		}
	} else {
		request.Rooms = notNil(c.Names)
	}
	return marshal(request)
}

// notNil returns a list that is an array in JSON, also if it is empty.
func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// marshal is json.Marshal without escapes for HTML.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// decodeText returns a message of the wire, which may be MessagePack, as JSON.
func decodeText(payload string) (text []byte, attachments [][]byte, err error) {
	if strings.HasPrefix(payload, "{") {
		return []byte(payload), nil, nil
	}
	r := msgjson.NewReader(payload)
	defer r.Close()
	if text, err = r.JSON(nil); err != nil {
		return nil, nil, err
	}
	return text, r.Attachments(), r.End()
}

// decodeRequest decodes a request.
func decodeRequest(payload string) (*wireRequest, error) {
	request := new(wireRequest)
	text, attachments, err := decodeText(payload)
	if err != nil {
		return nil, err
	}
	request.attachments = attachments
	if err := json.Unmarshal(text, request); err != nil {
		return nil, err
	}
	if request.Type == nil {
		return nil, errRequest
	}
	return request, nil
}

// address returns the address of a request in a namespace.
func (r *wireRequest) address(namespace string) cluster.Address {
	a := cluster.Address{Namespace: namespace}
	if r.Options != nil {
		a.Rooms, a.Except = r.Options.Rooms, r.Options.Except
	}
	a.IDs = hasIDs(r.UID, a.Rooms)
	return a
}

// command applies a command.
func (l *link) command(m *redis.Message) error {
	namespace, ok := l.channels.requestNamespace(m.Channel)
	if !ok {
		return nil
	}
	request, err := decodeRequest(m.Payload)
	if err != nil || request.UID == l.uid {
		return err
	}
	verb, ok := verbs[*request.Type]
	if !ok {
		return nil // a question
	}
	c := &cluster.Command{Address: request.address(namespace), Verb: verb, Names: request.Rooms, Close: string(request.Close) == "true"}
	if request.Options == nil {
		return l.oldCommand(c, request)
	}
	l.node.Command(c)
	return nil
}

// oldCommand applies a command of an old adapter to one connection, and answers
// if it is here.
func (l *link) oldCommand(c *cluster.Command, request *wireRequest) error {
	if request.SID == "" {
		return errRequest
	}
	if !l.node.Occupied(c.Namespace, request.SID) {
		return nil
	}
	c.Rooms, c.Names = []string{request.SID}, nil
	if c.Verb != cluster.Disconnect {
		room, err := roomName(request.Room)
		if err != nil {
			return err
		}
		c.Names = []string{room}
	}
	l.node.Command(c)
	l.respond(c.Namespace, fields{"requestId": request.RequestID})
	return nil
}

// control delivers a control message.
func (l *link) control(m *redis.Message) error {
	from, content, ok := strings.Cut(m.Payload, "#")
	switch {
	case !ok || cluster.CheckName(from) != nil:
		return errors.New("mojoredis: not a control message of mojo")
	case from == l.name && m.Channel == l.channels.control(""):
		return nil
	}
	l.node.Control([]byte(content))
	return nil
}
