package clustertest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
)

// TestWhole runs all cases as TestBroken does, on a bus that keeps its promises.
func TestWhole(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other := cluster.NewMemory()
				result := runBroken(t, c.name, broken{}, func(b *Broker) { b.Other = func(string) cluster.Bus { return other } })
				require.Empty(t, result.failures)
				if c.name != "Occupier" { // see TestWholeExact
					require.Empty(t, result.skipped)
				}
			})
		})
	}
}

// TestSkipped runs the cases that need what the Broker does not set.
func TestSkipped(t *testing.T) {
	for name, want := range map[string]string{
		"Cut":          "the Broker does not set Cut and Reconnect",
		"CutUnderLoad": "the Broker does not set Cut and Reconnect",
		"Restart":      "the Broker does not set Restart",
		"OtherCluster": "the Broker does not set Other",
	} {
		synctest.Test(t, func(t *testing.T) {
			result := runBroken(t, name, broken{}, func(b *Broker) { *b = Broker{Bus: b.Bus} })
			require.Equal(t, want, result.skipped)
			require.Empty(t, result.failures)
		})
	}
}

// TestBroken runs each case on buses that break what it checks.
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		bug    string
		broken broken
		caught map[string]string // the failures, by the name of the case
	}{
		{
			"reorders the messages of a batch",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				messages = slices.Clone(messages)
				slices.Reverse(messages)
				return l.Link.Publish(ctx, messages)
			}},
			map[string]string{"Order": "out of order", "Publishers": "out of order"},
		},
		{
			"sends control messages first",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				messages = slices.Clone(messages)
				slices.SortStableFunc(messages, func(a, b cluster.Message) int { return len(b.Control) - len(a.Control) })
				return l.Link.Publish(ctx, messages)
			}},
			map[string]string{"Order": "out of order"},
		},
		{
			"sends some messages twice",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				if l.calls++; l.calls%20 == 2 {
					messages = append(slices.Clone(messages), messages[len(messages)-1])
				}
				return l.Link.Publish(ctx, messages)
			}},
			map[string]string{"Order": "arrived twice", "Publishers": "arrived twice", "SlowReceiver": "arrived twice"},
		},
		{
			"loses some messages in silence",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				if l.calls++; l.calls%20 == 7 {
					messages = messages[1:]
				}
				return l.Link.Publish(ctx, messages)
			}},
			map[string]string{
				"Order": "is lost, the first of", "Publishers": "is lost, the first of", "LinkUp": "is lost",
				"CutUnderLoad": "is lost, the first of", "Restart": "is lost, and no LinkResumed says so",
			},
		},
		{
			"echoes events to the sender",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				for _, message := range messages {
					if message.Event != nil {
						l.node.Event(clone(&message).Event)
					}
				}
				return l.Link.Publish(ctx, messages)
			}},
			map[string]string{"Order": "was not published for this node", "Publishers": "was not published for this node"},
		},
		{
			"sends control messages to all",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				messages = slices.Clone(messages)
				for i := range messages {
					if messages[i].To != l.name {
						messages[i].To = ""
					}
				}
				return l.Link.Publish(ctx, messages)
			}},
			map[string]string{"Order": "was not published for this node", "Control": "got a control message for node b"},
		},
		{
			"sends nothing back to the sender",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				messages = slices.DeleteFunc(slices.Clone(messages), func(m cluster.Message) bool { return m.To == l.name })
				return l.Link.Publish(ctx, messages)
			}},
			map[string]string{"Control": "node a: a/5 has not come", "Publishers": "node a: a/2000 has not come"},
		},
		{
			"never says LinkUp",
			broken{link: func(n *wrapped, state cluster.LinkState) {}},
			map[string]string{"LinkUp": "LinkUp has not come within 2s; the last that came: nothing"},
		},
		{
			"says LinkResumed in place of LinkUp",
			broken{link: func(n *wrapped, state cluster.LinkState) { n.Node.Link(cluster.LinkResumed) }},
			map[string]string{"LinkUp": "LinkUp has not come within 2s; the last that came: LinkResumed"},
		},
		{
			"delivers before LinkUp",
			broken{
				link: func(n *wrapped, state cluster.LinkState) {
					if n.name != "b" {
						n.Node.Link(state)
					}
				},
				control: func(n *wrapped, sealed []byte) {
					n.Node.Control(sealed)
					if n.calls++; n.name == "b" && n.calls == 1 {
						n.Node.Link(cluster.LinkUp)
					}
				},
			},
			map[string]string{"LinkUp": "a message before LinkUp"},
		},
		{
			"loses messages after LinkUp",
			broken{control: func(n *wrapped, sealed []byte) {
				if n.calls++; n.calls > 3 {
					n.Node.Control(sealed)
				}
			}, event: func(n *wrapped, e *cluster.Event) {
				if n.calls++; n.calls > 3 {
					n.Node.Event(e)
				}
			}},
			map[string]string{"LinkUp": "was published after LinkUp", "Order": "is lost", "Buffers": "messages, want"},
		},
		{
			"connects a second time without LinkResumed",
			broken{link: func(n *wrapped, state cluster.LinkState) { n.Node.Link(min(state, cluster.LinkUp)) }},
			map[string]string{"Cut": "LinkUp twice", "Restart": "LinkResumed has not come"},
		},
		{
			"does not say LinkDown",
			broken{link: func(n *wrapped, state cluster.LinkState) {
				if state != cluster.LinkDown {
					n.Node.Link(state)
				}
			}},
			map[string]string{"Cut": "LinkDown has not come", "CutUnderLoad": "LinkDown has not come"},
		},
		{
			"says after a restart to one node only that messages were lost",
			broken{link: func(n *wrapped, state cluster.LinkState) {
				if n.name != "c" || state == cluster.LinkUp {
					n.Node.Link(state)
				}
			}},
			map[string]string{"Restart": "node c: LinkResumed has not come"},
		},
		{
			"takes messages without a connection",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				_ = l.Link.Publish(ctx, messages)
				return nil
			}},
			map[string]string{
				"Cut":               "Publish without a connection returns no error",
				"PublishAfterClose": "Publish after Close returns no error",
			},
		},
		{
			"sends later what it returned an error for",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				if l.held != nil {
					messages = slices.Insert(slices.Clone(messages), 1, l.held...)
				}
				err := l.Link.Publish(ctx, messages)
				l.held = nil
				if err != nil {
					l.held = []cluster.Message{clone(&messages[0])}
				}
				return err
			}},
			map[string]string{
				"Cut":          "was not published for this node",
				"CutUnderLoad": "has arrived after a later one",
				"Context":      "a/0 was not published for this node",
			},
		},
		{
			"repeats after an error what had arrived before",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				err := l.Link.Publish(ctx, append(slices.Clone(l.held), messages...))
				if err == nil {
					l.last, l.held = []cluster.Message{clone(&messages[0])}, nil
				} else {
					l.held = l.last
				}
				return err
			}},
			map[string]string{"CutUnderLoad": "has arrived twice"},
		},
		{
			"calls the node after Close",
			broken{close: func(l *link) error {
				l.t.Cleanup(func() { require.NoError(l.t, l.Link.Close()) })
				return nil
			}},
			map[string]string{
				"SilenceAfterClose": "a method of the node was called after Close had returned",
				"PublishAfterClose": "Publish after Close returns no error",
			},
		},
		{
			"does not wait in Close",
			broken{close: func(l *link) error {
				go l.Link.Close()
				return nil
			}},
			map[string]string{"CloseWaits": "Close has returned while a method of the node ran"},
		},
		{
			"does not return from Close",
			broken{close: func(l *link) error {
				_ = l.Link.Close()
				<-l.t.Context().Done()
				return nil
			}},
			map[string]string{
				"PublishAfterClose": "Close takes longer than 2s", "CloseDuringPublish": "Close during Publish takes longer than 2s",
				"Order": "node a: Close takes longer than 2s",
			},
		},
		{
			"returns an error from Close",
			broken{close: func(l *link) error { return errors.Join(l.Link.Close(), errors.New("a bug")) }},
			map[string]string{"PublishAfterClose": "Close: a bug"},
		},
		{
			"does not return from Publish after Close",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				err := l.Link.Publish(ctx, messages)
				if err != nil {
					<-l.t.Context().Done()
				}
				return err
			}},
			map[string]string{
				"PublishAfterClose": "Publish takes longer than 2s", "CloseDuringPublish": "Publish takes longer than 2s",
				"Cut": "Publish takes longer than 2s", "Context": "Publish takes longer than 2s",
			},
		},
		{
			"calls a node from several goroutines",
			broken{event: func(n *wrapped, e *cluster.Event) { go n.Node.Event(e) }},
			map[string]string{"SlowReceiver": "two methods of the node were called at a time"},
		},
		{
			"waits for a slow node",
			broken{control: func(n *wrapped, sealed []byte) {
				n.bug.one <- struct{}{}
				defer func() { <-n.bug.one }()
				n.Node.Control(sealed)
			}, event: func(n *wrapped, e *cluster.Event) {
				n.bug.one <- struct{}{}
				defer func() { <-n.bug.one }()
				n.Node.Event(e)
			}},
			map[string]string{"SlowReceiver": "node c: a/199 has not come"},
		},
		{
			"waits in Publish for a slow node",
			broken{bus: func() cluster.Bus { return newDirect() }},
			map[string]string{"SlowReceiver": "Publish takes longer than 2s"},
		},
		{
			"keeps a reference to what is published",
			broken{bus: func() cluster.Bus { return newDirect() }},
			map[string]string{"Buffers": "a message was changed after it had been delivered"},
		},
		{
			"sends what is published after it has returned",
			broken{publish: func(l *link, ctx context.Context, messages []cluster.Message) error {
				held := l.held
				l.held = slices.Clone(messages) // but not what they point to
				if len(messages) == 1 {
					held = append(held, messages...)
				}
				return l.Link.Publish(ctx, held)
			}},
			map[string]string{"Buffers": "its publisher has used the buffers again"},
		},
		{
			"uses a receive buffer again",
			broken{control: func(n *wrapped, sealed []byte) {
				n.buffer = append(n.buffer[:0], sealed...)
				n.Node.Control(n.buffer)
			}},
			map[string]string{"Order": "a message was changed after it had been delivered"},
		},
		{"loses exceptions", onEvent(func(e *cluster.Event) { e.Except = nil }), map[string]string{"Events": "Except has changed"}},
		{"loses rooms", onEvent(func(e *cluster.Event) { e.Rooms = e.Rooms[:min(len(e.Rooms), 1)] }), map[string]string{"Events": "Rooms has changed"}},
		{"loses IDs", onEvent(func(e *cluster.Event) { e.IDs = false }), map[string]string{"Events": "IDs has changed"}},
		{"loses Volatile", onEvent(func(e *cluster.Event) { e.Volatile = false }), map[string]string{"Events": "Volatile has changed"}},
		{"loses Latest", onEvent(func(e *cluster.Event) { e.Latest = false }), map[string]string{"Events": "Latest has changed"}},
		{"loses keys", onEvent(func(e *cluster.Event) { e.Key = "" }), map[string]string{"Events": "Key has changed"}},
		{"loses attachments", onEvent(func(e *cluster.Event) { e.Attachments = nil }), map[string]string{"Events": "Attachments has changed"}},
		{
			"has numbers as float32",
			onEvent(func(e *cluster.Event) {
				e.Data = []byte(strings.ReplaceAll(string(e.Data), "9007199254740991", "9007199254740992"))
			}),
			map[string]string{"Events": "Data has changed"},
		},
		{
			"has text in ASCII",
			onEvent(func(e *cluster.Event) { e.Data = []byte(strings.ReplaceAll(string(e.Data), "🎉", "?")) }),
			map[string]string{"Events": "Data has changed"},
		},
		{
			"writes text after the data",
			onEvent(func(e *cluster.Event) { e.Data = append(e.Data, "[]"...) }),
			map[string]string{"Events": "Data has changed"},
		},
		{
			"has namespaces in lower case",
			onEvent(func(e *cluster.Event) { e.Namespace = strings.ToLower(e.Namespace) }),
			map[string]string{"Namespaces": `got in "/a"`},
		},
		{
			"looks at the first room only",
			broken{event: func(n *wrapped, e *cluster.Event) {
				if len(e.Rooms) == 0 || n.Node.Occupied(e.Namespace, e.Rooms[0]) {
					n.Node.Event(e)
				}
			}},
			map[string]string{"Namespaces": "got 2 of 3 events", "Occupied": "node b: a/5 has not come"},
		},
		{
			"asks once which rooms are occupied",
			broken{occupied: func(n *wrapped, namespace, room string) bool {
				if n.answers == nil {
					n.answers = make(map[string]bool)
				}
				key := namespace + " " + room
				if _, asked := n.answers[key]; !asked {
					n.answers[key] = n.Node.Occupied(namespace, room)
				}
				return n.answers[key]
			}},
			map[string]string{"Occupied": "node b: a/3 has not come"},
		},
		{
			"drops large events",
			broken{event: func(n *wrapped, e *cluster.Event) {
				if len(e.Data) < 100_000 {
					n.Node.Event(e)
				}
			}},
			map[string]string{"Events": `(500038 bytes) to "/" rooms []`},
		},
		{"loses Close", onCommand(func(c *cluster.Command) { c.Close = false }), map[string]string{"Commands": "Close has changed"}},
		{"loses names", onCommand(func(c *cluster.Command) { c.Names = c.Names[:min(len(c.Names), 1)] }), map[string]string{"Commands": "Names has changed"}},
		{"takes Leave for Join", onCommand(func(c *cluster.Command) { c.Verb = cluster.Join }), map[string]string{"Commands": "Verb has changed"}},
		{"loses exceptions of commands", onCommand(func(c *cluster.Command) { c.Except = nil }), map[string]string{"Commands": "Except has changed"}},
		{
			"takes every name",
			broken{rename: func(name string) string { return fmt.Sprintf("x%x", name)[:min(2*len(name)+1, 64)] }},
			map[string]string{"Names": `Open("a.b") returns no error, want one`},
		},
		{
			"takes names in lower case",
			broken{rename: strings.ToLower},
			map[string]string{"Names": `Open("A") = cluster: a node "a" is open already, want no error`},
		},
		{
			"keeps the name of a closed node",
			broken{close: func(l *link) error {
				err := l.Link.Close()
				_, _ = l.bug.memory.Open(l.name, &wrapped{})
				return err
			}, link: func(n *wrapped, state cluster.LinkState) {
				if n.Node != nil {
					n.Node.Link(state)
				}
			}},
			map[string]string{"Reopen": `Open("b") = cluster: a node "b" is open already`},
		},
		{
			"leaves a goroutine for each node",
			broken{close: func(l *link) error {
				go func() { <-l.t.Context().Done() }()
				return l.Link.Close()
			}},
			map[string]string{"Goroutines": "goroutines more than before after 40 nodes were opened and closed"},
		},
		{
			"mixes two clusters on a broker",
			broken{}, // Other is the same Memory, with other names of nodes
			map[string]string{"OtherCluster": "was not published for this node"},
		},
	} {
		for name, want := range c.caught {
			t.Run(c.bug+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					result := runBroken(t, name, c.broken, nil)
					require.Contains(t, strings.Join(result.failures, "\n"), want)
				})
			})
		}
	}
}

