package clustertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/mojosocket/mojo/cluster"
)

// kinds is the number of kinds of a numbered message.
const kinds = 5

// numbered returns a message to all other nodes with a label: the name of the
// publisher, a slash and a number.
func numbered(kind int, from string, i int) cluster.Message {
	text := from + "/" + strconv.Itoa(i)
	event := &cluster.Event{Address: cluster.Address{Namespace: "/"}, Data: fmt.Appendf(nil, `["n",%q]`, text)}
	switch kind {
	case 0:
		return cluster.Message{Event: event}
	case 1:
		event.Rooms = []string{"one"}
		return cluster.Message{Event: event}
	case 2:
		event.Rooms = []string{"one", "two"}
		return cluster.Message{Event: event}
	case 3:
		address := cluster.Address{Namespace: "/", Rooms: []string{"one"}}
		return cluster.Message{Command: &cluster.Command{Address: address, Verb: cluster.Join, Names: []string{text}}}
	default:
		return cluster.Message{Control: []byte(text)}
	}
}

// controlTo returns a numbered control message for one node.
func controlTo(to, from string, i int) cluster.Message {
	message := numbered(kinds-1, from, i)
	message.To = to
	return message
}

// label returns the label of a numbered message, or "" for others.
func label(message *cluster.Message) string {
	switch {
	case message.Event != nil:
		var data []string
		if json.Unmarshal(message.Event.Data, &data) == nil && len(data) == 2 && data[0] == "n" {
			return data[1]
		}
	case message.Command != nil:
		if len(message.Command.Names) == 1 {
			return message.Command.Names[0]
		}
	default:
		return string(message.Control)
	}
	return ""
}

// describe is a message in a failure, without most of what is large.
func describe(message *cluster.Message) string {
	switch {
	case message.Event != nil:
		e := message.Event
		text := fmt.Sprintf("an event %s %s", short(e.Data), describeAddress(&e.Address))
		for _, attachment := range e.Attachments {
			text += fmt.Sprintf(" attachment %q", short(attachment))
		}
		return text + fmt.Sprintf(" volatile %t latest %t key %q", e.Volatile, e.Latest, e.Key)
	case message.Command != nil:
		c := message.Command
		verb := map[cluster.Verb]string{cluster.Join: "join", cluster.Leave: "leave", cluster.Disconnect: "disconnect"}[c.Verb]
		return fmt.Sprintf("a command %s %q %s close %t", verb, c.Names, describeAddress(&c.Address), c.Close)
	}
	return fmt.Sprintf("a control message %q", short(message.Control))
}

func describeAddress(a *cluster.Address) string {
	return fmt.Sprintf("to %q rooms %.200q except %.200q", a.Namespace, a.Rooms, a.Except)
}

// short returns text, or the beginning of a long one.
func short(text []byte) []byte {
	const most = 150
	if len(text) <= most {
		return text
	}
	return fmt.Appendf(bytes.Clone(text[:most]), "... (%d bytes)", len(text))
}

func clone(message *cluster.Message) cluster.Message {
	c := cluster.Message{Control: bytes.Clone(message.Control), To: message.To}
	if message.Event != nil {
		e := *message.Event
		e.Rooms, e.Except = slices.Clone(e.Rooms), slices.Clone(e.Except)
		e.Data = bytes.Clone(e.Data)
		e.Attachments = slices.Clone(e.Attachments)
		for i := range e.Attachments {
			e.Attachments[i] = bytes.Clone(e.Attachments[i])
		}
		c.Event = &e
	}
	if message.Command != nil {
		command := *message.Command
		command.Rooms, command.Except = slices.Clone(command.Rooms), slices.Clone(command.Except)
		command.Names = slices.Clone(command.Names)
		c.Command = &command
	}
	return c
}

// differs says how what was published and what arrived differ: labels that were
// lost, doubled, out of order or not published. It returns "" if they are equal.
func differs(want, got []string) string {
	if slices.Equal(want, got) {
		return ""
	}
	place := make(map[string]int, len(want))
	for i, l := range want {
		place[l] = i
	}
	next, seen := 0, make(map[string]bool)
	for _, l := range got {
		i, published := place[l]
		switch {
		case !published:
			return fmt.Sprintf("%s was not published for this node", l)
		case seen[l]:
			return fmt.Sprintf("%s has arrived twice", l)
		case i < next:
			return fmt.Sprintf("%s has arrived out of order", l)
		}
		seen[l] = true
		next = i + 1
	}
	for _, l := range want {
		if !seen[l] {
			return fmt.Sprintf("%s is lost, the first of %d of %d", l, len(want)-len(got), len(want))
		}
	}
	return ""
}

// differentAddress says which field of two addresses differs, or "". Rooms and
// Except are sets.
func differentAddress(want, got *cluster.Address) string {
	switch {
	case want.Namespace != got.Namespace:
		return "Namespace"
	case !sameSet(want.Rooms, got.Rooms):
		return "Rooms"
	case !sameSet(want.Except, got.Except):
		return "Except"
	case want.IDs && !got.IDs: // where the wire does not say it, it may always be set
		return "IDs"
	}
	return ""
}

// differentEvent says which field of two events differs, or "".
func differentEvent(want, got *cluster.Event) string {
	if field := differentAddress(&want.Address, &got.Address); field != "" {
		return field
	}
	switch {
	case !sameJSON(want.Data, got.Data):
		return "Data"
	case !slices.EqualFunc(want.Attachments, got.Attachments, bytes.Equal):
		return "Attachments"
	case want.Volatile != got.Volatile:
		return "Volatile"
	case want.Latest != got.Latest:
		return "Latest"
	case want.Key != got.Key:
		return "Key"
	}
	return ""
}

// differentCommand says which field of two commands differs, or "".
func differentCommand(want, got *cluster.Command) string {
	if field := differentAddress(&want.Address, &got.Address); field != "" {
		return field
	}
	switch {
	case want.Verb != got.Verb:
		return "Verb"
	case !sameSet(want.Names, got.Names):
		return "Names"
	case want.Close != got.Close:
		return "Close"
	}
	return ""
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// sameJSON reports whether two texts are the same JSON value. A backend may
// write it in another way, with other spaces for instance.
func sameJSON(a, b []byte) bool {
	x, errX := decodeJSON(a)
	y, errY := decodeJSON(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// decodeJSON decodes a JSON value. Integers stay exact; other numbers are
// float64, as in the wires of most brokers.
func decodeJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, fmt.Errorf("text after the JSON value")
	}
	return exact(v), nil
}

func exact(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = exact(v[key])
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v
		}
		if n := int64(f); float64(n) == f && n > -1<<53 && n < 1<<53 {
			return n // 1.0 is 1
		}
		return f
	}
	return v
}
