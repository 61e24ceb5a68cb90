package clustertest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/mojosocket/mojo/cluster"
)

// testControl sends control messages to one node, to the sender and to all.
func testControl(r *run) {
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, content := range [][]byte{{0}, {0xff}, []byte("{}\r\n"), every, bytes.Repeat(every, 500)} {
		a.mustPublish(cluster.Message{Control: content, To: "b"})
		b.await("a control message", func(e *record) bool { return bytes.Equal(e.message.Control, content) })
	}
	a.mustPublish(controlTo("b", "a", 1), controlTo("a", "a", 2), controlTo("c", "a", 3), numbered(4, "a", 4), controlTo("a", "a", 5))
	for _, want := range []struct {
		n      *node
		labels []string
	}{
		{a, []string{"a/2", "a/5"}},
		{b, []string{"a/1", "a/4"}},
		{c, []string{"a/3", "a/4"}},
	} {
		want.n.awaitLabel(want.labels[len(want.labels)-1])
		if diff := differs(want.labels, want.n.labels("a")); diff != "" {
			r.tb.Errorf("node %s, with control messages to one node: %s", want.n.name, diff)
		}
	}
	for _, n := range []*node{a, c} {
		for _, e := range n.records() {
			if e.message.Control != nil && !strings.HasPrefix(e.label, "a/") {
				r.tb.Errorf("node %s: got a control message for node b", n.name)
			}
		}
	}
}

