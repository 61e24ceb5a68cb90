package mojoredis

import (
	"errors"
	"time"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/msgjson"
)

// The types of a packet of Socket.IO that an event has on the wire.
const (
	packetEvent       = "2"
	packetBinaryEvent = "5"
)

// msgpackTrue is the encoding of true.
const msgpackTrue = "\xc3"

// emitterUID is the uid of all programs that only emit.
const emitterUID = "emitter"

var errBroadcast = errors.New("mojoredis: not an event of @socket.io/redis-adapter")

// encodeEvent encodes an event as the official adapter does or, for the uid of
// emitters, as the official emitter:
//
//	[uid, {type: 2, data: [name, ...], nsp}, {rooms, except, flags}]
//
// The flag latest is mojo's: the key of an event that has Latest. Node servers
// ignore it.
func encodeEvent(uid string, e *cluster.Event) ([]byte, error) {
	w := msgjson.NewWriter()
	w.Array(3)
	w.Text(uid)
	if err := encodePacket(w, e); err != nil {
		return nil, err
	}
	encodeOptions(w, uid, e, 0)
	return w.Bytes(), nil
}

func encodePacket(w *msgjson.Writer, e *cluster.Event) error {
	w.Map(3)
	w.Text("type")
	w.Int(2)
	w.Text("data")
	if err := w.JSON(e.Data, e.Attachments); err != nil {
		return err
	}
	w.Text("nsp", e.Namespace)
	return nil
}

// encodeOptions encodes the address and the flags, with a timeout for acks if it
// is not zero.
func encodeOptions(w *msgjson.Writer, uid string, e *cluster.Event, timeout time.Duration) {
	w.Map(3)
	w.Text("rooms")
	w.Texts(e.Rooms)
	if uid == emitterUID {
		encodeFlags(w, e, timeout)
	}
	w.Text("except")
	w.Texts(e.Except)
	if uid != emitterUID {
		encodeFlags(w, e, timeout)
	}
}

func encodeFlags(w *msgjson.Writer, e *cluster.Event, timeout time.Duration) {
	n := 0
	for _, set := range []bool{e.Volatile, e.Latest, timeout > 0} {
		if set {
			n++
		}
	}
	w.Text("flags")
	w.Map(n)
	if e.Volatile {
		w.Text("volatile")
		w.Bool(true)
	}
	if e.Latest {
		w.Text("latest", e.Key)
	}
	if timeout > 0 {
		w.Text("timeout")
		w.Int(max(timeout.Milliseconds(), 1))
	}
}

// broadcast is an event of the wire. Its data is not decoded yet.
type broadcast struct {
	cluster.Event
	uid  string
	data string
}

// decodeBroadcast decodes an event, except for its data.
func decodeBroadcast(payload string) (*broadcast, error) {
	r := msgjson.NewReader(payload)
	defer r.Close()
	n, err := r.Array()
	if err != nil || n < 3 {
		return nil, errBroadcast
	}
	b := &broadcast{Event: cluster.Event{Address: cluster.Address{Namespace: "/"}}}
	if b.uid, err = r.Text(); err != nil {
		return nil, err
	}
	if err := r.Map(func(key string) error { return b.packetField(r, key) }); err != nil {
		return nil, err
	}
	if err := r.Map(func(key string) error { return b.optionsField(r, key) }); err != nil {
		return nil, err
	}
	for range n - 3 { // extensions
		if _, err := r.Raw(); err != nil {
			return nil, err
		}
	}
	b.IDs = hasIDs(b.uid, b.Rooms)
	if b.data == "" {
		return nil, errBroadcast
	}
	return b, r.End()
}

func (b *broadcast) packetField(r *msgjson.Reader, key string) (err error) {
	switch key {
	case "type":
		var kind string
		if kind, err = r.Text(); err == nil && kind != packetEvent && kind != packetBinaryEvent {
			err = errBroadcast
		}
	case "data":
		b.data, err = r.Raw()
	case "nsp":
		b.Namespace, err = r.Text()
	default:
		_, err = r.Raw()
	}
	return err
}

func (b *broadcast) optionsField(r *msgjson.Reader, key string) (err error) {
	switch key {
	case "rooms":
		b.Rooms, err = r.Texts()
	case "except":
		b.Except, err = r.Texts()
	case "flags":
		err = r.Map(func(key string) error { return b.flag(r, key) })
	default:
		_, err = r.Raw()
	}
	return err
}

func (b *broadcast) flag(r *msgjson.Reader, key string) (err error) {
	switch key {
	case "volatile":
		var value string
		value, err = r.Raw()
		b.Volatile = value == msgpackTrue
	case "latest":
		b.Latest = true
		b.Key, err = r.Text()
	default:
		_, err = r.Raw()
	}
	return err
}

// event decodes the data.
func (b *broadcast) event() (*cluster.Event, error) {
	r := msgjson.NewReader(b.data)
	defer r.Close()
	data, err := r.JSON(nil)
	if err != nil {
		return nil, err
	}
	if !isEventData(data) {
		return nil, errBroadcast
	}
	b.Data, b.Attachments = data, r.Attachments()
	return &b.Event, nil
}

// isEventData reports whether JSON without spaces is an array that begins with
// the name of an event: a string or a number.
func isEventData(data []byte) bool {
	return len(data) > 2 && data[0] == '[' && (data[1] == '"' || data[1] == '-' || data[1] >= '0' && data[1] <= '9')
}