// result is what became of a case. It is the testing.TB of the case, with the
// methods that the suite calls.
type result struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	skipped  string
}

func (r *result) Helper() {}

func (r *result) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *result) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *result) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// runBroken runs a case on a Memory that is broken in some way.
func runBroken(t *testing.T, name string, bug broken, change func(*Broker)) *result {
	t.Helper()
	i := slices.IndexFunc(cases, func(c testCase) bool { return c.name == name })
	require.GreaterOrEqual(t, i, 0, name)
	m := cluster.NewMemory()
	bug.t, bug.memory, bug.one = t, m, make(chan struct{}, 1)
	var bus cluster.Bus = &bug
	if bug.bus != nil {
		bus = bug.bus()
	}
	other := bug
	other.rename = func(name string) string { return "other" + name }
	broker := Broker{
		Timeout:   2 * time.Second,
		Bus:       func(string) cluster.Bus { return bus },
		Cut:       func(node string) { m.Cut(node) },
		Reconnect: func(node string) { m.Reconnect(node) },
		Restart: func() {
			nodes := m.Nodes()
			m.Cut(nodes...)
			m.Reconnect(nodes...)
		},
		Other: func(string) cluster.Bus { return &other },
	}
	if change != nil {
		change(&broker)
	}
	r := new(result)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runCase(r, cases[i], func() Broker { return broker })
	}()
	<-done
	return r
}