// someAddresses are addresses with the names that are hard for some broker.
var someAddresses = []cluster.Address{
	{Namespace: "/"},
	{Namespace: "/chat", Rooms: []string{}, Except: []string{}},
	{Namespace: "/a/b", Rooms: []string{"one"}},
	{Namespace: "/", Rooms: []string{"one", "two", "three"}},
	{Namespace: "/", Except: []string{"one"}},
	{Namespace: "/", Rooms: []string{"one"}, Except: []string{"two", "three"}},
	{Namespace: "/", Rooms: []string{"~u:42"}, Except: []string{"~s:q1W-_e"}},
	{Namespace: "/", Rooms: []string{"1"}},
	{Namespace: "/комната", Rooms: []string{"комната", "部屋"}, Except: []string{"🎉"}},
	{Namespace: "/", Rooms: []string{"*"}},
	{Namespace: "/", Rooms: []string{"a.b.*", "a.>", ">", "#", "a#b", "?", "[a]", "a b", " ", "\t", "\x00", "/", `"`, `\`}},
	{Namespace: "/", Rooms: []string{strings.Repeat("x", 500)}},
	{Namespace: "/a.b/*", Rooms: []string{"one"}},
	{Namespace: "/", Rooms: []string{"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, Except: []string{"ABCDEFGHIJKLMNOPQRSTUVWX23"}, IDs: true},
}

// testEvents sends events that differ in each field.
func testEvents(r *run) {
	plain := []byte(`["e"]`)
	var events []cluster.Event
	for _, address := range someAddresses {
		events = append(events, cluster.Event{Address: address, Data: plain})
	}
	all := cluster.Address{Namespace: "/"}
	for _, data := range []string{
		`["e",null,true,false,0,1,-1,1.5,-0.25,1e300,1e-7,9007199254740991,-9007199254740991,"",[],{}]`,
		`["e",[[[[]]]],{"a":{"b":[1,{"c":null}]}},{"":0," ":1,"__proto__":2}]`,
		`["e","жук","日本語","🎉","\u0000\u001f\u007f\u2028","<&>\"\\\/\b\f\n\r\t"]`,
		`["имя события"]`,
		`[ "e" , { "spaces" : [ 1 , 2 ] } ]`,
		`["e",4294967295,4294967296,-2147483649,255,256,65535,65536,127,128,-32,-33,-128,-129]`,
		`["e",{"_placeholder":1},{"num":0}]`,
	} {
		events = append(events, cluster.Event{Address: all, Data: []byte(data)})
	}
	events = append(
		events,
		cluster.Event{Address: all, Data: plain, Attachments: [][]byte{}},
		cluster.Event{Address: all, Data: []byte(`["e",{"_placeholder":true,"num":0}]`), Attachments: [][]byte{{0, 0xff, '"', 0x80}}},
		cluster.Event{Address: all, Data: []byte(`["e",{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1}]}]`), Attachments: [][]byte{{}, {1}}},
		cluster.Event{Address: all, Data: plain, Volatile: true},
		cluster.Event{Address: all, Data: plain, Latest: true, Key: "position"},
		cluster.Event{Address: all, Data: plain, Latest: true, Key: "положение\x00🎉"},
		cluster.Event{Address: all, Data: plain, Latest: true},
		cluster.Event{
			Address: someAddresses[5], Data: []byte(`["e",{"_placeholder":true,"num":0},1]`), Attachments: [][]byte{[]byte("binary")},
			Volatile: true, Latest: true, Key: "k",
		},
		largeEvent(),
		cluster.Event{Address: all, Data: plain},
	)

	a, b := r.open("a"), r.open("b")
	at := -1
	for i := range events {
		want := &events[i]
		a.mustPublish(cluster.Message{Event: want})
		at = b.awaitAfter(at, describe(&cluster.Message{Event: want}), func(e *record) bool { return !e.isLink })
		got := b.records()[at].message
		if got.Event == nil {
			r.tb.Fatalf("node b: got %s, want an event", describe(&got))
		}
		if field := differentEvent(want, got.Event); field != "" {
			r.tb.Errorf("%s has changed from %s to %s", field, describe(&cluster.Message{Event: want}), describe(&got))
		}
	}
}

// largeEvent returns an event of about 1 MB, half text and half binary.
func largeEvent() cluster.Event {
	text, _ := json.Marshal(strings.Repeat("0123456789", 50_000))
	return cluster.Event{
		Address:     cluster.Address{Namespace: "/"},
		Data:        slices.Concat([]byte(`["e",`), text, []byte(`,{"_placeholder":true,"num":0}]`)),
		Attachments: [][]byte{bytes.Repeat([]byte{0, 1, 2, 0xff}, 120_000)},
	}
}

// testCommands sends commands that differ in each field.
func testCommands(r *run) {
	var commands []cluster.Command
	for _, address := range someAddresses {
		commands = append(commands, cluster.Command{Address: address, Verb: cluster.Join, Names: []string{"new"}})
	}
	one := cluster.Address{Namespace: "/", Rooms: []string{"one"}}
	commands = append(
		commands,
		cluster.Command{Address: one, Verb: cluster.Join, Names: []string{"x", "комната", "a b", "*"}},
		cluster.Command{Address: one, Verb: cluster.Leave, Names: []string{"x"}},
		cluster.Command{Address: one, Verb: cluster.Leave, Names: []string{"x", "y"}},
		cluster.Command{Address: one, Verb: cluster.Disconnect},
		cluster.Command{Address: one, Verb: cluster.Disconnect, Names: []string{}, Close: true},
	)

	a, b := r.open("a"), r.open("b")
	at := -1
	for i := range commands {
		want := &commands[i]
		a.mustPublish(cluster.Message{Command: want})
		at = b.awaitAfter(at, describe(&cluster.Message{Command: want}), func(e *record) bool { return !e.isLink })
		got := b.records()[at].message
		if got.Command == nil {
			r.tb.Fatalf("node b: got %s, want a command", describe(&got))
		}
		if field := differentCommand(want, got.Command); field != "" {
			r.tb.Errorf("%s has changed from %s to %s", field, describe(&cluster.Message{Command: want}), describe(&got))
		}
	}
}

// testNamespaces sends to namespaces with similar names and the same rooms. A
// node that has connections in one of them gets all that is for it, and each
// message says which namespace it is for.
func testNamespaces(r *run) {
	namespaces := []string{"/", "/a", "/a/", "/a/b", "/A", "/ab", "/b", "/a:", "/a.b", "/*", "/ä"}
	a := r.open("a")
	var nodes []*node
	for i, namespace := range namespaces {
		n := newNode(r, "n"+string(rune('a'+i)))
		n.occupied = func(ns, room string) bool { return ns == namespace && (room == "" || room == "one") }
		n.occupies = []cluster.Address{{Namespace: namespace, Rooms: []string{"one"}}}
		r.connect(n, r.broker.Bus(n.name))
		nodes = append(nodes, n)
	}
	var messages []cluster.Message
	for _, namespace := range namespaces {
		for _, rooms := range [][]string{nil, {"one"}, {"two", "one"}} {
			data, _ := json.Marshal([]string{"e", namespace})
			messages = append(messages, cluster.Message{Event: &cluster.Event{
				Address: cluster.Address{Namespace: namespace, Rooms: rooms}, Data: data,
			}})
		}
	}
	a.mustPublish(append(messages, numbered(4, "a", 0))...)
	for i, n := range nodes {
		n.awaitLabel("a/0")
		mine := 0
		for _, e := range n.records() {
			if e.message.Event == nil {
				continue
			}
			var data []string
			_ = json.Unmarshal(e.message.Event.Data, &data)
			if len(data) != 2 || data[1] != e.message.Event.Namespace {
				r.tb.Errorf("node %s: got in %q: %s", n.name, e.message.Event.Namespace, describe(&e.message))
			}
			if e.message.Event.Namespace == namespaces[i] {
				mine++
			}
		}
		if mine != 3 {
			r.tb.Errorf("node %s: got %d of 3 events for %q, in which it has connections", n.name, mine, namespaces[i])
		}
	}
}

// testOccupied lets rooms become occupied after Open. Events for them must not
// be dropped.
func testOccupied(r *run) {
	a := r.open("a")
	b := newNode(r, "b")
	type key struct{ namespace, room string }
	rooms := make(map[key]bool)
	b.occupied = func(namespace, room string) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return rooms[key{namespace, room}]
	}
	b.occupies = []cluster.Address{{Namespace: "/"}, {Namespace: "/x"}, {Namespace: "/y"}}
	r.connect(b, r.broker.Bus(b.name))
	occupy := func(namespace, room string) {
		b.mu.Lock()
		rooms[key{namespace, room}] = true
		b.mu.Unlock()
		b.occupy(namespace, room)
	}
	event := func(i int, namespace string, rooms ...string) cluster.Message {
		message := numbered(0, "a", i)
		message.Event.Namespace, message.Event.Rooms = namespace, rooms
		return message
	}

	// Whether it gets these is for the backend to decide.
	a.mustPublish(event(0, "/x"), event(1, "/x", "one"), numbered(4, "a", 2))
	b.awaitLabel("a/2")
	occupy("/x", "")
	a.mustPublish(event(3, "/x"))
	b.awaitLabel("a/3")
	occupy("/x", "one")
	a.mustPublish(event(4, "/x", "one"), event(5, "/x", "two", "one"), event(6, "/x", "one", "two"))
	b.awaitLabel("a/4")
	b.awaitLabel("a/5")
	b.awaitLabel("a/6")
	occupy("/y", "~u:42")
	a.mustPublish(event(7, "/y", "~u:42"))
	b.awaitLabel("a/7")
}

// testBuffers uses what was published again at once.
func testBuffers(r *run) {
	const rounds = 50
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	rooms, except, names := []string{""}, []string{""}, []string{""}
	data := []byte(`["e",{"_placeholder":true,"num":0}]`)
	control, attachment := make([]byte, 8), make([]byte, 8)
	attachments := [][]byte{nil}
	event := &cluster.Event{Data: data}
	command := new(cluster.Command)
	messages := make([]cluster.Message, 3)
	fill := func(i int) {
		letter := string(rune('A' + i%26))
		rooms[0], except[0], names[0] = "r"+letter, "x"+letter, "n"+letter
		copy(data, `["`+letter)
		copy(control, strings.Repeat(letter, 8))
		copy(attachment, strings.Repeat(letter, 8))
		attachments[0] = attachment
		*event = cluster.Event{
			Address: cluster.Address{Namespace: "/" + letter, Rooms: rooms, Except: except},
			Data:    data, Attachments: attachments, Latest: true, Key: letter,
		}
		*command = cluster.Command{Address: event.Address, Verb: cluster.Join, Names: names}
		messages[0], messages[1], messages[2] = cluster.Message{Event: event}, cluster.Message{Command: command}, cluster.Message{Control: control}
	}
	var want []cluster.Message
	for i := range rounds {
		fill(i)
		for j := range messages {
			want = append(want, clone(&messages[j]))
		}
		a.mustPublish(messages...)
		fill(i + 13)
		clear(attachments)
		clear(messages)
	}
	a.mustPublish(numbered(4, "a", 0))
	for _, n := range []*node{b, c} {
		n.awaitLabel("a/0")
		var got []cluster.Message
		for _, e := range n.records() {
			if !e.isLink && e.label != "a/0" {
				got = append(got, e.message)
			}
		}
		if len(got) != len(want) {
			r.tb.Fatalf("node %s: got %d messages, want %d", n.name, len(got), len(want))
		}
		for i := range want {
			if !sameMessage(&want[i], &got[i]) {
				r.tb.Fatalf("node %s: got %s, want %s; its publisher has used the buffers again after Publish had returned",
					n.name, describe(&got[i]), describe(&want[i]))
			}
		}
	}
}

