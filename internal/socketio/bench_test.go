package socketio

import (
	"fmt"
	"testing"
)

const (
	benchSessions = 100_000
	benchUsers    = 30_000
)

// benchSockets are sockets of as many sessions, in none of the indexes yet.
func benchSockets() (*Server, *Namespace, []*Socket) {
	server := &Server{}
	server.registry.init(server)
	n := &Namespace{server: server, name: "/a"}
	sockets := make([]*Socket, benchSessions)
	for i := range sockets {
		id := Identity{Session: fmt.Sprint("session-", i), User: fmt.Sprint("user-", i%benchUsers)}
		sockets[i] = &Socket{namespace: n, client: clientOf(id), id: fmt.Sprint("socket-", i)}
	}
	return server, n, sockets
}

func perSocket(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSessions, "ns/socket")
}

// All sockets enter an empty registry.
func BenchmarkRegistryAdd(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		server, _, sockets := benchSockets()
		b.StartTimer()
		for _, s := range sockets {
			server.registry.show(s)
		}
	}
	perSocket(b)
}

// All of them leave it.
func BenchmarkRegistryRemove(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		server, _, sockets := benchSockets()
		for _, s := range sockets {
			server.registry.show(s)
		}
		b.StartTimer()
		for _, s := range sockets {
			server.registry.hide(s)
		}
	}
	perSocket(b)
}

// Questions to a registry in which they all are.
func BenchmarkRegistry(b *testing.B) {
	server, n, sockets := benchSockets()
	for _, s := range sockets {
		server.registry.show(s)
	}
	v := View{Server: server, Namespace: n}
	i := 0
	next := func() *Socket { // far from the last one
		i = (i + 7919) % len(sockets)
		return sockets[i]
	}
	run := func(name string, op func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				op()
			}
		})
	}
	run("session", func() { v.Sockets(Key{Session, next().client.standing.Load().Session}) })
	run("user", func() { v.Sockets(Key{User, next().client.standing.Load().User}) })
	run("socket", func() { n.Socket(next().id) })
	run("stranger", func() { v.Sockets(Key{Session, "nobody"}) })
	walked := 0
	run("walk everyone", func() {
		for _, s := range v.Everyone() {
			walked += len(s.id)
		}
	})
	run("session ids", func() { v.IDs(Session) })
	// Everybody is sent something between two who leave and come: the list in use must not change.
	everyone := 0
	last := len(sockets)
	run("leave and come during broadcasts", func() {
		everyone += len(v.Everyone())
		old := next()
		server.registry.hide(old)
		last++
		s := &Socket{namespace: n, client: old.client, id: fmt.Sprint("socket-", last)}
		server.registry.show(s)
		sockets[i] = s
	})
}