// broken is a Memory with a bug, which is in the functions that are set.
type broken struct {
	publish  func(l *link, ctx context.Context, messages []cluster.Message) error
	close    func(l *link) error
	link     func(n *wrapped, state cluster.LinkState)
	event    func(n *wrapped, e *cluster.Event)
	command  func(n *wrapped, c *cluster.Command)
	control  func(n *wrapped, sealed []byte)
	occupied func(n *wrapped, namespace, room string) bool
	rename   func(name string) string
	bus      func() cluster.Bus // in place of the Memory

	t      *testing.T
	memory *cluster.Memory
	one    chan struct{} // has room for one
}

func onEvent(change func(*cluster.Event)) broken {
	return broken{event: func(n *wrapped, e *cluster.Event) {
		change(e)
		n.Node.Event(e)
	}}
}

func onCommand(change func(*cluster.Command)) broken {
	return broken{command: func(n *wrapped, c *cluster.Command) {
		change(c)
		n.Node.Command(c)
	}}
}

func (b *broken) Open(name string, n cluster.Node) (cluster.Link, error) {
	opened := name
	if b.rename != nil {
		opened = b.rename(name)
	}
	l, err := b.memory.Open(opened, &wrapped{Node: n, bug: b, name: name})
	if err != nil {
		return nil, err
	}
	return &link{Link: l, t: b.t, bug: b, name: opened, node: n}, nil
}

