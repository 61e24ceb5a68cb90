package cluster_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojoredis"
)

// address is what a message is for. The zero value is everybody in the namespace.
type address struct {
	to, except []string
	volatile   bool
	local      bool // the server of the sender alone; emitters have no server
}

// sender sends to the clients of all servers, in one namespace. What it sends
// arrives everywhere in order.
type sender interface {
	emit(to address, event string, args ...any)
	join(to address, rooms ...string)
	leave(to address, rooms ...string)
	disconnect(to address)
}

// senders returns a sender of each kind, by name.
func (c *cluster) senders(namespace string) map[string]sender {
	channel, _ := c.a.Channel(namespace)
	return map[string]sender{
		"Node server":      javaScript{c.node, raw("io"), namespace},
		"official emitter": javaScript{c.node, raw("emitter"), namespace},
		"mojo":             goServer{c.t, channel},
		"emitter of mojo":  goEmitter{c.t, c.emitter.Of(namespace)},
	}
}

// forEachSender runs a test with each kind of sender in the namespace chat.
func (c *cluster) forEachSender(test func(t *testing.T, s sender)) {
	for name := range c.senders(chat) {
		c.run(name, func(t *testing.T) { test(t, c.senders(chat)[name]) })
	}
}

// javaScript is the Node server or the official emitter.
type javaScript struct {
	node      *nodeProcess
	object    raw
	namespace string
}

// target returns the expression for an address.
func (s javaScript) target(to address) raw {
	target := string(s.object) + ".of(" + script(s.namespace) + ")"
	if to.to != nil {
		target += ".to(" + script(to.to) + ")"
	}
	if to.except != nil {
		target += ".except(" + script(to.except) + ")"
	}
	if to.volatile {
		target += ".volatile"
	}
	if to.local {
		target += ".local"
	}
	return raw(target)
}

func (s javaScript) emit(to address, event string, args ...any) {
	s.node.t.Helper()
	s.node.run("%s.emit(%s); 0", s.target(to), raw(scripts(append([]any{event}, args...))))
}

func (s javaScript) join(to address, rooms ...string) {
	s.node.t.Helper()
	s.node.run("%s.socketsJoin(%s); roundTrip(%s)", s.target(to), rooms, s.namespace)
}

func (s javaScript) leave(to address, rooms ...string) {
	s.node.t.Helper()
	s.node.run("%s.socketsLeave(%s); roundTrip(%s)", s.target(to), rooms, s.namespace)
}

func (s javaScript) disconnect(to address) {
	s.node.t.Helper()
	s.node.run("%s.disconnectSockets(); 0", s.target(to))
}

// goServer is a server of mojo.
type goServer struct {
	t       *testing.T
	channel *mojo.Channel
}

func (s goServer) target(to address) mojo.Broadcast {
	target := s.channel.Except(to.except...)
	if to.to != nil {
		target = target.To(to.to...)
	}
	if to.volatile {
		target = target.Volatile()
	}
	if to.local {
		target = target.Local()
	}
	return target
}

func (s goServer) emit(to address, event string, args ...any) {
	s.t.Helper()
	require.NoError(s.t, s.target(to).Emit(event, args...))
}

func (s goServer) join(to address, rooms ...string) {
	s.t.Helper()
	require.NoError(s.t, s.target(to).Join(rooms...))
}

func (s goServer) leave(to address, rooms ...string) {
	s.t.Helper()
	require.NoError(s.t, s.target(to).Leave(rooms...))
}

func (s goServer) disconnect(to address) {
	s.t.Helper()
	require.NoError(s.t, s.target(to).Disconnect())
}

// goEmitter is the emitter of mojo.
type goEmitter struct {
	t      *testing.T
	target mojoredis.Target
}

func (s goEmitter) to(to address) mojoredis.Target {
	target := s.target.Except(to.except...)
	if to.to != nil {
		target = target.To(to.to...)
	}
	if to.volatile {
		target = target.Volatile()
	}
	return target
}

func (s goEmitter) emit(to address, event string, args ...any) {
	s.t.Helper()
	require.NoError(s.t, s.to(to).Emit(s.t.Context(), event, args...))
}

func (s goEmitter) join(to address, rooms ...string) {
	s.t.Helper()
	require.NoError(s.t, s.to(to).Join(s.t.Context(), rooms...))
}

func (s goEmitter) leave(to address, rooms ...string) {
	s.t.Helper()
	require.NoError(s.t, s.to(to).Leave(s.t.Context(), rooms...))
}

func (s goEmitter) disconnect(to address) {
	s.t.Helper()
	require.NoError(s.t, s.to(to).Disconnect(s.t.Context()))
}