func sameMessage(a, b *cluster.Message) bool {
	switch {
	case a.Event != nil:
		return b.Event != nil && differentEvent(a.Event, b.Event) == ""
	case a.Command != nil:
		return b.Command != nil && differentCommand(a.Command, b.Command) == ""
	}
	return bytes.Equal(a.Control, b.Control)
}

// testOtherCluster has nodes with the same names in two clusters.
func testOtherCluster(r *run) {
	a, b := r.open("a"), r.open("b")
	otherA, otherB := newNode(r, "a"), newNode(r, "b")
	otherA.cluster, otherB.cluster = "other", "other"
	r.connect(otherA, r.broker.Other("a"))
	r.connect(otherB, r.broker.Other("b"))
	publish := func(n *node, first int) (labels []string) {
		for i := range kinds {
			message := numbered(i, "a", first+i)
			n.mustPublish(message)
			labels = append(labels, label(&message))
		}
		n.mustPublish(controlTo("b", "a", first+kinds))
		last := controlTo("b", "a", first+kinds)
		return append(labels, label(&last))
	}
	want, wantOther := publish(a, 0), publish(otherA, 100)
	want = append(want, publish(a, 200)...)
	wantOther = append(wantOther, publish(otherA, 300)...)
	for _, c := range []struct {
		n    *node
		want []string
	}{{b, want}, {otherB, wantOther}} {
		c.n.awaitLabel(c.want[len(c.want)-1])
		if diff := differs(c.want, c.n.labels("a")); diff != "" {
			r.tb.Errorf("node %s, with another cluster on the broker: %s", c.n.name, diff)
		}
	}
}