// link is the Link of a broken bus.
type link struct {
	cluster.Link
	t    *testing.T
	bug  *broken
	name string
	node cluster.Node

	calls int
	held  []cluster.Message
	last  []cluster.Message
}

func (l *link) Publish(ctx context.Context, messages []cluster.Message) error {
	if l.bug.publish != nil {
		return l.bug.publish(l, ctx, messages)
	}
	// A message to a node has the name under which the node was opened.
	if l.bug.rename != nil {
		messages = slices.Clone(messages)
		for i := range messages {
			if messages[i].To != "" {
				messages[i].To = l.bug.rename(messages[i].To)
			}
		}
	}
	return l.Link.Publish(ctx, messages)
}

func (l *link) Close() error {
	if l.bug.close != nil {
		return l.bug.close(l)
	}
	return l.Link.Close()
}

// wrapped is the Node of a broken bus.
type wrapped struct {
	cluster.Node
	bug  *broken
	name string

	calls   int
	buffer  []byte
	answers map[string]bool
}

func (n *wrapped) Event(e *cluster.Event) {
	if n.bug.event != nil {
		n.bug.event(n, e)
		return
	}
	n.Node.Event(e)
}

func (n *wrapped) Command(c *cluster.Command) {
	if n.bug.command != nil {
		n.bug.command(n, c)
		return
	}
	n.Node.Command(c)
}

func (n *wrapped) Control(sealed []byte) {
	if n.bug.control != nil {
		n.bug.control(n, sealed)
		return
	}
	n.Node.Control(sealed)
}

func (n *wrapped) Link(state cluster.LinkState) {
	if n.bug != nil && n.bug.link != nil {
		n.bug.link(n, state)
		return
	}
	if n.Node != nil {
		n.Node.Link(state)
	}
}

func (n *wrapped) Occupied(namespace, room string) bool {
	if n.bug.occupied != nil {
		return n.bug.occupied(n, namespace, room)
	}
	return n.Node.Occupied(namespace, room)
}

// direct is a bus without queues: Publish calls the other nodes.
type direct struct {
	one   chan struct{} // guards nodes, and is held by Publish
	nodes map[string]cluster.Node
}

func newDirect() *direct { return &direct{make(chan struct{}, 1), make(map[string]cluster.Node)} }

func (d *direct) lock() (unlock func()) {
	d.one <- struct{}{}
	return func() { <-d.one }
}

func (d *direct) Open(name string, n cluster.Node) (cluster.Link, error) {
	defer d.lock()()
	d.nodes[name] = n
	n.Link(cluster.LinkUp)
	return &directLink{d, name}, nil
}

type directLink struct {
	bus  *direct
	name string
}

func (l *directLink) Publish(_ context.Context, messages []cluster.Message) error {
	defer l.bus.lock()()
	for _, message := range messages {
		for name, n := range l.bus.nodes {
			switch {
			case message.To != "" && name != message.To, message.To == "" && name == l.name:
			case message.Event != nil:
				n.Event(message.Event)
			case message.Command != nil:
				n.Command(message.Command)
			default:
				n.Control(message.Control)
			}
		}
	}
	return nil
}

func (l *directLink) Close() error {
	defer l.bus.lock()()
	delete(l.bus.nodes, l.name)
	return nil
}
